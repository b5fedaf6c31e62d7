"""The way out: carries deliveries to other SMTP servers."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mailroot.edge.outgoing import Connection
from mailroot.edge.ownaddresses import is_bound_by, is_local
from mailroot.edge.protocollog.log import ProtocolLog
from mailroot.edge.sharedturns import SharedTurns
from mailroot.edge.tls.outgoing import ClientTls
from mailroot.mail.counters.layout import UNCOUNTED, Tally
from mailroot.mail.envelope import Body
from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.status import Disposition, Status
from mailroot.queue.entry import Pending, QueueEntry
from mailroot.routing.exchangers import Host, Surroundings
from mailroot.routing.pace import PaceTable
from mailroot.routing.route import HoldRoute, RelayRoute
from mailroot.service.deliver.delivery import Delivery
from mailroot.service.deliver.redirect import redirected, shared
from mailroot.service.measure.progress import Progress
from mailroot.service.relay.callout import Guide, Line, Resolver
from mailroot.service.relay.chunkless import ChunklessHosts
from mailroot.service.relay.connections import Allotment, ConnectionLimit
from mailroot.service.relay.destination import Destination, Means
from mailroot.service.relay.failures import FailedHosts
from mailroot.service.relay.masque import Masque, masque_of
from mailroot.service.relay.parcel import Parcel, prepare
from mailroot.service.relay.reaching import reach
from mailroot.service.relay.signin import Wallet
from mailroot.service.relay.signing import Signer
from mailroot.service.relay.turns import Turns
from mailroot.settings.trap import Trap
from mailroot.settings.virtualserver import OutboundSecurity, VirtualServer
from mailroot.wire.client import Outcome
from mailroot.wire.offer import Mail

# A line that went stale is replaced; each idle one may have, but not for ever.
_STALE_LINES = 5
# Seconds between looks at whether a retired carrier has nothing left to do.
_RETIRING = 0.5
# Beyond so many, destinations without work are forgotten.
_DESTINATIONS = 10_000
_UNFIT = Status(Disposition.FAILED, "5.6.7", "The address needs SMTPUTF8, which the server does not offer.")


@dataclass(frozen=True, slots=True)
class Way:
    """What a carrier is made of. `bindings` are all listeners of the service, as (address, port)."""

    server: str
    settings: VirtualServer
    resolver: Resolver
    emit: Emit
    bindings: Sequence[tuple[str, int]]
    limit: ConnectionLimit
    wallet: Wallet
    turns: SharedTurns
    signer: Signer | None = None
    tally: Tally = UNCOUNTED
    log: ProtocolLog | None = None


class RemoteCarrier:
    """Carries relay deliveries (`service.deliver.delivery.Carrier`). Any number of tasks may carry at once."""

    def __init__(self, way: Way) -> None:
        delivery = way.settings.delivery
        ours = Surroundings(delivery.fqdn, is_local, is_bound_by(way.bindings), delivery.private_exchangers)
        guide = Guide(way.resolver, ours)
        failures = FailedHosts(min(_waits(way)) / 2)  # so that every attempt on a failed host is one
        self._means = Means(
            server=way.server,
            settings=way.settings,
            guide=guide,
            allotment=Allotment(way.limit),
            failures=failures,
            emit=way.emit,
            tls=ClientTls(),
            wallet=way.wallet,
            paces=PaceTable(way.settings.pace),
            tally=way.tally,
            log=way.log,
        )
        paces = self._means.paces
        self._turns = Turns(way.server, paces, way.turns, way.emit, max(_waits(way))) if paces else None
        self._progress = Progress(way.tally)
        self._masque = masque_of(way.settings)
        self._signer = way.signer
        self._chunkless = ChunklessHosts(time.monotonic)
        self._destinations: dict[tuple[str, int, bool, OutboundSecurity], Destination] = {}
        self._near: dict[int, tuple[RelayRoute, Destination]] = {}

    async def carry(self, delivery: Delivery) -> Mapping[int, Status]:
        """The outcome for each recipient; see `Carrier`. Waits while the destination's connections are all in use."""
        route = _relay_route(delivery)
        trap = self._means.settings.delivery.trap
        if trap is not None:
            return await self._trapped(delivery, route, trap)
        if self._masque is not None:
            delivery = await self._masked(delivery, self._masque)
        return await self._counted(delivery, route)

    async def _counted(self, delivery: Delivery, route: RelayRoute) -> Mapping[int, Status]:
        begun = self._progress.begins((delivery,))
        outcome = await self._serve(delivery, self._destination(route))
        self._progress.ends(begun, 1)
        return outcome

    async def _trapped(self, delivery: Delivery, route: RelayRoute, trap: Trap) -> Mapping[int, Status]:
        """Whatever way led here: nothing but the trap's address has any mail."""
        if trap.address is None:
            return _kept_by_the_trap(delivery)
        return shared(await self._counted(redirected(delivery, trap.address), route), delivery)

    @property
    def paced(self) -> bool:
        """Whether any destination has a pace of its own."""
        return self._turns is not None

    def wait_for_turn(self, delivery: Delivery) -> float:
        """Seconds until a delivery may go as the pace of its destination has it; 0.0: now, and it is counted."""
        waited = delivery.pending[0].due > delivery.entry.arrived
        return self._turns.wait(_relay_route(delivery), waited) if self._turns is not None else 0.0

    def held_up(self, delivery: Delivery) -> Status:
        """What is told of a delivery that waits for its turn."""
        assert self._turns is not None
        return self._turns.status(_relay_route(delivery))

    async def _masked(self, delivery: Delivery, masque: Masque) -> Delivery:
        return replace(delivery, entry=replace(delivery.entry, envelope=await masque.over(delivery.entry)))

    async def carry_on(self, line: Line, delivery: Delivery) -> Mapping[int, Status]:
        """The same over a line that the other side opened (ATRN, TURN): there is no other host to try."""
        if self._means.settings.delivery.trap is not None:
            return _kept_by_the_trap(delivery)
        if self._masque is not None:
            delivery = await self._masked(delivery, self._masque)
        assert isinstance(delivery.route, HoldRoute)
        destination = Destination(line.host.name, delivery.route.relay, self._means)
        outcome = await self._transact(line, destination, delivery, delivery.pending)
        return outcome.statuses

    async def reach(self, route: RelayRoute) -> Line | Status:
        """A line for another end than carrying mail (`reaching`)."""
        return await reach(self._means, route)

    def note(self, connection: Connection, address: str) -> None:
        """Have the protocol log tell what is said on a connection that was not opened here."""
        log = self._means.log
        if log is not None and log.enabled:
            connection.log = log.call(address, 0)

    @property
    def hello(self) -> str:
        """The name that we give ourselves."""
        return self._means.settings.delivery.fqdn

    @property
    def longest(self) -> float:
        """Seconds that no step may wait longer."""
        return self._means.settings.delivery.connection_timeout.total_seconds()

    def try_again(self) -> None:
        """Forget which hosts and token endpoints failed: an operator knows better."""
        self._means.failures.forget()
        self._means.wallet.tokens.forget_failures()

    async def retire(self) -> None:
        """Let what is under way end, however long it takes, then close. Nothing new may be given to this carrier."""
        for destination in self._destinations.values():
            destination.give_up_idle()
        while not all(destination.quiet for destination in self._destinations.values()):
            await asyncio.sleep(_RETIRING)
        await self.close()

    async def close(self) -> None:
        """End all idle connections in good order. Deliveries under way are their callers' to end before."""
        await asyncio.gather(*(destination.close() for destination in self._destinations.values()))

    def _destination(self, route: RelayRoute) -> Destination:
        # The plan gives the same routes again and again, and to compare their demands costs more than to remember them.
        near = self._near.get(id(route))
        if near is not None and near[0] is route:
            return near[1]
        name = route.destination
        # A line is shared by those alone who demand the same of it: it never carries mail that asks for more.
        key = (name, route.port, route.use_helo, route.security)
        destination = self._destinations.get(key)
        if destination is None:
            self._sweep()
            destination = self._destinations[key] = Destination(name, route, self._means)
        if len(self._near) >= _DESTINATIONS:
            self._near.clear()
        self._near[id(route)] = (route, destination)
        return destination

    def _sweep(self) -> None:
        """Forget destinations that have nothing to do, so that their number does not only grow."""
        if len(self._destinations) >= _DESTINATIONS:
            self._near.clear()
            self._destinations = {key: each for key, each in self._destinations.items() if not each.quiet}

    async def _serve(self, delivery: Delivery, destination: Destination) -> dict[int, Status]:
        """Try host after host until every recipient has the best status that can be had now."""
        statuses: dict[int, Status] = {}
        waiting: Sequence[Pending] = delivery.pending
        tried: list[Host] = []
        stale = 0
        line: Line | Status | None = await destination.line()
        while isinstance(line, Line):
            tried.append(line.host)
            outcome = await self._hand_over(line, destination, delivery, waiting)
            statuses.update(outcome.statuses)
            again = self._chunkless.heard(line.host, outcome) if delivery.entry.envelope.body is Body.BINARY else True
            if outcome.stale and again and stale < _STALE_LINES:
                stale += 1
                line = await destination.line()
                continue
            waiting = [each for each in waiting if not statuses[each.number].final]
            if not waiting or not outcome.elsewhere:
                return statuses
            line = await destination.another(tried)
        if line is not None:
            for each in waiting:
                # What a server said tells more than that another could not be reached.
                statuses.setdefault(each.number, line)
        return statuses

    async def _hand_over(
        self, line: Line, destination: Destination, delivery: Delivery, waiting: Sequence[Pending]
    ) -> Outcome:
        try:
            return await self._transact(line, destination, delivery, waiting)
        except BaseException:
            line.connection.stop("4.4.2", "the transaction was given up")
            raise
        finally:
            destination.release(line)

    async def _parcel(self, entry: QueueEntry, line: Line) -> Parcel | Status:
        """The message as the line's host can take it; in chunks, where nothing else is possible."""
        offer = line.peer.offer
        believed = self._chunkless.without(line.host, offer)
        parcel = await prepare(entry, believed, self._signer)
        if isinstance(parcel, Status) and parcel.final and believed is not offer:
            return await prepare(entry, offer, self._signer)
        return parcel

    async def _transact(
        self, line: Line, destination: Destination, delivery: Delivery, waiting: Sequence[Pending]
    ) -> Outcome:
        entry = delivery.entry
        envelope, offer = entry.envelope, line.peer.offer
        parcel = await self._parcel(entry, line)
        if isinstance(parcel, Status):
            return Outcome(dict.fromkeys((each.number for each in waiting), parcel))
        recipients = [(each.number, each.recipient) for each in waiting if offer.smtputf8 or _plain(each)]
        unfit = {each.number: _UNFIT for each in waiting if not (offer.smtputf8 or _plain(each))}
        if not recipients:
            return Outcome(unfit)
        mail = Mail(envelope, recipients, parcel.body, parcel.content.size)
        begun = asyncio.get_running_loop().time()
        outcome = await line.transact(mail, parcel.content)
        destination.heard(outcome, line.peer.usable, begun)
        self._means.emit(
            EVENTS.attempt,
            server=self._means.server,
            entry=entry.key,
            message_id=entry.message_id,
            destination=destination.name,
            remote=line.host.name,
            recipients=len(recipients),
            **line.marks,
            **({"dkim": ", ".join(parcel.signed)} if parcel.signed else {}),
        )
        outcome.statuses.update(unfit)
        return outcome


def _kept_by_the_trap(delivery: Delivery) -> dict[int, Status]:
    reason = "delivery.trap holds all mail of this server."
    return {one.number: Status(Disposition.DELAYED, "4.3.2", reason) for one in delivery.pending}


def _relay_route(delivery: Delivery) -> RelayRoute:
    if not isinstance(delivery.route, RelayRoute):
        raise TypeError(f"only relay routes lead to other servers, not {delivery.route!r}")
    return delivery.route


def _waits(way: Way) -> list[float]:
    """The waits between attempts, in seconds."""
    intervals = [way.settings.delivery.retry_intervals, *(one.retry_intervals for one in way.settings.domains.values())]
    return [wait.total_seconds() for waits in intervals for wait in waits]


def _plain(pending: Pending) -> bool:
    """Whether a server without SMTPUTF8 can be told of the recipient; a domain always has its A-labels."""
    return pending.recipient.address.local.isascii()
