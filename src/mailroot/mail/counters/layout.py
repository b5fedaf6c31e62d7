"""How the counts of one virtual server lie in memory: counts, then families, then histograms; each a whole number."""

from bisect import bisect_left
from collections.abc import Callable, MutableSequence, Sequence
from functools import partial

from mailroot.mail.counters.families import BOUNDS, FAMILIES, OTHER, STAGES, Family
from mailroot.mail.counters.row import Kind
from mailroot.mail.counters.table import COUNTER_ROWS

# The time of a stage is added up in microseconds.
_TICKS = 1_000_000


class _Slots:
    """The slots of the counts by name: `SLOTS.messages_received`."""

    def __init__(self) -> None:
        counts = [row.name for row in COUNTER_ROWS if row.kind is Kind.COUNT]
        self.__dict__.update({name: slot for slot, name in enumerate(counts)})

    def __getattr__(self, name: str) -> int:
        raise AttributeError(f"the table has no count {name!r}")


SLOTS = _Slots()
_FIRST_FAMILY = len(vars(SLOTS))


def _family_slots(first: int) -> tuple[dict[str, dict[str, int]], int]:
    slots: dict[str, dict[str, int]] = {}
    for family in FAMILIES:
        slots[family.name] = {value: first + place for place, value in enumerate(family.values)}
        first += len(family.values)
    return slots, first


FAMILY_SLOTS, _FIRST_STAGE = _family_slots(_FIRST_FAMILY)
# A stage has a slot for each bound, one for what is beyond them, and one for the sum.
STAGE_LENGTH = len(BOUNDS) + 2
STAGE_SLOTS = {stage.name: _FIRST_STAGE + place * STAGE_LENGTH for place, stage in enumerate(STAGES)}
_SUM = STAGE_LENGTH - 1
LENGTH = _FIRST_STAGE + len(STAGES) * STAGE_LENGTH


def slot_of(family: Family, value: str) -> int:
    """Where a value of a family's label is counted; one that is in no set counts as "other"."""
    slots = FAMILY_SLOTS[family.name]
    return slots.get(value, slots[OTHER])


class Tally:
    """The counts of one virtual server in one process, which alone writes them. `cells` are `LENGTH` numbers."""

    __slots__ = ("cells",)

    def __init__(self, cells: MutableSequence[int] | None = None) -> None:
        self.cells: MutableSequence[int] = [0] * LENGTH if cells is None else cells

    def add(self, slot: int, count: int = 1) -> None:
        """Count something."""
        self.cells[slot] += count

    def counter(self, slot: int) -> Callable[[], None]:
        """What counts one thing whenever it is called."""
        return partial(self.add, slot)

    def adder(self, slot: int) -> Callable[[int], None]:
        """What counts as many things as it is told."""
        return partial(self.add, slot)

    def took(self, first: int, seconds: float, times: int = 1) -> None:
        """Count so many things that took so long each; `first` is the slot of their stage."""
        cells = self.cells
        cells[first + bisect_left(BOUNDS, seconds)] += times
        cells[first + _SUM] += int(seconds * _TICKS) * times


def seconds_of(cells: Sequence[int], first: int) -> float:
    """The time of a stage, added up."""
    return cells[first + _SUM] / _TICKS


UNCOUNTED = Tally()
"""For whoever counts for nobody: what is added here is never read."""
