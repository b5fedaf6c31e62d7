"""What a session does besides answering, for those who answer."""

from collections.abc import Callable, Coroutine
from typing import Protocol

from mailroot.edge.outgoing import Connection
from mailroot.edge.tls.contexts import Secured
from mailroot.mail.reply import Reply

Work = Callable[[Connection], Coroutine[None, None, None]]


class Door(Protocol):
    """The session's connection."""

    secured: Secured | None

    def begin_tls(self) -> Reply:
        """STARTTLS: the reply; a positive one is followed by the handshake."""

    def turn_round(self, work: Work) -> Reply:
        """ATRN, TURN: the reply; after a positive one the connection is `work`'s, who is the client on it."""
