"""The workloads: each runs on every server in turn, round by round, so that what else the machine does hits all."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.clients import ClientLoad
from bench.load import IdleSessions, Load, Sink
from bench.servers import CLEAR, Door, Mailroot, Postfix, Server, Unfinished, free_port, make_certificate
from bench.spread import Destinations, Outside, SpreadLoad, outside

AnyLoad = Load | ClientLoad | SpreadLoad
STANDSTILL_LIMIT = 60.0
DEEP_LIMIT = 1800.0
IDLE_LIMIT = 60.0
RELAYED = "user@relay.example"


@dataclass(slots=True)
class Figures:
    """What one server showed in one workload: one entry a round, by the name of the figure."""

    server: str
    rounds: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        """Note one round's value."""
        self.rounds.setdefault(name, []).append(value)


@dataclass(frozen=True, slots=True)
class Bench:
    """What all workloads share: the folder, the servers' classes, and how much is asked."""

    folder: Path
    kinds: tuple[type[Server], ...]
    rounds: int
    messages: int
    idle: int
    deep: int

    @contextmanager
    def servers(self, relay_port: int, door: Door = CLEAR, suffix: str = "") -> Iterator[list[Server]]:
        """Yield new servers that are not started; end them and remove their files afterwards."""
        made: list[Server] = []
        try:
            for kind in self.kinds:
                made.append(kind(self.folder / (kind.name + suffix), relay_port, door))
            yield made
        finally:
            for server in made:
                server.close()
                shutil.rmtree(server.folder)


@dataclass(frozen=True, slots=True)
class Workload:
    """A name for --only, a sentence for the report, and what runs."""

    name: str
    title: str
    run: Callable[[Bench], list[Figures]]


def to_drop(bench: Bench, load: Load | ClientLoad, door: Door = CLEAR) -> list[Figures]:
    """Measure from the first connection until every message is a file in the folder."""
    with bench.servers(free_port(), door) as servers:
        return measure_rounds(bench, servers, load, lambda server: server.delivered())


def to_sink(bench: Bench, load: Load) -> list[Figures]:
    """Measure from the first connection until the next server has taken every message."""
    port = free_port()
    sink = Sink(port)
    try:
        with bench.servers(port) as servers:
            return measure_rounds(bench, servers, load, lambda server: sink.messages)  # noqa: ARG005
    finally:
        sink.close()


def to_thousand(bench: Bench, load: SpreadLoad) -> list[Figures]:
    """Measure from the first connection until the servers of a thousand destinations have taken every message."""
    with everywhere() as (sink, ports):
        door = Door(routes=tuple(Destinations(ports).table()))
        with bench.servers(ports.alive, door) as servers:
            return measure_rounds(bench, servers, load, lambda server: sink.messages)  # noqa: ARG005


def to_thousand_with_dead(bench: Bench, load: SpreadLoad) -> list[Figures]:
    """Measure the mail for 990 destinations while the other ten live, and in turn while they are dead."""
    with everywhere() as (sink, ports), ExitStack() as stack:
        doors = [Door(routes=tuple(Destinations(ports, dead).table())) for dead in (False, True)]
        pairs = [
            stack.enter_context(bench.servers(ports.alive, door, suffix))
            for door, suffix in zip(doors, ("", "-dead"), strict=True)
        ]
        figures = [Figures(server.name) for server in pairs[0]]
        for server in (server for servers in pairs for server in servers):
            server.start()
            _round(server, load.warming(), lambda server: sink.messages, load.warming().living)  # noqa: ARG005
        for _ in range(bench.rounds):
            for alive, dead, shown in zip(*pairs, figures, strict=True):
                one = _living(alive, sink, load, load.messages, (shown, "all alive"))
                other = _living(dead, sink, load, load.living, (shown, "1 % dead"))
                shown.add("% longer", (other / one - 1) * 100)
        return figures


def _living(server: Server, sink: Sink, load: SpreadLoad, living: int, noted: tuple[Figures, str]) -> float:
    """Note one round, in which so many messages arrive; return the seconds for each of them."""
    seconds, cpu = _round(server, load, lambda server: sink.messages, living)  # noqa: ARG005
    shown, words = noted
    shown.add(f"msg/s, {words}", living / seconds)
    shown.add(f"us CPU, {words}", cpu * 1e6 / living)
    return seconds / living


@contextmanager
def everywhere() -> Iterator[tuple[Sink, Outside]]:
    """Yield a server that answers on every loopback address, and the ports of those outside."""
    port = free_port()
    sink = Sink(port, "0.0.0.0")
    try:
        with outside(port) as ports:
            yield sink, ports
    finally:
        sink.close()


