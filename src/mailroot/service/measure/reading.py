"""A reading: all figures of one moment, and what is made of two of them. Values in, values out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mailroot.mail.counters.families import BOUNDS, FAMILIES, STAGES
from mailroot.mail.counters.layout import FAMILY_SLOTS, SLOTS, STAGE_LENGTH, STAGE_SLOTS
from mailroot.mail.counters.row import CounterRow, Kind
from mailroot.mail.counters.table import BY_NAME, COUNTER_ROWS

TOTAL = "_Total"
# Levels that do not add up over workers and servers: the largest counts.
_LARGEST = {"queue_age_seconds", "queue_look_age_seconds"}


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for a destination: how many recipients, and the age of the oldest of their messages in seconds."""

    destination: str
    depth: int
    age: float


@dataclass(frozen=True, slots=True)
class Reading:
    """`counts` and `levels` by virtual server, those of the service itself under "". `at` is in monotonic seconds."""

    at: float
    counts: Mapping[str, Sequence[int]]
    levels: Mapping[str, Mapping[str, float]]
    waiting: Mapping[str, Sequence[Waiting]]

    @property
    def servers(self) -> list[str]:
        """The virtual servers."""
        return [key for key in self.counts if key]

    def count(self, server: str, name: str) -> int:
        """A count of a virtual server, or a sum of counts; of all, and of the service itself, for `TOTAL`."""
        row = BY_NAME[name]
        if row.kind is Kind.SUM:
            return sum(self.count(server, part) for part in row.of)
        slot: int = getattr(SLOTS, name)
        if server == TOTAL:
            return sum(cells[slot] for cells in self.counts.values())
        return self.counts[server][slot]

    def level(self, server: str, name: str) -> float:
        """A level of a virtual server, or of all of them."""
        if server != TOTAL:
            return self.levels.get(server, {}).get(name, 0)
        return merged(name, [levels.get(name, 0) for levels in self.levels.values()])

    def value(self, server: str, row: CounterRow, before: "Reading | None" = None) -> float | None:
        """What a row shows; None for a rate without an earlier reading, and for a ratio of nothing."""
        if row.kind in {Kind.COUNT, Kind.SUM}:
            return self.count(server, row.name)
        if row.kind is Kind.LEVEL:
            return self.level(server, row.name)
        if row.kind is Kind.RATE:
            return None if before is None else self._rate(server, row, before)
        return self._ratio(server, row) if row.kind is Kind.RATIO else 0

    def _rate(self, server: str, row: CounterRow, before: "Reading") -> float | None:
        passed = self.at - before.at
        grown = sum(self.count(server, name) - before.count(server, name) for name in row.of)
        return grown / passed if passed > 0 else None

    def _ratio(self, server: str, row: CounterRow) -> float | None:
        over, under = (self.count(server, name) for name in row.of)
        return over / under * (100 if row.unit == "%" else 1) if under else None


def merged(name: str, values: Sequence[float]) -> float:
    """One level of several workers or servers."""
    return max(values, default=0) if name in _LARGEST else sum(values)


def rows(reading: Reading, before: Reading | None, only: str = "") -> Iterator[dict[str, object]]:
    """Every figure as a row for people: of `only` one virtual server, or of each and of all."""
    for server in [only] if only else [*reading.servers, TOTAL]:
        for row in COUNTER_ROWS:
            if not row.service or server == TOTAL:
                yield _row(server, row.shown or row.name, reading.value(server, row, before), row.unit)
        yield from _labelled(reading, server)


def _row(server: str, counter: str, value: float | None, unit: str) -> dict[str, object]:
    rounded = round(value, 6) if isinstance(value, float) else value
    return {"server": server, "counter": counter, "value": rounded, "unit": unit}


def _labelled(reading: Reading, server: str) -> Iterator[dict[str, object]]:
    """What happened of the families, how long the stages took, and what waits for whom."""
    cells = _cells(reading, server)
    for family in FAMILIES:
        for value, slot in FAMILY_SLOTS[family.name].items():
            if cells[slot]:
                yield _row(server, f"{family.name} {family.label}={value}", cells[slot], family.unit)
    for stage in STAGES:
        buckets = cells[STAGE_SLOTS[stage.name] : STAGE_SLOTS[stage.name] + STAGE_LENGTH - 1]
        for part in (50, 95, 99):
            if sum(buckets):
                yield _row(server, f"stage {stage.name} p{part}", quantile(buckets, part / 100), "seconds")
    for one in reading.waiting.get(server, ()):
        yield _row(server, f"waiting for {one.destination}", one.depth, "recipients")
        yield _row(server, f"oldest for {one.destination}", one.age, "seconds")


def _cells(reading: Reading, server: str) -> list[int]:
    of = list(reading.counts.values()) if server == TOTAL else [reading.counts[server]]
    return [sum(column) for column in zip(*of, strict=True)]


def quantile(buckets: Sequence[int], part: float) -> float:
    """About how long that part of all took at most, evenly within its bucket; beyond the last bound, that bound."""
    wanted, below, lower = part * sum(buckets), 0, 0.0
    for count, upper in zip(buckets, BOUNDS, strict=False):
        if count and below + count >= wanted:
            return lower + (upper - lower) * (wanted - below) / count
        below, lower = below + count, upper
    return BOUNDS[-1]
