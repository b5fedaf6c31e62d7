"""What accounts of this machine may do at the control socket whom a group lets in: what the group's role may.

Who is in which group, and what that may do, is asked for each request anew.
"""

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from mailroot.mail.by import By, member_name
from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.faults import Fault, NotAllowed
from mailroot.policy.operatorguesses import Guesses
from mailroot.policy.operators import Member, OperatorBook
from mailroot.service.life.dispatch import Dispatch, kind_of, refusal

Arguments = Mapping[str, Any]


class Allowed(Protocol):
    """What a member may ask for, and see of the answer."""

    @property
    def arguments(self) -> dict[str, object]:
        """What may be asked."""

    def limited(self, result: Any) -> Any:
        """What of the answer may be shown. Raises `NotAllowed`."""


Allow = Callable[[Member, str, Arguments, Mapping[str, str]], Allowed]
"""Says what a member may ask of an operation; the last are display names of virtual servers by their short ones.

Raises `NotAllowed`, or `Misconfigured` where the arguments cannot be."""


class Finding(Protocol):
    """Who an account is (`edge.operatorgroups.Peers`)."""

    async def member(self, user: int, book: OperatorBook) -> tuple[str, Member | None]:
        """The name of an account, and what it is by its groups. Raises `Fault`."""


class LocalAccess:
    """Decides for each request. `book` gives the operators, `names` the virtual servers."""

    def __init__(
        self,
        dispatch: Dispatch,
        book: Callable[[], Awaitable[OperatorBook]],
        names: Callable[[], Mapping[str, str]],
        allow: Allow,
        emit: Emit,
        peers: Finding,
    ) -> None:
        self._dispatch = dispatch
        self._book = book
        self._names = names
        self._allow = allow
        self._emit = emit
        self._peers = peers
        self._told = Guesses(time.monotonic)

    async def admits(self, user: int) -> bool:
        """Whether a group lets this account in. One that it does not is told by an event, once in a while."""
        try:
            account, member = await self._peers.member(user, await self._book())
        except Fault:
            return False
        if member is None and self._told.wait({account: 1}) == 0:
            self._told.wrong(account)
            self._refused(account, "no group of this account is an operator")
        return member is not None

    async def answer(self, line: bytes, user: int) -> dict[str, object]:
        """The answer to a request of an account."""
        try:
            account, member = await self._peers.member(user, await self._book())
            if member is None:
                text = f"the account {account} may not do this: no group of it is an operator here"
                raise NotAllowed(f"{text} (mailroot operator add --group)")
            request = json.loads(line)
            operation, arguments = str(request["operation"]), dict(request.get("arguments") or {})
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return refusal("a request is a JSON object with an operation and its arguments", "request")
        except Fault as fault:
            return refusal(str(fault), kind_of(fault))
        return await self._performed(member, operation, arguments)

    async def _performed(self, member: Member, operation: str, arguments: Arguments) -> dict[str, object]:
        name = member_name(member.name, member.group)
        try:
            allowed = self._allow(member, operation, arguments, self._names())
            answer = await self._dispatch.perform(operation, allowed.arguments, By(name))
            return {**answer, "result": allowed.limited(answer["result"])} if answer["ok"] else answer
        except NotAllowed as fault:
            self._refused(name, f"{operation[:100]}: {fault}")
            return refusal(str(fault), "forbidden")
        except Fault as fault:
            return refusal(str(fault), kind_of(fault))

    def _refused(self, name: str, cause: str) -> None:
        self._emit(EVENTS.operator_refused, who=name, face="cli", address="", cause=cause[:500])
