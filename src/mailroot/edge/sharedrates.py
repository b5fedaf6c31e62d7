"""Rates that all workers share: how often something named happened of late, in slots of `SharedCounts`.

A name falls on two slots, and the lower one counts: two names are taken for one another only where both slots are
shared. A slot holds the number of a stretch of time, what was counted in it and in the one before. A worker writes its
own slots only; what a worker counted goes with it when it dies.
"""

from collections.abc import Callable

from mailroot.edge.sharedcounts import SharedCounts

RATE_SLOTS = 65_536
_MOST = 0xFFFF


class SharedRates:
    """Rates of one worker, over stretches of `window` seconds; `first` is the first of `RATE_SLOTS` slots.

    `now` gives seconds that never go back and are the same in every worker: the system's monotonic clock.
    """

    def __init__(self, counts: SharedCounts, worker: int, first: int, window: float, now: Callable[[], float]) -> None:
        self._counts = counts
        self._worker = worker
        self._first = first
        self._window = window
        self._now = now

    def add(self, name: str) -> None:
        """Count what is named once."""
        stretch, _ = self._time()
        for slot in self._slots(name):
            cell = self._counts.own(self._worker, slot)
            current, before = _counted(cell, stretch)
            new = stretch << 32 | min(current + 1, _MOST) << 16 | before
            self._counts.add(self._worker, slot, new - cell)

    def level(self, name: str) -> float:
        """How often it was counted within the last `window` seconds, as if evenly within the stretch before."""
        stretch, part = self._time()
        return min(self._level(slot, stretch, part) for slot in self._slots(name))

    def _level(self, slot: int, stretch: int, part: float) -> float:
        counted = [_counted(self._counts.own(worker, slot), stretch) for worker in range(self._counts.workers)]
        return sum(current for current, _ in counted) + sum(before for _, before in counted) * (1 - part)

    def _time(self) -> tuple[int, float]:
        stretch, rest = divmod(self._now(), self._window)
        # Never 0, so that a slot that nobody wrote is of no stretch.
        return (int(stretch) + 2) & 0x7FFFFFFF, rest / self._window

    def _slots(self, name: str) -> tuple[int, int]:
        # `hash` is seeded anew for each run of the service, and alike in all workers, which are forks of one process:
        # nobody can look for names that fall on the slots of another.
        half = RATE_SLOTS // 2
        rest, one = divmod(hash(name), half)
        return self._first + one, self._first + half + rest % half


def _counted(cell: int, stretch: int) -> tuple[int, int]:
    """What a cell says of this stretch and of the one before."""
    age = stretch - (cell >> 32)
    current = cell >> 16 & _MOST
    if age == 0:
        return current, cell & _MOST
    return 0, current if age == 1 else 0
