"""The past of the service's figures, in series that are ready to be drawn. The files are read aside."""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from mailroot.edge.aside import Aside
from mailroot.edge.history import RINGS, HistoryFile, Ring
from mailroot.mail.counters.families import FAMILIES
from mailroot.mail.counters.row import Kind
from mailroot.mail.counters.table import BY_NAME
from mailroot.mail.faults import Misconfigured
from mailroot.service.life.queuelisting import page_size
from mailroot.service.life.state import State
from mailroot.service.measure.samples import Sample, unpacked
from mailroot.settings.spelling import duration

Arguments = Mapping[str, Any]
Series = dict[str, Any]

_MOST_POINTS, _POINTS = 2_000, 360
_HOUR = 3600.0
_END_OF_TIME = 1e11
_MOST_SERIES = 12
_LATENCIES = (("half", 0.5), ("95 %", 0.95), ("99 %", 0.99))

# Pictures of several counters.
_THROUGHPUT = ("messages_received", "messages_delivered", "messages_sent")
_RECIPIENTS = ("recipients_delivered", "recipients_sent", "recipients_deferred", "recipients_failed")
PICTURES: Mapping[str, tuple[str, ...]] = {
    "throughput": _THROUGHPUT,
    "recipients": _RECIPIENTS,
    "octets": ("bytes_received", "bytes_sent"),
    "connections": ("inbound_connections_current", "outbound_connections_current"),
    "queue": ("queue_depth", "undeliverable_current", "held_current"),
}
_OTHERS = ("latency", "destinations", *(family.name for family in FAMILIES))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is drawn: of which servers, from when to when (seconds since 1970), of how many points at most."""

    counter: str
    destination: str
    servers: tuple[str, ...]
    first: float
    last: float
    points: int


class HistoryControl:
    """Serves `history`. `key_of` finds the virtual server that arguments name."""

    def __init__(self, state: State, key_of: Callable[[Arguments], str], aside: Callable[[], Aside]) -> None:
        self._state = state
        self._key_of = key_of
        self._aside = aside
        self.operations: dict[str, Callable[[Arguments], Awaitable[object]]] = {"history": self._history}

    async def _history(self, arguments: Arguments) -> object:
        settings = self._state.settings
        folder = settings.service.history
        if not folder:
            raise Misconfigured('no past figures are kept: service.history is ""')
        servers = (self._key_of(arguments),) if arguments.get("server") else tuple(settings.servers)
        wanted = _wanted(arguments, servers, time.time())
        return await self._aside().do(lambda: drawn(folder, wanted))


def _wanted(arguments: Arguments, servers: tuple[str, ...], now: float) -> Wanted:
    counter = str(arguments.get("counter") or "throughput")
    row = BY_NAME.get(counter)
    kept = row is not None and row.kind in (Kind.COUNT, Kind.LEVEL) and not row.service
    if not kept and counter not in PICTURES and counter not in _OTHERS:
        raise Misconfigured(f"counter: a counter, or one of {', '.join((*PICTURES, *_OTHERS))}, not {counter!r}")
    last = _moment("to", arguments.get("to"), now, now)
    first = _moment("from", arguments.get("from"), now, last - _HOUR)
    if first >= last:
        raise Misconfigured("from: a moment before `to` is wanted")
    points = min(page_size(arguments.get("points"), _POINTS * 6) if arguments.get("points") else _POINTS, _MOST_POINTS)
    return Wanted(counter, str(arguments.get("destination") or ""), servers, first, last, points)


def _moment(name: str, text: object, now: float, otherwise: float) -> float:
    """A moment as it is written (ISO 8601, seconds since 1970), or how long ago it was (90s, 2h, 7d)."""
    if text in (None, ""):
        return otherwise
    written = str(text)
    try:
        seconds = float(written)
    except ValueError:
        pass
    else:
        if 0 <= seconds < _END_OF_TIME:
            return seconds
    try:
        moment = datetime.fromisoformat(written)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except ValueError:
        pass
    try:
        ago: timedelta = duration().parse(written)
        return now - ago.total_seconds()
    except ValueError as fault:
        wanted = "a moment such as 2026-01-31T12:00:00Z, or how long ago, such as 2h"
        raise Misconfigured(f"{name}: {wanted}, not {written[:80]!r}") from fault


# --- done aside


def drawn(folder: str, wanted: Wanted) -> dict[str, Any]:
    """The series of a picture, from the finest ring that goes so far back and has no more points than wanted."""
    ring = next((one for one in RINGS if wanted.first >= time.time() - one.span), RINGS[-1])
    first, last = int(wanted.first) // ring.step, int(wanted.last) // ring.step
    first = max(first, last - ring.length + 1)
    width = -(-(last - first + 1) // wanted.points)
    first -= first % width
    samples: list[Sample | None] = [None] * ((last - first) // width + 1)
    for step, sample in _of_all(folder, wanted.servers, ring, first, last):
        place = (step - first) // width
        known = samples[place]
        if known is None:
            samples[place] = sample
        else:
            known.join(sample)
    step = ring.step * width
    return {
        "counter": wanted.counter,
        "step": step,
        "times": [first * ring.step + number * step for number in range(len(samples))],
        "series": _series(wanted, samples),
    }


def _of_all(folder: str, servers: Iterable[str], ring: Ring, first: int, last: int) -> Iterable[tuple[int, Sample]]:
    """The samples of the steps, of all these servers together."""
    together: dict[int, Sample] = {}
    for server in servers:
        for step, octets in HistoryFile(folder, server).read(ring, first, last):
            together.setdefault(step, Sample()).join(unpacked(octets), beside=True)
    return sorted(together.items())


def _series(wanted: Wanted, samples: Sequence[Sample | None]) -> list[Series]:
    if wanted.counter == "latency":
        return [
            _one(name, "seconds", [None if one is None else one.quantile("total", share) for one in samples])
            for name, share in _LATENCIES
        ]
    if wanted.counter == "destinations":
        return [_level(name, samples, destinations=True) for name in _destinations(wanted, samples)]
    family = next((one for one in FAMILIES if one.name == wanted.counter), None)
    if family is not None:
        names = [f"{family.name}.{value}" for value in family.values]
        counted = [name for name in names if any(sample and sample.counts.get(name) for sample in samples)]
        return [_rate(name, name.partition(".")[2], family.unit, samples) for name in counted]
    return [_counter(name, samples) for name in PICTURES.get(wanted.counter, (wanted.counter,))]


def _destinations(wanted: Wanted, samples: Sequence[Sample | None]) -> list[str]:
    """The one that is named, or those for whom most waited."""
    if wanted.destination:
        return [wanted.destination]
    most: dict[str, float] = {}
    for sample in samples:
        for name, level in () if sample is None else sample.destinations.items():
            most[name] = max(most.get(name, 0), level.most)
    return sorted(most, key=lambda name: (-most[name], name))[:_MOST_SERIES]


def _counter(name: str, samples: Sequence[Sample | None]) -> Series:
    row = BY_NAME[name]
    return _rate(name, name, row.unit, samples) if row.kind is Kind.COUNT else _level(name, samples)


def _rate(counted: str, name: str, unit: str, samples: Sequence[Sample | None]) -> Series:
    """The growth of a count in a second."""
    values = [
        None if sample is None or not sample.seconds else sample.counts.get(counted, 0) / sample.seconds
        for sample in samples
    ]
    return _one(name, f"{unit}/s", values)


def _level(name: str, samples: Sequence[Sample | None], *, destinations: bool = False) -> Series:
    unit = "recipients" if destinations else BY_NAME[name].unit
    levels = [None if one is None else (one.destinations if destinations else one.levels).get(name) for one in samples]
    # Nobody waits for a destination that is not named where others are.
    nothing = [None if one is None or not (destinations and one.seconds) else 0.0 for one in samples]
    average = [none if level is None else level.average for level, none in zip(levels, nothing, strict=True)]
    most = [none if level is None else level.most for level, none in zip(levels, nothing, strict=True)]
    return {**_one(name, unit, average), "most": _rounded(most)}


def _one(name: str, unit: str, values: Sequence[float | None]) -> Series:
    return {"name": name, "unit": unit, "values": _rounded(values)}


def _rounded(values: Sequence[float | None]) -> list[float | None]:
    return [None if value is None else round(value, 6) for value in values]
