"""The figures in Prometheus' text format, version 0.0.4. A writer; nothing here asks or waits."""

from collections.abc import Iterator, Mapping

from mailroot.mail.counters.families import BOUNDS, FAMILIES, STAGE_METRIC, STAGES
from mailroot.mail.counters.layout import FAMILY_SLOTS, STAGE_LENGTH, STAGE_SLOTS, seconds_of
from mailroot.mail.counters.row import Kind
from mailroot.mail.counters.table import COUNTER_ROWS
from mailroot.service.measure.reading import Reading

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(reading: Reading, version: str) -> bytes:
    """The text. Counters begin at 0 with the service; what can be made of others is left to queries."""
    return "".join(f"{line}\n" for line in _lines(reading, version)).encode()


def _lines(reading: Reading, version: str) -> Iterator[str]:
    yield from _head("mailroot_info", "gauge", "The version that runs.")
    yield _sample("mailroot_info", {"version": version}, 1)
    for row in COUNTER_ROWS:
        if not row.metric:
            continue
        counted = row.kind is Kind.COUNT
        yield from _head(row.metric, "counter" if counted else "gauge", row.sentence)
        for server in [""] if row.service else reading.servers:
            value = reading.value(server, row)
            yield _sample(row.metric, {} if row.service else {"server": server}, value or 0)
    yield from _families(reading)
    yield from _stages(reading)
    yield from _waiting(reading)


def _families(reading: Reading) -> Iterator[str]:
    for family in FAMILIES:
        yield from _head(family.metric, "counter", family.sentence)
        for server in reading.servers:
            for value, slot in FAMILY_SLOTS[family.name].items():
                labels = {"server": server, family.label: value}
                yield _sample(family.metric, labels, reading.counts[server][slot])


def _stages(reading: Reading) -> Iterator[str]:
    yield from _head(STAGE_METRIC, "histogram", "How long the stages of messages' lives take.")
    for server in reading.servers:
        cells = reading.counts[server]
        for stage in STAGES:
            first, labels, below = STAGE_SLOTS[stage.name], {"server": server, "stage": stage.name}, 0
            for place, bound in enumerate(BOUNDS):
                below += cells[first + place]
                yield _sample(f"{STAGE_METRIC}_bucket", {**labels, "le": _number(bound)}, below)
            below += cells[first + STAGE_LENGTH - 2]
            yield _sample(f"{STAGE_METRIC}_bucket", {**labels, "le": "+Inf"}, below)
            yield _sample(f"{STAGE_METRIC}_sum", labels, seconds_of(cells, first))
            yield _sample(f"{STAGE_METRIC}_count", labels, below)


def _waiting(reading: Reading) -> Iterator[str]:
    """By destination: the deepest ones, and the others added up; see `service.measure.look`."""
    for metric, sentence, pick in (
        ("mailroot_destination_depth", "Recipients that wait for a next hop.", "depth"),
        ("mailroot_destination_age_seconds", "Age of the oldest message for a next hop.", "age"),
    ):
        yield from _head(metric, "gauge", sentence)
        for server in reading.servers:
            for one in reading.waiting.get(server, ()):
                yield _sample(metric, {"server": server, "destination": one.destination}, getattr(one, pick))


def _head(metric: str, kind: str, sentence: str) -> Iterator[str]:
    yield f"# HELP {metric} {_escaped(sentence)}"
    yield f"# TYPE {metric} {kind}"


def _sample(metric: str, labels: Mapping[str, str], value: float) -> str:
    if not labels:
        return f"{metric} {_number(value)}"
    told = ",".join(f'{name}="{_label(text)}"' for name, text in labels.items())
    return f"{metric}{{{told}}} {_number(value)}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _label(text: str) -> str:
    """A label's value. What comes from outside, a destination, loses what could end the line or the quotes."""
    shown = "".join(sign if sign.isprintable() else "?" for sign in text)
    return _escaped(shown).replace('"', '\\"')
