"""What was counted and seen of a virtual server in some seconds: added up over time, over servers, and drawn of."""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mailroot.mail.counters.families import BOUNDS, FAMILIES, STAGES
from mailroot.mail.counters.layout import FAMILY_SLOTS, SLOTS, STAGE_LENGTH, STAGE_SLOTS
from mailroot.mail.counters.row import Kind
from mailroot.mail.counters.table import COUNTER_ROWS

_COUNTS = {row.name: getattr(SLOTS, row.name) for row in COUNTER_ROWS if row.kind is Kind.COUNT}
_LEVELS = frozenset(row.name for row in COUNTER_ROWS if row.kind is Kind.LEVEL and not row.service)
_NOT_KEPT = frozenset({"queue_look_age_seconds"})
_LONGEST_NAME = 100  # signs of a destination


@dataclass(slots=True)
class Level:
    """How much there was, whenever somebody looked: `total` by `times` is the average, `most` the highest."""

    total: float = 0.0
    most: float = 0.0
    times: int = 0

    @property
    def average(self) -> float:
        """The average."""
        return self.total / self.times if self.times else 0.0

    def join(self, other: "Level", *, beside: bool) -> None:
        """Add what was seen at other times, or, `beside`, of something else at the same times."""
        self.total += other.total
        self.most = self.most + other.most if beside else max(self.most, other.most)
        self.times = max(self.times, other.times) if beside else self.times + other.times


@dataclass(slots=True)
class Sample:
    """`seconds` are those that it is of. `counts` grew, also those of families by "family.value".

    `stages` have how many took how long, by the number of their bucket (`mail.counters.families.BOUNDS`).
    """

    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    stages: dict[str, dict[int, int]] = field(default_factory=dict)
    levels: dict[str, Level] = field(default_factory=dict)
    destinations: dict[str, Level] = field(default_factory=dict)

    def join(self, other: "Sample", *, beside: bool = False) -> None:
        """Add a sample of other seconds, or, `beside`, of another virtual server in the same ones."""
        self.seconds = max(self.seconds, other.seconds) if beside else self.seconds + other.seconds
        for name, count in other.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count
        for stage, buckets in other.stages.items():
            mine = self.stages.setdefault(stage, {})
            for bucket, count in buckets.items():
                mine[bucket] = mine.get(bucket, 0) + count
        for ours, theirs in ((self.levels, other.levels), (self.destinations, other.destinations)):
            for name, level in theirs.items():
                ours.setdefault(name, Level()).join(level, beside=beside)

    def quantile(self, stage: str, share: float) -> float | None:
        """The seconds within which this share of a stage's cases were over; None where there were none.

        Within a bucket they are taken as evenly spread; what is beyond the last bound counts as that.
        """
        buckets = self.stages.get(stage, {})
        wanted = share * sum(buckets.values())
        below = 0
        for bucket, count in sorted(buckets.items()):
            if below + count >= wanted:
                low = BOUNDS[bucket - 1] if bucket else 0.0
                high = BOUNDS[min(bucket, len(BOUNDS) - 1)]
                return low + (high - low) * (wanted - below) / count
            below += count
        return None

    def packed(self, most: int) -> bytes:
        """As octets, no more than `most`: the destinations for whom least waits are left out where there is no room."""
        destinations = sorted(self.destinations.items(), key=lambda item: -item[1].most)
        while True:
            octets = zlib.compress(json.dumps(self._plain(destinations), separators=(",", ":")).encode())
            if len(octets) <= most:
                return octets
            if not destinations:
                return zlib.compress(json.dumps([self.seconds, {}, {}, {}, {}]).encode())
            destinations = destinations[: len(destinations) * 3 // 4]

    def _plain(self, destinations: Sequence[tuple[str, Level]]) -> list[object]:
        return [
            round(self.seconds, 1),
            self.counts,
            {stage: list(buckets.items()) for stage, buckets in self.stages.items()},
            {name: _rounded(level) for name, level in self.levels.items()},
            {name: _rounded(level) for name, level in destinations},
        ]


def _rounded(level: Level) -> tuple[float, float, int]:
    return round(level.total, 3), round(level.most, 3), level.times


def unpacked(octets: bytes) -> Sample:
    """The sample in these octets; an empty one where they are none."""
    try:
        seconds, counts, stages, levels, destinations = json.loads(zlib.decompress(octets))
        return Sample(
            float(seconds),
            {str(name): int(count) for name, count in counts.items()},
            {stage: {int(bucket): int(count) for bucket, count in buckets} for stage, buckets in stages.items()},
            {str(name): Level(*level) for name, level in levels.items()},
            {str(name): Level(*level) for name, level in destinations.items()},
        )
    except (ValueError, TypeError, AttributeError, zlib.error):
        return Sample()


def grown(before: Sequence[int], now: Sequence[int], seconds: float) -> Sample:
    """What was counted between two totals of a virtual server."""
    sample = Sample(seconds)
    for name, slot in _counted():
        if now[slot] > before[slot]:
            sample.counts[name] = now[slot] - before[slot]
    for stage in STAGES:
        first = STAGE_SLOTS[stage.name]
        cells = [now[first + bucket] - before[first + bucket] for bucket in range(STAGE_LENGTH - 1)]
        buckets = {bucket: count for bucket, count in enumerate(cells) if count > 0}
        if buckets:
            sample.stages[stage.name] = buckets
    return sample


def _counted() -> list[tuple[str, int]]:
    """Every name that is counted, and its slot."""
    families = [
        (f"{family.name}.{value}", slot) for family in FAMILIES for value, slot in FAMILY_SLOTS[family.name].items()
    ]
    return [*_COUNTS.items(), *families]


def looked(sample: Sample, levels: Mapping[str, float], destinations: Mapping[str, float]) -> None:
    """Add what was seen at one moment: levels by the names of counters, and what waits for whom."""
    for name, value in levels.items():
        if name in _LEVELS and name not in _NOT_KEPT:
            sample.levels.setdefault(name, Level()).join(Level(value, value, 1), beside=False)
    for name, depth in destinations.items():
        sample.destinations.setdefault(name[:_LONGEST_NAME], Level()).join(Level(depth, depth, 1), beside=False)
