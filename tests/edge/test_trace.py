"""The trace: what is kept is found by every name that it has, quickly, and whatever a crash or the disk has done."""

import os
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailroot.edge import logs
from mailroot.edge.logs import EventLog
from mailroot.edge.trace.keeping import Event, Retention, TraceKeeper
from mailroot.edge.trace.searching import TraceSearch, Window
from mailroot.edge.trace.segments import BLOCK, BLOCKS, KEYS, LINES, key, milliseconds, packed, segments
from mailroot.mail.events import EVENTS
from mailroot.mail.traced import named, normal

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
FOR_EVER = Retention(timedelta(days=10_000), 0)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def message(number: int, at: datetime) -> list[Event]:
    """What is told of one message."""
    about: dict[str, Any] = {"server": "default", "entry": f"{number:016x}", "message_id": f"<Id{number}@X.example>"}
    came = {"session": f"s-{number // 3}", "sender": "App@local.test", "recipients": 1, "size": 9, "cause": "listed"}
    whom = f"User{number}@far.example"
    remote = f"mx{number % 7}.far.example"
    return [
        (at, EVENTS.accepted, {**about, **came, "to": [whom], "address": f"10.0.{number % 250}.1"}),
        (at, EVENTS.attempt, {**about, "destination": "far.example", "remote": remote, "recipients": 1}),
        (at, EVENTS.delivered, {**about, "recipient": whom, "remote": remote, "reply": "250 ok"}),
    ]


class Writing:
    """A keeper that is given events as the log gives them."""

    def __init__(self, folder: Path, retention: Retention = FOR_EVER, process: str = "w0") -> None:
        self.clock = Clock()
        self.keeper = TraceKeeper(folder, process, retention, self.clock)

    def give(self, events: list[Event]) -> None:
        self.keeper.keep(events, [logs._line(b"", *event) for event in events])

    def messages(self, *numbers: int, apart: float = 0.1) -> None:
        for first in range(0, len(numbers), 50):
            group = numbers[first : first + 50]
            self.give([event for number in group for event in message(number, self.clock.now)])
            self.clock.now += timedelta(seconds=apart)


@pytest.fixture
def writing(tmp_path: Path) -> Iterator[Writing]:
    made = Writing(tmp_path)
    yield made
    made.keeper.close()


def found(folder: Path, name: str, **window: int) -> list[dict[str, Any]]:
    with TraceSearch(folder) as search:
        return list(search.naming(name, Window(**window)))


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize(
    ("name", "events"),
    [
        ("<Id1234@X.example>", 3),
        ("id1234@x.EXAMPLE", 3),
        (f"{1234:016x}", 3),
        ("user1234@FAR.example", 2),
        ("<user1234@far.example>", 2),
        ("s-411", 3),
        ("nobody@far.example", 0),
        ("Id123@X", 0),
        ("", 0),
    ],
)
def test_every_name_finds_its_events_and_no_others(
    writing: Writing, tmp_path: Path, name: str, events: int, closed: bool
) -> None:
    writing.messages(*range(2000))
    if closed:
        writing.keeper.close()
    assert len(found(tmp_path, name)) == events


def test_a_next_hop_finds_all_that_went_there_the_newest_first(writing: Writing, tmp_path: Path) -> None:
    writing.messages(*range(700))
    hits = [event for event in found(tmp_path, "mx3.far.example") if event["event"] == "delivered"]
    numbers = [int(event["entry"], 16) for event in hits]
    assert sorted(numbers) == list(range(3, 700, 7))
    assert numbers == sorted(numbers, reverse=True)


def test_a_time_leaves_out_the_blocks_of_others(writing: Writing, tmp_path: Path) -> None:
    writing.messages(*range(3000), apart=60)
    writing.keeper.close()
    since = milliseconds(NOON + timedelta(minutes=30))
    with TraceSearch(tmp_path) as search:
        part = list(search.during(Window(since, since + 120_000)))
        assert 0 < search.octets < 6 * BLOCK
    assert 0 < len(part) < 1500


