"""The answers to ETRN, ATRN and TURN in a session: who may ask, how often, and what comes of it."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from mailroot.edge.outgoing import Connection
from mailroot.mail.faults import Fault
from mailroot.mail.reply import REPLIES, Reply
from mailroot.policy.client import Address, Client
from mailroot.policy.guesses import origin
from mailroot.queue.entry import Origin
from mailroot.routing.held import HeldDomains, NotHeld, Patterns
from mailroot.service.held.asked import HeldMail, Turned
from mailroot.service.receive.door import Door
from mailroot.service.receive.later import Later
from mailroot.wire.events import QueueRequested, TurnRequested

# RFC 1985 section 8: a stranger's ETRN costs us connections, so it is answered, but not obeyed, more often than that.
_SAME_AGAIN = 60.0
_MOST_OF_CLIENT = 20
_STRETCH = 60.0
_REMEMBERED = 10_000


class Restraint:
    """How often one client may ask, and how soon the same mail is tried again. `now` gives seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._started: OrderedDict[tuple[str, ...], float] = OrderedDict()
        self._clients: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def too_often(self, address: Address) -> bool:
        """Count a client's request; whether it was one too many of the minute."""
        client, now = origin(address), self._now()
        begun, count = self._clients.pop(client, (now, 0))
        if now - begun >= _STRETCH:
            begun, count = now, 0
        self._clients[client] = (begun, count + 1)
        if len(self._clients) > _REMEMBERED:
            self._clients.popitem(last=False)
        return count >= _MOST_OF_CLIENT

    def just_started(self, patterns: tuple[str, ...]) -> bool:
        """Whether this mail was tried a moment ago."""
        started = self._started.get(patterns)
        return started is not None and self._now() - started < _SAME_AGAIN

    def started(self, patterns: tuple[str, ...]) -> None:
        """This mail is tried now."""
        self._started.pop(patterns, None)
        self._started[patterns] = self._now()
        if len(self._started) > _REMEMBERED:
            self._started.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Holding:
    """What a virtual server's rules know of held mail."""

    domains: HeldDomains
    mail: HeldMail
    restraint: Restraint
    tell: Callable[..., None]
    """Tells the events of what was asked for by ETRN."""


class Summoning:
    """What one client asks for. `refused` tells who is refused, and gives the reply back."""

    def __init__(
        self,
        holding: Holding,
        client: Client,
        origin: Origin,
        door: Door,
        refused: Callable[[Reply, str], Reply],
    ) -> None:
        self._holding = holding
        self._client = client
        self._origin = origin
        self._door = door
        self._refused = refused

    def queue(self, request: QueueRequested) -> Reply | Later:
        """The reply to ETRN."""
        node = f"{request.kind}{request.name}"
        found = self._holding.domains.named(request.name, request.kind)
        if isinstance(found, NotHeld):
            return self._refused(REPLIES.node_not_allowed(node=node, reason=found.reason), found.cause)
        restraint = self._holding.restraint
        if restraint.too_often(self._client.address):
            cause = f"more than {_MOST_OF_CLIENT} requests of this address in a minute"
            return self._refused(REPLIES.queuing_failed(node=node), cause)
        if restraint.just_started(found):
            return REPLIES.pending_started(node=node)
        restraint.started(found)
        wait = asyncio.ensure_future(_known(self._holding.mail.start(found)))
        return Later(wait, partial(self._started, request, node))

    def _started(self, request: QueueRequested, node: str, found: int | Fault) -> Reply:
        if isinstance(found, Fault):
            return self._refused(REPLIES.queuing_failed(node=node), str(found))
        origin = self._origin
        self._holding.tell(session=origin.session, address=origin.address, node=node, recipients=found)
        if not found:
            return REPLIES.nothing_waits(node=node)
        # How much waits is nobody's business but that of those who may have it.
        mine = self._client.user and self._holding.domains.of_account(self._client.user, (request.name,))
        counted = isinstance(mine, tuple) and not request.kind
        return REPLIES.pending_counted(node=node, count=found) if counted else REPLIES.queuing_started(node=node)

    def turn(self, request: TurnRequested) -> Reply | Later:
        """The reply to ATRN and TURN. A positive one is followed by the mail."""
        user = self._client.user
        found = self._holding.domains.of_account(user, request.domains)
        if isinstance(found, NotHeld):
            return self._refused(REPLIES.turn_refused(), f"{user}: {found.cause}")
        wait = asyncio.ensure_future(_known(self._holding.mail.waiting(found)))
        return Later(wait, partial(self._turned, found))

    def _turned(self, patterns: Patterns, found: int | Fault) -> Reply:
        if isinstance(found, Fault):
            return self._refused(REPLIES.turn_unavailable(), str(found))
        return self._door.turn_round(partial(self._hand_over, patterns)) if found else REPLIES.no_mail()

    async def _hand_over(self, patterns: Patterns, connection: Connection) -> None:
        origin, secured = self._origin, self._door.secured
        turned = Turned(
            connection=connection,
            session=origin.session,
            name=origin.hello,
            address=origin.address,
            user=self._client.user,
            tls="" if secured is None else secured.version,
            patterns=patterns,
        )
        await self._holding.mail.hand_over(turned)


async def _known(asked: Awaitable[int]) -> int | Fault:
    """The answer, or the fault that stands in its way."""
    try:
        return await asked
    except Fault as fault:
        return fault
