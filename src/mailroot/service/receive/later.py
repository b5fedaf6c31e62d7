"""Answers that must be waited for, without holding up any other session."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from mailroot.mail.reply import Reply


class Later(NamedTuple):
    """A reply that depends on what `wait` finds out.

    `then` is called with its result in the session's own turn, and only while the client is there and the session goes
    on; it gives the reply, or one more wait. `wait` may be shared: a session that ends does not cancel it. It ends in
    bounded time, and with an exception only for a programming mistake.
    """

    wait: asyncio.Future[Any]
    then: Callable[[Any], "Reply | Later"]
