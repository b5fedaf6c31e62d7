"""Held mail over one line, which its client has turned round: entry after entry, as long as the line is good."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from mailroot.edge.outgoing import Connection
from mailroot.edge.tls.outgoing import Secured
from mailroot.mail.reply import Reply
from mailroot.mail.status import Status
from mailroot.queue.entry import QueueEntry
from mailroot.queue.store import QueueStore
from mailroot.routing.exchangers import Host
from mailroot.service.deliver.delivery import Delivery
from mailroot.service.deliver.dispatcher import Dispatcher
from mailroot.service.relay.callout import Line, perform
from mailroot.service.relay.remote import RemoteCarrier
from mailroot.wire.client import greet, introduce

# What is leased at a time: it is sent one after the other, and nobody else can have it meanwhile.
_AT_ONCE = 20
# Seconds for the client to greet us once it is the server: it has just asked for that.
_GREETING_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """Who is at the other end: what it calls itself, where it is, the TLS between us ("": none)."""

    name: str
    address: str
    tls: str

    @property
    def host(self) -> Host:
        """The same as a host of the way out."""
        return Host(self.name or f"[{self.address}]", self.address, 0)


async def line_to(place: Place, connection: Connection, hello: str, longest: float, greeted: bool) -> Line | Reply:
    """The line that a turned connection is; the reply that there is instead. `greeted`: the client has greeted us."""
    name = place.host.name
    script = introduce(name, hello, False) if greeted else greet(name, hello, False)
    peer = await perform(script, connection, longest if greeted else min(_GREETING_WAIT, longest))
    if isinstance(peer, Reply):
        return peer
    return Line(place.host, peer, connection, longest, Secured(place.tls, "") if place.tls else None)


class OverLine:
    """Carries deliveries over one line (`service.deliver.delivery.Carrier`); counts the recipients that were served."""

    def __init__(self, line: Line, remote: Callable[[], RemoteCarrier], meant: Callable[[str], bool]) -> None:
        self._line = line
        self._remote = remote
        self._meant = meant
        self.served = 0

    async def carry(self, delivery: Delivery) -> Mapping[int, Status]:
        """The outcome for each recipient; there is no other host to try."""
        outcome = await self._remote().carry_on(self._line, delivery)
        self.served += sum(status.final for status in outcome.values())
        return outcome

    async def serve(self, store: QueueStore, dispatcher: Dispatcher, pattern: str) -> None:
        """Hand over what a store holds for a pattern; what is not meant, and what the line is lost for, stays held."""
        after = ""
        while self._line.usable and not dispatcher.stopping:
            page = await store.claim_held(pattern, after, _AT_ONCE)
            for lease in page.leases:
                await self._hand_over(dispatcher, lease.entry)
            after = page.next
            if not after:
                return

    async def _hand_over(self, dispatcher: Dispatcher, entry: QueueEntry) -> None:
        fit = self._line.usable and not dispatcher.stopping
        meant = tuple([one for one in entry.pending if fit and self._meant(one.recipient.address.domain)])
        others = tuple([one for one in entry.pending if one not in meant])
        work = []
        if others:
            work.append(dispatcher.hold(replace(entry, pending=others)))
        if meant:
            work.append(dispatcher.attempt(replace(entry, pending=meant), self))
        await asyncio.wait(work)
