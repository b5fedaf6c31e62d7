"""The board: what all processes of the service count, and say of themselves, in memory that is mapped before the fork.

Counts: a process writes only its own row, so no lock is needed. A row stays when its process dies, and the successor
goes on with it: nothing that was counted is lost. Notes: a text of each worker about how it is at this moment, which
goes with it. Whoever reads asks first: notes are only written while somebody wants them.
"""

import mmap
import struct
import zlib
from collections.abc import Callable, Sequence

from mailroot.mail.counters.layout import LENGTH, Tally

_CELL = 8
# A note is a list of at most a hundred destinations and some numbers for each virtual server.
NOTE_LIMIT = 256 * 1024
_HEAD = struct.Struct("=IId")  # length, checksum, when it was written
_MOMENT = struct.Struct("=d")


class SharedBoard:
    """Counts of `workers` workers and of the supervisor, for each of `servers` and for the service itself ("").

    `now` gives seconds that are the same in all processes: the system's monotonic clock.
    """

    def __init__(self, workers: int, servers: Sequence[str], now: Callable[[], float]) -> None:
        self._blocks = ("", *sorted(servers))
        self._processes = workers + 1
        self._counts = mmap.mmap(-1, self._processes * len(self._blocks) * LENGTH * _CELL)
        self._cells = memoryview(self._counts).cast("q")
        self._notes = mmap.mmap(-1, _CELL + workers * NOTE_LIMIT)  # pages that nobody writes take no memory
        self._now = now
        self.workers = workers

    @property
    def supervisor(self) -> int:
        """The number of the supervisor's row."""
        return self.workers

    def tallies(self, process: int) -> dict[str, Tally]:
        """What a process counts in, by virtual server; "" is the service itself."""
        return {server: Tally(self._cells[slice(*self._range(process, server))]) for server in self._blocks}  # type: ignore[arg-type]

    def totals(self) -> dict[str, list[int]]:
        """The counts of all processes added up, by virtual server."""
        return {server: self._total(server) for server in self._blocks}

    def _total(self, server: str) -> list[int]:
        rows = [self._cells[slice(*self._range(process, server))].tolist() for process in range(self._processes)]
        return [sum(column) for column in zip(*rows, strict=True)]

    def inherit(self, former: "SharedBoard") -> None:
        """Go on with what another board counted: nothing is lost of servers that stay. Nobody writes there any more."""
        for process in range(former._processes):
            heir = self.supervisor if process == former.supervisor else process if process < self.workers else 0
            ours, theirs = self.tallies(heir), former.tallies(process)
            for server in ours.keys() & theirs.keys():
                for slot, count in enumerate(theirs[server].cells):
                    ours[server].add(slot, count)

    def _range(self, process: int, server: str) -> tuple[int, int]:
        first = (process * len(self._blocks) + self._blocks.index(server)) * LENGTH
        return first, first + LENGTH

    # -- notes

    def ask(self) -> None:
        """Somebody wants to read notes, now and for a while."""
        _MOMENT.pack_into(self._notes, 0, self._now())

    def asked(self) -> float:
        """Seconds since somebody wanted notes."""
        (moment,) = _MOMENT.unpack_from(self._notes, 0)
        return self._now() - moment if moment else float("inf")

    def note(self, worker: int, text: bytes) -> None:
        """Write the worker's note; one that is too long is left out."""
        if len(text) > NOTE_LIMIT - _HEAD.size:
            return
        at = self._place(worker)
        self._notes[at + _HEAD.size : at + _HEAD.size + len(text)] = text
        _HEAD.pack_into(self._notes, at, len(text), zlib.crc32(text), self._now())

    def read(self, worker: int) -> tuple[float, bytes] | None:
        """The age of a worker's note in seconds, and its text; None where there is none, or it is being written."""
        at = self._place(worker)
        length, checksum, moment = _HEAD.unpack_from(self._notes, at)
        text = self._notes[at + _HEAD.size : at + _HEAD.size + min(length, NOTE_LIMIT - _HEAD.size)]
        if not length or zlib.crc32(text) != checksum:
            return None
        return self._now() - moment, text

    def forget(self, worker: int) -> None:
        """A worker has died: what it said of itself is no longer so."""
        _HEAD.pack_into(self._notes, self._place(worker), 0, 0, 0.0)

    def _place(self, worker: int) -> int:
        return _CELL + worker * NOTE_LIMIT
