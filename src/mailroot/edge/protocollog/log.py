"""The protocol log of one virtual server in one worker: recorder in front, a sink behind, a thread between.

A session hands over a few values and goes on; twice a second the thread makes lines of them and writes them in one
piece. What cannot be written is counted and told of; mail never waits for the log.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from mailroot.edge.protocollog.call import Call
from mailroot.edge.protocollog.entry import NOTHING, Entry, Loss, Party
from mailroot.edge.protocollog.recorder import Recorder
from mailroot.edge.protocollog.visit import Visit
from mailroot.edge.scheduling import wait_when_waking

# The longest that a record waits before it is written, in seconds.
INTERVAL = 0.5
# Records that are written at once: nearly all become one entry, which takes about a kilobyte in memory. With more of
# them, memory is taken from the system and given back each time.
_AT_ONCE = 300
# Seconds in which a sink may still write what waits, when it ends.
FAREWELL = 3.0
# How often losses are told of, in flushes.
_TELL_EVERY = 20


class Sink(Protocol):
    """Where entries go. Used by one thread."""

    @property
    def tells_local(self) -> bool:
        """Whether anything of our own address gets there: who is asked for it asks the system."""

    def write(self, entries: Sequence[Entry]) -> Loss | None:
        """Write the entries, or take them over; what was lost meanwhile, None where nothing was.

        Called without entries too, so that a loss is told of where nothing more is said.
        """

    def close(self, patience: float) -> Loss | None:
        """Write what waits, if anything does, within so many seconds, and end; what was lost."""


class ProtocolLog:
    """What sessions and outgoing connections report to. `lost` hears how many entries were lost, and why.

    `ours` is in every Message-ID that this process makes. Used in one event loop, except `flush`, the writer's.
    """

    def __init__(self, ours: str, lost: Callable[[int, str], None]) -> None:
        self._ours = ours.encode()
        self._lost = lost
        self._recorder = Recorder()
        self._sink: Sink | None = None
        self._writing = threading.Lock()
        self._missing = self._told = self._quiet = 0
        self._cause = ""

    @property
    def enabled(self) -> bool:
        """Whether a log is kept."""
        return self._sink is not None

    def visit(self, session: str, address: str, local: Callable[[], str]) -> Visit:
        """A client's connection begins; `local` gives the address of ours that the client has found."""
        sink = self._sink
        ours = local() if sink is not None and sink.tells_local else ""
        return Visit(self._recorder, Party(session, address, ours or NOTHING, 0), self._ours)

    def call(self, address: str, port: int) -> Call:
        """A connection to another server begins."""
        return Call(self._recorder, Party("", address, NOTHING, port, outbound=True))

    def use(self, sink: Sink | None, patience: float = FAREWELL) -> None:
        """Write to another sink from now on; None: keep no log. What waits goes to the one before."""
        self.flush()
        with self._writing:
            former, self._sink = self._sink, sink
            if former is not None:
                self._mind(former.close(patience))
                self._quiet = 0  # nobody asks this sink again
                self._tell()

    def flush(self) -> None:
        """Write what waits, now. Never raises: what cannot be written is counted."""
        with self._writing:
            records = self._recorder.taken()
            if self._sink is None:
                return
            for first in range(0, len(records), _AT_ONCE):
                entries: list[Entry] = []
                for record in records[first : first + _AT_ONCE]:
                    record[0].read(record, entries)
                if entries:
                    self._mind(self._sink.write(entries))
            if not records:
                self._mind(self._sink.write(()))
            self._tell()

    def close(self, patience: float = FAREWELL) -> None:
        """Write what waits, and end."""
        self.use(None, patience)

    def _mind(self, loss: Loss | None) -> None:
        if loss is not None:
            self._missing += loss.entries
            self._cause = loss.cause

    def broke(self, mistake: Exception) -> None:
        """A programming mistake lost a batch."""
        self._missing += 1
        self._cause = repr(mistake)

    def _tell(self) -> None:
        """Tell of losses: the first at once, then now and then."""
        lost = self._missing + self._recorder.refused
        self._quiet = max(self._quiet - 1, 0)
        if lost > self._told and not self._quiet:
            self._lost(lost - self._told, self._cause or "more was said than could be written")
            self._told = lost
            self._cause = ""
            self._quiet = _TELL_EVERY


class LogWriter:
    """The thread that writes the logs of all virtual servers of a process. Made where it runs: it survives no fork."""

    def __init__(self) -> None:
        self._logs: list[ProtocolLog] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._write_on, name="protocol logs", daemon=True)
        self._thread.start()

    def add(self, log: ProtocolLog) -> None:
        """Write this log too."""
        self._logs.append(log)

    def close(self, patience: float = FAREWELL) -> None:
        """Write what waits, all logs at once, and end. What is recorded afterwards is not written."""

        def closed(log: ProtocolLog) -> None:
            try:
                log.close(patience)
            except Exception as mistake:  # the outermost frame of the thread (design: errors)
                log.broke(mistake)

        self._ending.set()
        self._thread.join()
        with ThreadPoolExecutor(max(len(self._logs), 1), "protocol logs") as pool:
            list(pool.map(closed, self._logs))

    def _write_on(self) -> None:
        wait_when_waking()
        while not self._ending.wait(INTERVAL):
            for log in self._logs:
                try:
                    log.flush()
                except Exception as mistake:  # the outermost frame of the thread (design: errors)
                    log.broke(mistake)
