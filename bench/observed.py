"""What it costs to watch: Mailroot with all that tells of it switched off, by default, and with everything on."""

import contextlib
import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from bench.load import Load, Sink
from bench.servers import CLEAR, Door, Mailroot, Server, free_port
from bench.workloads import RELAYED, Bench, Figures, Workload, measure_rounds

_EVERY_FIELD = (
    "date time c-ip cs-username s-sitename s-computername s-ip s-port cs-method cs-uri-stem cs-uri-query sc-status"
    " sc-win32-status sc-bytes cs-bytes time-taken cs-version cs-host cs(User-Agent) cs(Cookie) cs(Referer)"
).split()
_SCRAPE_EACH = 1.0
_PARTS = 4


class Unwatched(Mailroot):
    """Mailroot without event log, trace and protocol log. Counters cannot be switched off."""

    name = "Mailroot, unwatched"

    def _settings(self) -> str:
        off = '[service]\nevents = ""\n[service.trace]\nfolder = ""\n'
        return f"{super()._settings()}{off}[servers.default.general.log]\nenabled = false\n"


class Watched(Mailroot):
    """Mailroot with event log, trace, every field of the protocol log, syslog, and figures that are scraped."""

    name = "Mailroot, watched"

    def __init__(self, folder: Path, relay_port: int, door: Door = CLEAR) -> None:
        self.metrics, self.syslog = free_port(), free_port()
        super().__init__(folder, relay_port, door)

    def _settings(self) -> str:
        service = f'[service]\nmetrics = "127.0.0.1:{self.metrics}"\n'
        syslog = f'[service.events_to]\nsyslog = "udp://127.0.0.1:{self.syslog}"\n'
        fields = ", ".join(f'"{field}"' for field in _EVERY_FIELD)
        return f"{super()._settings()}{service}{syslog}[servers.default.general.log]\nfields = [{fields}]\n"


def observed(bench: Bench, load: Load, *, relayed: bool) -> list[Figures]:
    """Measure all in turn, round by round; the difference in CPU time is that within each round.

    A quarter of the load in four times the rounds: from one second to the next the machine changes less.
    """
    bench = replace(bench, rounds=bench.rounds * _PARTS)
    port = free_port()
    with contextlib.ExitStack() as stack:
        arrived: Callable[[Server], int] = Server.delivered
        if relayed:
            sink = Sink(port)
            stack.callback(sink.close)
            arrived = lambda _server: sink.messages  # noqa: E731
        log = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))  # what it does not read is dropped
        servers = stack.enter_context(replace(bench, kinds=(Unwatched, Mailroot, Watched)).servers(port))
        watched = next(one for one in servers if isinstance(one, Watched))
        log.bind(("127.0.0.1", watched.syslog))
        stack.enter_context(_scraped(watched.metrics))
        figures = measure_rounds(bench, servers, load, arrived)
    without = figures[0].rounds["us CPU/msg"]
    for shown in figures:
        for before, after in zip(without, shown.rounds["us CPU/msg"], strict=True):
            shown.add("% more CPU", (after / before - 1) * 100)
    return figures


@contextlib.contextmanager
def _scraped(port: int) -> Iterator[None]:
    """Have the figures read once a second, as Prometheus would more rarely."""
    over = threading.Event()

    def scrape() -> None:
        while not over.wait(_SCRAPE_EACH):
            with contextlib.suppress(OSError, http.client.HTTPException):  # it is not there yet, or no more
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", "/metrics")
                connection.getresponse().read()
                connection.close()

    thread = threading.Thread(target=scrape, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(10)


def observed_workloads(bench: Bench) -> list[Workload]:
    """Return those that measure the price of watching."""
    drop = Load(bench.messages * 2 // _PARTS, persistent=True)
    relay = replace(drop, recipient=RELAYED)
    return [
        Workload(
            "observed-drop",
            f"the price of watching, accept to Drop: {drop}",
            lambda b: observed(b, drop, relayed=False),
        ),
        Workload(
            "observed-relay",
            f"the price of watching, relay: {relay}",
            lambda b: observed(b, relay, relayed=True),
        ),
    ]
