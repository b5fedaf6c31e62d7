"""The order in which waiting recipients are listed, and the places in it from which a list goes on, either way.

A position is "VALUE.PLACE": what is sorted by, and where the recipient stands in its store. A list goes on behind a
position; backwards, with the recipient at the position itself.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mailroot.queue.entry import Listed


class By(enum.Enum):
    """What is sorted by. Who waits for no attempt (held, or in delivery) has no `DUE`; who was not tried no `ATTEMPTS`:
    they are not in such a list.
    """

    ARRIVED = "arrived"
    DUE = "due"
    ATTEMPTS = "attempts"


class Position(NamedTuple):
    """A place in the order; sorts as the recipients do."""

    value: int
    place: int

    def __str__(self) -> str:
        return f"{self.value}.{self.place}"


LOWEST, HIGHEST = Position(-1, -1), Position((1 << 63) - 1, (1 << 63) - 1)


@dataclass(frozen=True, slots=True)
class Ordering:
    """An order, and the way through it: `backwards` is from the page that is known to the one before."""

    by: By = By.ARRIVED
    descending: bool = False
    backwards: bool = False

    @property
    def upwards(self) -> bool:
        """Whether values grow in the direction that is gone."""
        return self.descending == self.backwards

    def start(self, position: str) -> Position:
        """From where to read on, itself left out. Raises `ValueError` where that is no position."""
        if not position:
            return LOWEST if self.upwards else HIGHEST
        value, _, place = position.partition(".")
        step = 0 if not self.backwards else -1 if self.upwards else 1
        start = Position(int(value), int(place) + step)
        if not (LOWEST.value <= start.value <= HIGHEST.value and LOWEST.place <= start.place <= HIGHEST.place):
            raise ValueError(f"{position}: no position is there")
        return start

    def before(self, position: Position) -> Position:
        """The position from which a list going forwards begins with the recipient at this one."""
        return position._replace(place=position.place + (1 if self.descending else -1))


class Ordered(NamedTuple):
    """Recipients in the order that was asked for, each with its position, in the direction that was gone.

    `end` is the last position that was looked at, None where nothing is beyond it.
    """

    rows: Sequence[tuple[Position, Listed]]
    end: Position | None