def test_a_search_reads_a_small_part_of_a_large_trace(tmp_path: Path) -> None:
    """10 million events must be searched in a second: the octets that are read say it without a clock."""
    writing = Writing(tmp_path)
    order = list(range(30_000))
    random.Random(1).shuffle(order)
    writing.messages(*order)
    writing.keeper.close()
    whole = sum(one.size for one in segments(tmp_path))
    for name in ("<Id777@X.example>", f"{29_999:016x}", "user15000@far.example"):
        with TraceSearch(tmp_path) as search:
            assert list(search.naming(name))
            assert search.octets < whole * 0.05


def test_names_of_any_signs_are_found(writing: Writing, tmp_path: Path) -> None:
    for number, name in enumerate(
        ["jürgen@bücher.example", "ÄRGER@x", '"a b\\"c"@x', "a\x7fb@x", "ş\ud800@x", "odd<@x"]
    ):
        at, row, fields = message(number, NOON)[2]
        writing.give([(at, row, {**fields, "recipient": name})])
        assert len(found(tmp_path, name)) == 1, name
        assert len(found(tmp_path, f"<{name.upper()}>")) == 1, name


def test_the_keys_of_a_block_are_those_of_its_names() -> None:
    names = ["<A@b>", "a@B", "jürgen@x", "<odd", "plain", ">", "<>", "", "\ud800"]
    keys = packed(names)
    assert [int.from_bytes(keys[at : at + 4], "little") for at in range(0, len(keys), 4)] == [
        key(name) for name in names
    ]
    assert list(named({"sender": "<A@b>", "to": ["C@d", 5], "size": 3})) == ["a@b", "c@d"]
    assert normal("<X@y>") == normal("x@Y")


# -- what a crash leaves


def kill(writing: Writing, folder: Path) -> Path:
    """The process is gone: nothing more is written. The path of its segment."""
    writing.keeper._drop()
    [one] = segments(folder)
    return one.lines


@pytest.mark.parametrize("cut", [0, 1, 31, 32, 33, 63, 64, 65, 1000])
@pytest.mark.parametrize("ending", [BLOCKS, KEYS])
def test_a_torn_index_costs_time_and_no_event(writing: Writing, tmp_path: Path, ending: str, cut: int) -> None:
    writing.messages(*range(1000))
    torn = kill(writing, tmp_path).with_suffix(ending)
    size = torn.stat().st_size
    os.truncate(torn, min(cut, size))
    for name in ("id0@x.example", "id500@x.example", "id999@x.example"):
        assert len(found(tmp_path, name)) == 3
    torn.unlink()
    assert len(found(tmp_path, "id500@x.example")) == 3


def test_S05_lines_that_were_cut_are_left_out_and_those_before_them_stay(writing: Writing, tmp_path: Path) -> None:
    writing.messages(*range(400))
    lines = kill(writing, tmp_path)
    whole = lines.stat().st_size
    for cut in (whole - 1, whole - 200, BLOCK + 5, BLOCK, 10, 0):
        os.truncate(lines, cut)
        assert len(found(tmp_path, "id0@x.example")) == (3 if cut > 2000 else 0)
        assert len(found(tmp_path, "id399@x.example")) <= (3 if cut > whole - 3000 else 0)


def test_damaged_octets_hide_no_other_lines(writing: Writing, tmp_path: Path) -> None:
    writing.messages(*range(1000))
    lines = kill(writing, tmp_path)
    spoilt = bytearray(lines.read_bytes())
    at = spoilt.index(b"Id500@")
    spoilt[at - 20 : at - 10] = b"\xff\x00{{{\n\n]]\xfe"
    lines.write_bytes(spoilt)
    assert len(found(tmp_path, "id499@x.example")) == 3
    assert len(found(tmp_path, "id500@x.example")) == 2


def test_rows_that_lie_are_not_believed(writing: Writing, tmp_path: Path) -> None:
    writing.messages(*range(1000))
    rows = kill(writing, tmp_path).with_suffix(BLOCKS)
    rng = random.Random(5)
    good = rows.read_bytes()
    for _ in range(60):
        bad = bytearray(good)
        bad[rng.randrange(32, len(bad))] = rng.randrange(256)
        rows.write_bytes(bad)
        found(tmp_path, "id500@x.example")  # no exception, no endless loop
        with TraceSearch(tmp_path) as search:
            list(search.during(Window()))
    rows.write_bytes(b"another form".ljust(len(good)))
    assert len(found(tmp_path, "id500@x.example")) == 3


