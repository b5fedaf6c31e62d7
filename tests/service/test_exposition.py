"""The figures as Prometheus reads them, and as people do."""

import subprocess
from collections.abc import Callable
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mailroot.mail.counters.families import BOUNDS, FAMILIES, STAGES
from mailroot.mail.counters.layout import FAMILY_SLOTS, LENGTH, SLOTS, STAGE_SLOTS, Tally
from mailroot.mail.counters.row import Kind
from mailroot.mail.counters.table import BY_NAME, COUNTER_ROWS
from mailroot.service.measure.exposition import exposition
from mailroot.service.measure.reading import TOTAL, Reading, Waiting, quantile, rows


def cells(**counts: int) -> list[int]:
    made = [0] * LENGTH
    for name, count in counts.items():
        made[getattr(SLOTS, name)] = count
    return made


def reading(**parts: object) -> Reading:
    """Two virtual servers of which something is known."""
    one, two = (
        cells(messages_received=3, bytes_sent=10, recipients_received=9),
        cells(messages_received=4, bytes_sent=5),
    )
    Tally(one).took(STAGE_SLOTS["commit"], 0.02, 4)
    Tally(one).took(STAGE_SLOTS["commit"], 1e6)
    one[FAMILY_SLOTS["refusals"]["relay"]] = 7
    levels = {
        "": {"workers": 2, "memory_bytes": 1e8, "start_time_seconds": 1.5e9},
        "one": {"queue_depth": 5, "queue_age_seconds": 2.5},
        "two": {"queue_depth": 6, "queue_age_seconds": 1.0},
    }
    waiting = {"one": [Waiting('a "quoted"\n\\name\u202e.example', 5, 2.5)]}
    return replace(Reading(100.0, {"": cells(worker_deaths=1), "one": one, "two": two}, levels, waiting), **parts)


def parsed(of: Reading) -> dict[str, dict[tuple[str, ...], float]]:
    """Samples by their name, then by their labels' values."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(exposition(of, "1.2.3").decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_every_count_and_level_is_in_the_exposition() -> None:
    found = parsed(reading())
    for row in COUNTER_ROWS:
        if row.kind in {Kind.COUNT, Kind.LEVEL}:
            assert set(found[row.metric]) == ({()} if row.service else {("one",), ("two",)}), row.name
    for family in FAMILIES:
        assert set(found[family.metric]) == {(key, value) for key in ("one", "two") for value in family.values}


def test_the_values_are_those_of_the_reading() -> None:
    found = parsed(reading())
    assert found["mailroot_messages_received_total"] == {("one",): 3, ("two",): 4}
    assert found["mailroot_refusals_total"]["one", "relay"] == 7
    assert found["mailroot_queue_age_seconds"] == {("one",): 2.5, ("two",): 1.0}
    assert found["mailroot_worker_deaths_total"] == {(): 1}
    assert found["mailroot_workers"] == {(): 2}
    assert found["mailroot_info"] == {("1.2.3",): 1}


def test_a_histogram_is_cumulative_and_has_its_sum() -> None:
    found = parsed(reading())
    buckets = [
        found["mailroot_stage_seconds_bucket"]["one", "commit", str(bound).removesuffix(".0")] for bound in BOUNDS
    ]
    assert buckets == sorted(buckets)
    assert buckets[BOUNDS.index(0.025)] == 4 and buckets[BOUNDS.index(0.01)] == 0
    assert found["mailroot_stage_seconds_bucket"]["one", "commit", "+Inf"] == 5
    assert found["mailroot_stage_seconds_count"]["one", "commit"] == 5
    assert found["mailroot_stage_seconds_sum"]["one", "commit"] == pytest.approx(1e6 + 0.08)
    assert {stage for _, stage in found["mailroot_stage_seconds_count"]} == {stage.name for stage in STAGES}


def test_O01_a_strangers_domain_cannot_break_a_line() -> None:
    text = exposition(reading(), "1").decode()
    assert text.endswith("\n") and text.isascii()
    ((server, name),) = parsed(reading())["mailroot_destination_depth"]
    assert (server, name) == ("one", 'a "quoted"?\\name?.example')


def test_promtool_finds_nothing_wrong(program: Callable[[str], str]) -> None:
    checked = subprocess.run(
        [program("promtool"), "check", "metrics"],
        input=exposition(reading(), "1"),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


# -- for people


def shown(of: Reading, before: Reading | None = None, only: str = "") -> dict[tuple[str, str], object]:
    return {(str(row["server"]), str(row["counter"])): row["value"] for row in rows(of, before, only)}


def test_totals_add_up_and_ages_do_not() -> None:
    found = shown(reading())
    assert found[TOTAL, "Messages Received Total"] == 7
    assert found[TOTAL, "queue_depth"] == 11
    assert found[TOTAL, "queue_age_seconds"] == 2.5
    assert found[TOTAL, "worker_deaths"] == 1


def test_a_rate_is_what_was_counted_between_two_readings() -> None:
    later = reading(at=102.0, counts={**reading().counts, "one": cells(messages_received=13, bytes_sent=10)})
    found = shown(later, reading())
    assert found["one", "Message Received/sec"] == 5.0
    assert found["two", "Message Received/sec"] == 0.0
    assert found[TOTAL, "Message Received/sec"] == 5.0
    assert shown(reading())["one", "Message Received/sec"] is None


def test_ratios_and_sums_are_made_of_counts() -> None:
    found = shown(reading())
    assert found["one", "Avg Recipients/msg Received"] == 3.0
    assert found["one", "Avg Recipients/msg Sent"] is None
    assert found["one", "Bytes Total"] == 10
    local = reading(counts={"": cells(), "one": cells(recipients_sent=3, recipients_delivered=1)}, levels={})
    assert shown(local)["one", "% Recipients Local"] == 25.0


def test_one_virtual_server_alone() -> None:
    assert {server for server, _ in shown(reading(), only="two")} == {"two"}


def test_of_families_only_what_happened_is_shown() -> None:
    found = shown(reading())
    assert found["one", "refusals cause=relay"] == 7
    assert ("two", "refusals cause=relay") not in found
    assert ("two", "stage commit p50") not in found
    assert 0.01 < float(str(found["one", "stage commit p50"])) <= 0.025


@pytest.mark.parametrize(("part", "value"), [(0.25, 0.0005), (0.5, 0.001), (0.75, 0.00175), (1.0, 0.0025)])
def test_a_quantile_lies_evenly_within_its_bucket(part: float, value: float) -> None:
    assert quantile([2, 2, *([0] * len(BOUNDS))], part) == pytest.approx(value)


def test_a_quantile_beyond_all_bounds_is_the_last_bound() -> None:
    assert quantile([*([0] * len(BOUNDS)), 3], 0.5) == BOUNDS[-1]


def test_the_total_of_every_kind_is_there_without_any_server() -> None:
    empty = Reading(1.0, {"": cells()}, {}, {})
    assert {counter for _, counter in shown(empty)} == {row.shown or row.name for row in BY_NAME.values()}
