"""Counts that all workers share: one slot per worker and name, in memory that is mapped before the fork.

A worker writes only its own slots, so no lock is needed; a dead worker's slots are cleared by the supervisor.
"""

import mmap
import zlib
from collections.abc import Callable

_SLOT = 8
DESTINATION_SLOTS = 4096  # destinations that fall on one slot are counted together: the limit is then kept too early


class SharedCounts:
    """`workers` rows of `slots` integers; the last `lasting` of a row outlive the worker."""

    def __init__(self, workers: int, slots: int, lasting: int = 0) -> None:
        self._lasting = lasting
        self._mortal = slots - lasting
        self._slots = slots
        self._map = mmap.mmap(-1, max(1, workers * slots) * _SLOT)
        self._cells = memoryview(self._map).cast("q")
        self.workers = workers

    def add(self, worker: int, slot: int, change: int) -> None:
        """Change the worker's own count."""
        self._cells[worker * self._slots + slot] += change

    def own(self, worker: int, slot: int) -> int:
        """The worker's own count."""
        return self._cells[worker * self._slots + slot]

    def total(self, slot: int) -> int:
        """The count over all workers."""
        return sum(self._cells[slot :: self._slots][: self.workers])

    def most(self, slot: int) -> int:
        """The highest count of a worker."""
        return max(self._cells[slot :: self._slots][: self.workers])

    def row(self, worker: int, first: int, length: int) -> memoryview:
        """A worker's own counts from `first` on, as they are now and as they become."""
        begin = worker * self._slots + first
        return self._cells[begin : begin + length]

    def inherit(self, former: "SharedCounts", merged: Callable[[int, int, int], int]) -> None:
        """Go on with what lasts of other counts, which have as much of it; nobody writes there any more.

        Rows of workers that are no more are merged into the first: `merged` is given a place and two values.
        """
        for worker in range(former.workers):
            first = former._mortal + worker * former._slots
            ours = self._mortal + (worker if worker < self.workers else 0) * self._slots
            for place, value in enumerate(former._cells[first : first + self._lasting].tolist()):
                if value:
                    self._cells[ours + place] = merged(place, self._cells[ours + place], value)

    def clear(self, worker: int) -> None:
        """Forget a worker that died."""
        begin, size = worker * self._slots * _SLOT, self._mortal * _SLOT
        self._map[begin : begin + size] = bytes(size)


def destination_slot(destination: str) -> int:
    """The slot of a destination; the same in every worker."""
    return zlib.crc32(destination.encode()) % DESTINATION_SLOTS