def measure_rounds(
    bench: Bench, servers: list[Server], load: AnyLoad, arrived: Callable[[Server], int]
) -> list[Figures]:
    """Measure every server in turn, round by round, after a smaller round that is not counted.

    Each round begins with another server.
    """
    figures = [Figures(server.name) for server in servers]
    for server in servers:
        server.start()
        _round(server, load.warming(), arrived)
    turns = list(zip(servers, figures, strict=True))
    for number in range(bench.rounds):
        first = number % len(turns)
        for server, shown in turns[first:] + turns[:first]:
            seconds, cpu = _round(server, load, arrived)
            shown.add("msg/s", load.messages / seconds)
            shown.add("us CPU/msg", cpu * 1e6 / load.messages)
            shown.add("PSS MB", server.account.memory() / 1e6)
    return figures


def _round(
    server: Server, load: AnyLoad, arrived: Callable[[Server], int], arriving: int | None = None
) -> tuple[float, float]:
    """Return the seconds until all had arrived, and the seconds of CPU until the server was quiet again.

    `arriving` messages are waited for; None: all.
    """
    server.clear()
    os.sync()  # what was written before is not written during the round
    server.account.wait_until_quiet(30)
    wanted, cpu = arrived(server) + (load.messages if arriving is None else arriving), server.account.cpu()
    began = load.send(server.port)
    seconds = _wait_for(server, wanted, arrived) - began
    server.account.wait_until_quiet(30)
    return seconds, server.account.cpu() - cpu


def _wait_for(server: Server, wanted: int, arrived: Callable[[Server], int]) -> float:
    """Return the moment at which all had arrived; raise `Unfinished` when nothing arrives any more."""
    most, progressed = -1, time.monotonic()
    while True:
        asked = time.monotonic()
        count = arrived(server)
        answered = time.monotonic()
        if count >= wanted:
            return answered
        if count > most:
            most, progressed = count, answered
        elif answered > progressed + STANDSTILL_LIMIT:
            raise Unfinished(f"{server.name}: {wanted - count} messages missing, none for {STANDSTILL_LIMIT:.0f} s")
        time.sleep(max(0.005, 5 * (answered - asked)))  # counting takes at most a sixth of a core


def to_drop_by_tls(bench: Bench, load: ClientLoad) -> list[Figures]:
    """Measure the same with STARTTLS on each connection."""
    return to_drop(bench, load, Door(make_certificate(bench.folder)))


def handshakes(bench: Bench, load: ClientLoad) -> list[Figures]:
    """Measure connections that do nothing but shake hands."""
    with bench.servers(free_port(), Door(make_certificate(bench.folder))) as servers:
        figures = [Figures(server.name) for server in servers]
        for server in servers:
            server.start()
            _connections(server, load.warming())
        for _ in range(bench.rounds):
            for server, shown in zip(servers, figures, strict=True):
                rate, cpu = _connections(server, load)
                shown.add("conn/s", rate)
                shown.add("us CPU/conn", cpu)
                shown.add("PSS MB", server.account.memory() / 1e6)
        return figures


def _connections(server: Server, load: ClientLoad) -> tuple[float, float]:
    """Return connections a second, and microseconds of the server's CPU for each."""
    server.account.wait_until_quiet(30)
    cpu = server.account.cpu()
    began = load.send(server.port)
    seconds = time.monotonic() - began
    server.account.wait_until_quiet(30)
    return load.connections / seconds, (server.account.cpu() - cpu) * 1e6 / load.connections


def sign_ins(bench: Bench, load: ClientLoad) -> list[Figures]:
    """Measure connections that sign in: to each account once after a start, then again and again."""
    with bench.servers(free_port(), Door(accounts=load.accounts)) as servers:
        figures = [Figures(server.name) for server in servers]
        cold = replace(load, connections=load.accounts)
        for _ in range(bench.rounds):
            for server, shown in zip(servers, figures, strict=True):
                _sign_in(server, shown, cold, load)
        return figures


def _sign_in(server: Server, shown: Figures, cold: ClientLoad, warm: ClientLoad) -> None:
    server.start()
    for name, load in (("cold", cold), ("warm", warm)):
        rate, cpu = _connections(server, load)
        shown.add(f"{name}/s", rate)
        shown.add(f"us CPU/{name}", cpu)
    server.stop()


def first_banner(bench: Bench) -> list[Figures]:
    """Measure from the start of the command to the first banner, with an empty queue."""
    with bench.servers(free_port()) as servers:
        figures = [Figures(server.name) for server in servers]
        for _ in range(bench.rounds):
            for server, shown in zip(servers, figures, strict=True):
                shown.add("s to banner", server.start())
                server.account.wait_until_quiet(10)
                shown.add("PSS MB", server.account.memory() / 1e6)
                server.stop()
        return figures