# -- what is kept, and for how long


def test_what_is_too_old_or_too_much_goes_the_oldest_first(tmp_path: Path) -> None:
    writing = Writing(tmp_path, Retention(timedelta(days=3000), 2_000_000))
    writing.messages(*range(12_000))
    held = segments(tmp_path)
    assert sum(one.size for one in held) < 2_400_000
    assert len(held) > 5
    assert not found(tmp_path, "id0@x.example")
    assert len(found(tmp_path, "id11999@x.example")) == 3
    writing.keeper.close()


def test_segments_are_closed_each_day_and_removed_when_their_time_is_over(tmp_path: Path) -> None:
    writing = Writing(tmp_path, Retention(timedelta(days=3), 0))
    for day in range(6):
        writing.messages(day)
        for one in segments(tmp_path)[-1:]:
            os.utime(one.lines, (writing.clock.now.timestamp(),) * 2)
        writing.clock.now += timedelta(days=1, seconds=1)
    writing.keeper.idle()
    assert [bool(found(tmp_path, f"id{day}@x.example")) for day in range(6)] == [False, False, False, False, True, True]
    writing.keeper.close()


def test_a_segment_that_somebody_removed_is_replaced(writing: Writing, tmp_path: Path) -> None:
    writing.messages(1)
    for one in segments(tmp_path):
        one.remove()
    writing.messages(2)
    assert len(found(tmp_path, "id2@x.example")) == 3


def test_processes_keep_segments_of_their_own_and_are_searched_together(tmp_path: Path) -> None:
    first, second = Writing(tmp_path), Writing(tmp_path, process="w1")
    first.messages(*range(0, 600, 2))
    second.messages(*range(1, 600, 2))
    assert len(segments(tmp_path)) == 2
    numbers = [int(event["entry"], 16) for event in found(tmp_path, "far.example") if event["event"] == "attempt"]
    assert len(numbers) == 600
    for one in (first, second):
        one.keeper.close()


def test_an_event_with_odd_fields_is_kept_all_the_same(writing: Writing, tmp_path: Path) -> None:
    at, row, fields = message(1, NOON)[2]
    writing.give(
        [(at, row, {"entry": "e1"}), (at, row, {**fields, "remote": None}), (at, row, {**fields, "entry": ["e2"]})]
    )
    writing.messages(*range(500, 900))
    assert len(found(tmp_path, "e1")) == 1
    assert len(found(tmp_path, "id1@x.example")) == 2
    assert len(found(tmp_path, "e2")) == 1


def test_events_of_no_message_are_not_kept(writing: Writing, tmp_path: Path) -> None:
    writing.give([(NOON, EVENTS.worker_started, {"worker": "w0", "pid": 1})])
    assert not segments(tmp_path)


def test_a_disk_that_fails_loses_events_of_the_trace_and_the_log_tells_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    keeper = TraceKeeper(tmp_path / "trace", "w0", FOR_EVER, clock)
    log = EventLog(tmp_path, clock, "w0", keeper=keeper)
    genuine: Callable[[int, bytes], int] = os.write

    def half(descriptor: int, octets: bytes) -> int:
        name = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        return (
            genuine(descriptor, octets[:100])
            if name.endswith(LINES) and "trace" in name
            else genuine(descriptor, octets)
        )

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        log_message(log, 1)
    log_message(log, 2)
    log.close()
    text = (tmp_path / "events-261122.jsonl").read_text()
    assert '"event":"trace_lost"' in text and '"count":3' in text
    assert not found(tmp_path / "trace", "id1@x.example")
    assert len(found(tmp_path / "trace", "id2@x.example")) == 3


def test_a_trace_without_a_log(tmp_path: Path) -> None:
    log = logs.open_log("", Clock(), "w0", keeper=TraceKeeper(tmp_path / "trace", "w0", FOR_EVER, Clock()))
    assert log is not None
    log_message(log, 1)
    log.close()
    assert [path.name for path in tmp_path.iterdir()] == ["trace"]
    assert len(found(tmp_path / "trace", "id1@x.example")) == 3


def log_message(log: EventLog, number: int) -> None:
    for event in message(number, NOON):
        log.record(*event)
    log.flush()
