"""One destination: its lines, and who waits for one.

A line goes from transaction to transaction; more are opened while somebody waits. Not responsible for what is said on
them (`service.relay.callout`).
"""

import asyncio
from collections import Counter, deque
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

from mailroot.edge.protocollog.log import ProtocolLog
from mailroot.edge.tls.outgoing import ClientTls
from mailroot.mail.counters.layout import SLOTS, UNCOUNTED, Tally
from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.status import Disposition, Status
from mailroot.routing.exchangers import Host
from mailroot.routing.pace import PaceTable
from mailroot.routing.route import RelayRoute
from mailroot.service.relay.approach import Tools, approach_of, call
from mailroot.service.relay.callout import Guide, Line
from mailroot.service.relay.connections import Allotment
from mailroot.service.relay.failures import FailedHosts
from mailroot.service.relay.signin import Wallet
from mailroot.service.relay.width import Width
from mailroot.settings.virtualserver import VirtualServer
from mailroot.wire.client import Outcome

# Seconds for which a line is kept with nothing to say: longer than the gaps of a stream, shorter than a server minds.
IDLE_WAIT = 3.0
# While others wait for a connection that the limit denies them, the only line of a destination serves so many messages.
FAIR_SHARE = 20
# Connections that other workers end are not told to us: seconds until a destination without any asks again.
_ASK_AGAIN = 1.0
# Seconds for servers to answer QUIT when we end.
_FAREWELL = 1.0
_GIVEN_UP = Status(Disposition.DELAYED, "4.3.2", "The connection was given up here before the server answered.")


@dataclass(frozen=True, slots=True)
class Means:
    """What all destinations of a virtual server work with."""

    server: str
    settings: VirtualServer
    guide: Guide
    allotment: Allotment
    failures: FailedHosts
    emit: Emit
    tls: ClientTls
    wallet: Wallet
    paces: PaceTable
    tally: Tally = UNCOUNTED
    log: ProtocolLog | None = None