def idle_sessions(bench: Bench) -> list[Figures]:
    """Measure the memory while many clients are connected, have said EHLO and are silent."""
    with bench.servers(free_port()) as servers:
        return [_idle(server, bench.idle) for server in servers]


def _idle(server: Server, wanted: int) -> Figures:
    shown = Figures(server.name)
    server.start()
    if isinstance(server, Postfix):
        wanted = min(wanted, server.session_limit)
    sessions = IdleSessions(server.port, wanted, IDLE_LIMIT)
    try:
        server.account.wait_until_quiet(10)
        memory = server.account.memory()
        shown.add("sessions", sessions.answered)
        shown.add("PSS MB", memory / 1e6)
        shown.add("KB/session", memory / 1e3 / max(sessions.answered, 1))
    finally:
        sessions.close()
        server.stop()
    return shown


def deep_queue(bench: Bench) -> list[Figures]:
    """Measure a restart while the queue is full of messages for a host that refuses connections."""
    load = Load(bench.deep, size=1024, persistent=True, recipient=RELAYED)
    with bench.servers(free_port()) as servers:
        return [_deep(server, load) for server in servers]


def _deep(server: Server, load: Load) -> Figures:
    shown = Figures(server.name)
    server.start()
    load.send(server.port)
    server.account.wait_until_quiet(DEEP_LIMIT)
    server.stop()
    os.sync()
    shown.add("s to banner", server.start())
    server.account.wait_until_quiet(30)
    shown.add("PSS MB", server.account.memory() / 1e6)
    server.stop()
    return shown


def workloads(bench: Bench) -> list[Workload]:
    """Return all workloads, in the order of the report."""
    one = Load(bench.messages)
    many = Load(bench.messages * 2, persistent=True)
    relay = Load(bench.messages, recipient=RELAYED)
    flow = Load(bench.messages * 2, persistent=True, recipient=RELAYED)
    spread = SpreadLoad(bench.messages * 2)
    alone = Load(bench.messages // 5, sessions=1, persistent=True)
    tls_one = ClientLoad(bench.messages, messages=bench.messages)
    tls_many = ClientLoad(50, messages=bench.messages * 2)
    full = ClientLoad(bench.messages)
    resumed = replace(full, resumed=True)
    signed = ClientLoad(bench.messages, tls=False, accounts=max(bench.messages // 15, 50))
    large = Load(max(bench.messages // 20, 20), sessions=10, size=1_000_000)
    return [
        Workload("drop-one", f"accept to Drop, one message a connection: {one}", lambda b: to_drop(b, one)),
        Workload("drop-many", f"accept to Drop, many messages a connection: {many}", lambda b: to_drop(b, many)),
        Workload("relay", f"relay to smtp-sink, one message a connection: {relay}", lambda b: to_sink(b, relay)),
        Workload("relay-many", f"relay to smtp-sink, many messages a connection: {flow}", lambda b: to_sink(b, flow)),
        Workload("relay-thousand", f"relay to many hosts: {spread}", lambda b: to_thousand(b, spread)),
        Workload(
            "relay-thousand-dead",
            f"the same with 1 % of the hosts dead: {spread}",
            lambda b: to_thousand_with_dead(b, spread),
        ),
        Workload("sequential", f"accept to Drop, one client alone: {alone}", lambda b: to_drop(b, alone)),
        Workload("large", f"accept to Drop, large messages: {large}", lambda b: to_drop(b, large)),
        Workload("tls-one", f"accept to Drop through STARTTLS: {tls_one}", lambda b: to_drop_by_tls(b, tls_one)),
        Workload("tls-many", f"accept to Drop through STARTTLS: {tls_many}", lambda b: to_drop_by_tls(b, tls_many)),
        Workload("handshakes", f"STARTTLS, EHLO, QUIT, full handshakes: {full}", lambda b: handshakes(b, full)),
        Workload("resumed", f"STARTTLS, EHLO, QUIT, resumed sessions: {resumed}", lambda b: handshakes(b, resumed)),
        Workload("sign-in", f"EHLO, AUTH PLAIN, QUIT in clear: {signed}", lambda b: sign_ins(b, signed)),
        Workload("idle", f"{bench.idle:,} idle sessions (Postfix: its process limit)", idle_sessions),
        Workload("banner", "start with an empty queue", first_banner),
        Workload("deep", f"restart with {bench.deep:,} deferred messages", deep_queue),
    ]


KINDS: tuple[type[Server], ...] = (Mailroot, Postfix)
