"""Turns and daily counts of destinations that all workers share, in slots of `SharedCounts`.

A worker writes only its own slots, so no lock is needed: where two workers take a turn in the same instant, one message
goes too many. Counts can be looked at after they were made, and taken back. A name falls on two slots, as in
`edge.sharedrates`: two destinations are taken for one another only where both are shared. Which two follows from the
name and a secret salt alone, so that counts may outlive the service (`edge.dailycounts`).
"""

import hashlib
import secrets
from collections.abc import Callable, Mapping

from mailroot.edge.sharedcounts import SharedCounts

TURN_SLOTS = 16_384
# Turns, counts, and the salt, which stands in the first worker's row.
LASTING_SLOTS = 2 * TURN_SLOTS + 1
_SALT_BITS = 63  # of a slot without its sign
_MICROSECONDS = 1_000_000
_DAY = 86_400
_COUNT_BITS = 32
_COUNTED = (1 << _COUNT_BITS) - 1


class SharedTurns:
    """Those of one worker; `first` is the first of `LASTING_SLOTS` slots.

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
        self._salt = counts.own(0, first + 2 * TURN_SLOTS).to_bytes(8)

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

    def counted(self) -> tuple[int, dict[int, int]]:
        """The day, and what all workers counted on it by place; none of those that have nothing."""
        day, sums = self._day(), dict[int, int]()
        for worker in range(self._counts.workers):
            row = self._counts.row(worker, self._first + TURN_SLOTS, TURN_SLOTS).tolist()
            for place, cell in enumerate(row):
                if cell >> _COUNT_BITS == day:
                    sums[place] = sums.get(place, 0) + (cell & _COUNTED)
        return day, {place: count for place, count in sums.items() if count}

    def look(self) -> bytes:
        """All counts of all workers as they are now: to see at next to no cost whether anything was counted since."""
        first = self._first + TURN_SLOTS
        return b"".join(self._counts.row(worker, first, TURN_SLOTS) for worker in range(self._counts.workers))

    @property
    def salt(self) -> int:
        """What gives names their places."""
        return int.from_bytes(self._salt)

    def _sum(self, slot: int, day: int) -> int:
        cells = [self._counts.own(worker, slot) for worker in range(self._counts.workers)]
        return sum(cell & _COUNTED for cell in cells if cell >> _COUNT_BITS == day)

    def _day(self) -> int:
        return int(self._now()) // _DAY

    def _slots(self, name: str) -> tuple[int, int]:
        half = TURN_SLOTS // 2
        digest = hashlib.blake2b(name.encode(), digest_size=8, key=self._salt).digest()
        rest, one = divmod(int.from_bytes(digest), half)
        return self._first + one, self._first + half + rest % half


def merged(place: int, one: int, other: int) -> int:
    """What two cells are in one: the later turn, the sum of the later day's counts, the salt that is there."""
    if place < TURN_SLOTS or place == 2 * TURN_SLOTS or one >> _COUNT_BITS != other >> _COUNT_BITS:
        return max(one, other)
    return one + (other & _COUNTED)


def begin(counts: SharedCounts, first: int, salt: int, day: int, counted: Mapping[int, int]) -> None:
    """Go on with what was counted on a day under a salt; 0 is none. Before any worker is born."""
    counts.add(0, first + 2 * TURN_SLOTS, salt or secrets.randbits(_SALT_BITS))
    for place, count in counted.items():
        counts.add(0, first + TURN_SLOTS + place, day << _COUNT_BITS | count)