class Destination:
    """The lines to one next hop. Everything runs on one event loop."""

    def __init__(self, name: str, route: RelayRoute, means: Means) -> None:
        self.name = name
        self._route = route
        self._means = means
        self._tools = Tools(means.tls, means.wallet, self._fell_back, means.log)
        self._most = _most_lines(route, means)
        self._width = Width(self._most)
        self._standing_at: Counter[Host] = Counter()
        self._known: tuple[Host, ...] | Status | None = None
        self._idle: list[tuple[Line, asyncio.TimerHandle]] = []
        self._waiting: deque[asyncio.Future[Line | Status]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._calls: set[asyncio.Task[None]] = set()
        self._opening = 0
        self._standing = 0
        self._asking: asyncio.TimerHandle | None = None

    @property
    def lines(self) -> int:
        """How many connections are open or being opened."""
        return self._standing + self._opening

    @property
    def quiet(self) -> bool:
        """Whether nothing is open and nobody waits."""
        return not self._waiting and not self._tasks and not self.lines

    async def line(self) -> Line | Status:
        """A line that is the caller's until `release`; a status where none can be had for now."""
        while self._idle:
            line, timer = self._idle.pop()
            timer.cancel()
            self._means.allotment.resumes(line)
            if line.usable:
                return line
            self._end(line)
        waiter: asyncio.Future[Line | Status] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self.reach()
        try:
            return await waiter
        except asyncio.CancelledError:
            self._forget(waiter)
            raise

    def release(self, line: Line) -> None:
        """Give a line back: it serves the next who waits, is kept for a while, or ends."""
        if self._is_worn(line):
            self._end(line)
            return
        waiter = self._next_waiter()
        if waiter is not None:
            waiter.set_result(line)
            return
        if self._means.allotment.crowded:
            self._end(line)
            return
        timer = asyncio.get_running_loop().call_later(IDLE_WAIT, self._end_idle, line)
        self._idle.append((line, timer))
        self._means.allotment.idles(line, partial(self._end_idle, line))

    def reach(self) -> None:
        """Open as many connections as waiters need and the limits allow; one alone until it is known to work."""
        while self._waiting and self._opening < (len(self._waiting) if self._standing else 1):
            if not self._width.bears(self.lines + 1):
                return
            if not self._means.allotment.take(self.name, self._most, None if self.lines else self.reach):
                self._ask_later()
                return
            self._opening += 1
            call = asyncio.create_task(self._open(), name=f"call {self.name}")
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
            self._means.allotment.calls(call)
            self._own(call)

    async def another(self, tried: Collection[Host]) -> Line | Status | None:
        """A new line to a host that was not tried yet; None where there is none, or no connection to be had."""
        hosts = await self._hosts()
        if (
            isinstance(hosts, Status)
            or all(host in tried for host in hosts)
            or not self._means.allotment.take(self.name, self._most, None)
        ):
            return None
        self._opening += 1
        result: Line | Status | None = None
        try:
            result = await self._first_line([host for host in hosts if host not in tried])
        finally:
            self._opened(result)
        return result

    def heard(self, outcome: Outcome, usable: bool, begun: float) -> None:
        """A transaction, begun at that moment, has ended: what it tells of how much the destination bears.

        A connection that is no longer `usable` was closed by the server, with 421 or without a word.
        """
        if outcome.busy or not (usable or outcome.stale):
            self._width.troubled(self._standing, begun, _moment())
        elif self._width.narrow and not outcome.stale:
            self._width.served()
            self.reach()

    def give_up_idle(self) -> None:
        """Close the lines that nobody uses, to make room."""
        for line, _ in list(self._idle):
            self._end_idle(line)

    async def close(self) -> None:
        """End what is being opened at once, and idle lines in good order. Lines in use are their users' to release."""
        self.give_up_idle()
        for task in self._calls:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_FAREWELL)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _open(self) -> None:
        result: Line | Status | None = None
        try:
            hosts = await self._hosts()
            result = hosts if isinstance(hosts, Status) else await self._first_line(hosts)
        finally:
            self._opened(result)
        if isinstance(result, Status):
            self._tell_down(result)
            self._all_fail(result)
        else:
            self.release(result)
        self.reach()

    async def _hosts(self) -> tuple[Host, ...] | Status:
        if self._known is not None:
            return self._known
        hosts = await self._means.guide.hosts(self._route)
        if self._means.guide.knows(self._route):
            self._known = hosts
        return hosts

    async def _first_line(self, hosts: Collection[Host]) -> Line | Status:
        """The first host that greets us; a status where none does: a delay, unless every one refuses for good."""
        worst: Status | None = None
        for host in hosts:
            status = self._means.failures.status((host, self._route.security_for(host.name)), _moment())
            if status is None:
                line = await self._call(host)
                if isinstance(line, Line):
                    return line
                status = line
            if worst is None or worst.final:
                worst = status
        assert worst is not None
        return worst

    async def _call(self, host: Host) -> Line | Status:
        self._means.tally.add(SLOTS.outbound_connections)
        approach = approach_of(host, self._route, self._means.settings)
        security, begun = approach.security, _moment()
        answer = await call(approach, self._tools)
        if isinstance(answer, Line):
            self._means.failures.answered((host, security))
        elif self._standing_at[host]:
            # It is alive, and has as many connections of ours as it wants.
            self._width.troubled(self.lines, begun, _moment())
        else:
            self._means.failures.failed((host, security), answer, _moment())
            self._means.emit(
                EVENTS.destination_down,
                server=self._means.server,
                destination=self.name,
                remote=host.name,
                address=host.address,
                cause=" ".join(part for part in (answer.reason, answer.reply) if part),
            )
        return answer

    def _tell_down(self, status: Status) -> None:
        about = {"server": self._means.server, "destination": self.name}
        self._means.emit(EVENTS.domain_down, **about, cause=status.words)

    def _fell_back(self, host: Host, cause: str) -> None:
        self._means.emit(
            EVENTS.tls_fallback,
            server=self._means.server,
            destination=self.name,
            remote=host.name,
            address=host.address,
            cause=cause,
        )

    def _opened(self, result: Line | Status | None) -> None:
        self._opening -= 1
        if isinstance(result, Line):
            self._standing += 1
            self._standing_at[result.host] += 1
        else:
            self._means.allotment.give(self.name)

    def _all_fail(self, status: Status) -> None:
        """No line can be had: nobody waits in vain, unless a line that stands will serve them."""
        if self._standing and status.disposition is Disposition.DELAYED:
            return
        while (waiter := self._next_waiter()) is not None:
            waiter.set_result(status)

    def _next_waiter(self) -> asyncio.Future[Line | Status] | None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                return waiter
        return None

    def _forget(self, waiter: asyncio.Future[Line | Status]) -> None:
        """A waiter was cancelled; a line that it had been given already goes back."""
        if waiter.done() and not waiter.cancelled() and isinstance(line := waiter.result(), Line):
            self.release(line)

    def _is_worn(self, line: Line) -> bool:
        """Whether the line has done its work, or another destination needs the connection more."""
        most = self._means.settings.messages.per_connection
        if not line.usable or (most and line.served >= most) or not self._width.bears(self._standing):
            return True
        return self._means.allotment.crowded and (self._standing > 1 or line.served >= FAIR_SHARE)

    def _ask_later(self) -> None:
        if not self.lines and self._asking is None:
            self._asking = asyncio.get_running_loop().call_later(_ASK_AGAIN, self._ask)

    def _ask(self) -> None:
        self._asking = None
        self.reach()

    def _end_idle(self, line: Line) -> None:
        for _, timer in (each for each in self._idle if each[0] is line):
            timer.cancel()
        self._idle = [each for each in self._idle if each[0] is not line]
        self._means.allotment.resumes(line)
        self._end(line)

    def _end(self, line: Line) -> None:
        self._own(asyncio.create_task(self._leave(line), name=f"leave {self.name}"))

    async def _leave(self, line: Line) -> None:
        try:
            await line.close()
        finally:
            self._standing -= 1
            self._standing_at[line.host] -= 1
            if not self._standing_at[line.host]:
                del self._standing_at[line.host]
            self._means.allotment.give(self.name)
            self._means.tally.add(SLOTS.bytes_received, line.connection.octets_in)
            self._means.tally.add(SLOTS.bytes_sent, line.connection.octets_out)
        self.reach()

    def _own(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._disown)

    def _disown(self, task: asyncio.Task[None]) -> None:
        """A task that was cancelled or failed by a mistake of ours must not leave anybody waiting."""
        self._tasks.discard(task)
        if task.cancelled():
            self._all_fail(_GIVEN_UP)
        elif mistake := task.exception():
            while (waiter := self._next_waiter()) is not None:
                waiter.set_exception(mistake)


def _most_lines(route: RelayRoute, means: Means) -> int:
    """How many connections the settings allow to the destination; 0: no limit."""
    pace = means.paces.find(route)
    own = pace.connections if pace is not None else 0
    return own or means.settings.delivery.connection_limit_per_domain


def _moment() -> float:
    return asyncio.get_running_loop().time()
