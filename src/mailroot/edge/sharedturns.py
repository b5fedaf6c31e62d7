"""Turns and daily counts of destinations that all workers share, in slots of `SharedCounts`.

A worker writes only its own slots, so no lock is needed: where two workers take a turn in the same instant, one message
goes too many. Counts can be looked at after they were made, and taken back. A name falls on two slots, as in
`edge.sharedrates`: two destinations are taken for one another only where both are shared.
"""

from collections.abc import Callable

from mailroot.edge.sharedcounts import SharedCounts

TURN_SLOTS = 16_384
_MICROSECONDS = 1_000_000
_DAY = 86_400
_COUNT_BITS = 32


class SharedTurns:
    """Those of one worker; `first` is the first of twice `TURN_SLOTS` slots.

    `moment` gives seconds that never go back and are the same in every worker, `now` the seconds since 1970.
    """

    def __init__(
        self,
        counts: SharedCounts,
        worker: int,
        first: int,
        moment: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        self._counts = counts
        self._worker = worker
        self._first = first
        self.moment = moment
        self._now = now

    def turn(self, name: str) -> float:
        """When the next turn of this name is, in the seconds of `moment`; 0.0 where it had none."""
        return min(self._counts.most(slot) for slot in self._slots(name)) / _MICROSECONDS

    def set_turn(self, name: str, turn: float) -> None:
        """Put the next turn off until then; it is never brought forward."""
        cell = int(turn * _MICROSECONDS)
        for slot in self._slots(name):
            own = self._counts.own(self._worker, slot)
            if cell > own:
                self._counts.add(self._worker, slot, cell - own)

    def today(self, name: str) -> int:
        """How many messages were counted today."""
        day = self._day()
        return min(self._sum(slot + TURN_SLOTS, day) for slot in self._slots(name))

    def count(self, name: str, change: int = 1) -> None:
        """Count a message, or take back one that was counted just now."""
        day = self._day()
        for slot in self._slots(name):
            own = self._counts.own(self._worker, slot + TURN_SLOTS)
            fresh = (own if own >> _COUNT_BITS == day else day << _COUNT_BITS) + change
            if fresh < day << _COUNT_BITS:
                continue  # midnight came between
            self._counts.add(self._worker, slot + TURN_SLOTS, fresh - own)

    def until_tomorrow(self) -> float:
        """Seconds until the next day begins."""
        return _DAY - self._now() % _DAY

    def _sum(self, slot: int, day: int) -> int:
        cells = [self._counts.own(worker, slot) for worker in range(self._counts.workers)]
        return sum(cell & ((1 << _COUNT_BITS) - 1) for cell in cells if cell >> _COUNT_BITS == day)

    def _day(self) -> int:
        return int(self._now()) // _DAY

    def _slots(self, name: str) -> tuple[int, int]:
        # `hash` is alike in all workers, which are forks of one process.
        half = TURN_SLOTS // 2
        rest, one = divmod(hash(name), half)
        return self._first + one, self._first + half + rest % half


def merged(place: int, one: int, other: int) -> int:
    """What two workers' cells are in one: the later turn, or the sum of what was counted on the later day."""
    if place < TURN_SLOTS or one >> _COUNT_BITS != other >> _COUNT_BITS:
        return max(one, other)
    return one + (other & ((1 << _COUNT_BITS) - 1))
