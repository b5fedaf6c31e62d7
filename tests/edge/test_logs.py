"""The event log: whole lines, whatever is in them and whatever the disk does."""

import json
import os
import threading
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path

import pytest

from mailroot.edge import logs
from mailroot.edge.logs import EventLog, open_log
from mailroot.mail.events import EVENTS, EventRow

NOON = datetime(2026, 11, 22, 12, 0, 0, 123_456, tzinfo=UTC)


def tell(log: EventLog, row: EventRow, at: datetime = NOON, **fields: object) -> None:
    log.record(at, row, fields)


def lines_of(folder: Path, day: str = "261122") -> list[dict[str, object]]:
    text = (folder / f"events-{day}.jsonl").read_bytes()
    assert text.isascii()
    return [json.loads(line) for line in text.split(b"\n")[:-1]]


@pytest.fixture
def log(tmp_path: Path):
    log = EventLog(tmp_path, lambda: NOON, "w1")
    yield log
    log.close()


def test_an_event_is_one_line_with_its_time_and_its_fields(log: EventLog, tmp_path: Path) -> None:
    tell(log, EVENTS.disconnected, server="default", session="s1", address="192.0.2.1")
    log.flush()
    assert lines_of(tmp_path) == [
        {
            "time": "2026-11-22T12:00:00.123Z",
            "event": "disconnected",
            "severity": "detail",
            "pid": os.getpid(),
            "worker": "w1",
            "server": "default",
            "session": "s1",
            "address": "192.0.2.1",
        }
    ]


def test_an_event_of_the_predecessor_has_its_source_and_id(log: EventLog, tmp_path: Path) -> None:
    for name in ("bind_failed", "connections_full", "domain_down", "destination_down", "service_stopped"):
        tell(log, getattr(EVENTS, name), server="default")
    log.flush()
    told = [(line.get("source"), line.get("id"), line["server"]) for line in lines_of(tmp_path)]
    assert told == [("SMTPSVC", number, "default") for number in (115, 402, 4000, 4006)] + [(None, None, "default")]


def test_an_event_about_a_process_names_that_one_only(log: EventLog, tmp_path: Path) -> None:
    tell(log, EVENTS.worker_died, worker="w2", pid=1, exit=-9)
    log.flush()
    raw = (tmp_path / "events-261122.jsonl").read_text()
    assert raw.count('"pid":') == raw.count('"worker":') == 1
    assert lines_of(tmp_path)[0]["worker"] == "w2"


class Word(Enum):
    ONE = "one"


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (5, 5),
        (True, True),
        (None, None),
        ("", ""),
        (Word.ONE, "one"),
        (NOON, "2026-11-22T12:00:00.123+00:00"),
        (["a", 1], ["a", 1]),
        (("a\n", None), ["a\n", None]),
        (timedelta(seconds=1), "0:00:01"),
        (b"\xffa", "\\xffa"),
        ("\ud800", "\ud800"),
        ("x" * 5000, "x" * logs.TEXT_LIMIT + "..."),
    ],
)
def test_values_are_written_as_json(log: EventLog, tmp_path: Path, value: object, read: object) -> None:
    tell(log, EVENTS.refused, cause=value)
    log.flush()
    assert lines_of(tmp_path)[0]["cause"] == read


@pytest.mark.parametrize(
    "hostile", ["a\r\nFAKE", '","event":"x', "\x1b]0;x\x07", "\u202eabc", "\u2028\u2029", "\x7f\x85", "a\0b", "\\"]
)
def test_O01_a_stranger_cannot_break_a_line_or_reach_the_terminal(log: EventLog, tmp_path: Path, hostile: str) -> None:
    tell(log, EVENTS.refused, sender=hostile, cause=hostile)
    log.flush()
    raw = (tmp_path / "events-261122.jsonl").read_bytes()
    assert raw.count(b"\n") == 1
    assert raw[:-1].decode("ascii").isprintable()
    assert lines_of(tmp_path)[0]["sender"] == hostile


def test_events_of_two_days_go_to_two_files(tmp_path: Path) -> None:
    log = EventLog(tmp_path, lambda: NOON)
    tell(log, EVENTS.service_started, version="1", pid=1)
    tell(log, EVENTS.service_stopped, at=NOON + timedelta(hours=12))
    log.close()
    assert [line["event"] for line in lines_of(tmp_path)] == ["service_started"]
    assert [line["event"] for line in lines_of(tmp_path, "261123")] == ["service_stopped"]


def test_events_are_written_without_being_asked(log: EventLog, tmp_path: Path) -> None:
    written = threading.Event()
    append = log._append

    def noticed(path: Path, batch: bytes) -> int:
        count = append(path, batch)
        written.set()
        return count

    log._append = noticed  # type: ignore[method-assign]
    tell(log, EVENTS.service_stopped)
    assert written.wait(60)
    assert lines_of(tmp_path)[0]["event"] == "service_stopped"


def test_several_writers_share_a_file_without_mixing_lines(tmp_path: Path) -> None:
    writers = [EventLog(tmp_path, lambda: NOON, name) for name in "abcd"]

    def write(log: EventLog) -> None:
        for number in range(500):
            tell(log, EVENTS.accepted, entry=number, sender="x" * 200)
            if number % 7 == 0:
                log.flush()

    threads = [threading.Thread(target=write, args=(log,)) for log in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for log in writers:
        log.close()
    lines = lines_of(tmp_path)
    for name in "abcd":
        assert [line["entry"] for line in lines if line["worker"] == name] == list(range(500))


def test_the_file_can_be_read_by_owner_and_group_only(log: EventLog, tmp_path: Path) -> None:
    tell(log, EVENTS.service_stopped)
    log.flush()
    assert (tmp_path / "events-261122.jsonl").stat().st_mode & 0o137 == 0


def test_M13_what_a_full_disk_swallows_is_counted_and_told_later(
    log: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(logs.os, "write", full)
        tell(log, EVENTS.disconnected, session="lost")
        tell(log, EVENTS.disconnected, session="lost too")
        log.flush()
        assert log.lost == 2
    tell(log, EVENTS.disconnected, session="kept")
    log.flush()
    assert [(line["event"], line.get("count")) for line in lines_of(tmp_path)] == [
        ("disconnected", None),
        ("events_lost", 2),
    ]
    assert log.lost == 0


def test_M13_a_line_that_the_full_disk_cut_does_not_spoil_the_next(
    log: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(logs.os, "write", lambda descriptor, data: write(descriptor, data[: len(data) * 3 // 4]))
        tell(log, EVENTS.disconnected, session="whole")
        tell(log, EVENTS.disconnected, session="torn!")
        log.flush()
        assert log.lost == 1
    tell(log, EVENTS.disconnected, session="whole")
    log.flush()
    whole, torn, *rest = (tmp_path / "events-261122.jsonl").read_text().splitlines()
    assert json.loads(whole)["session"] == "whole"
    assert not torn.endswith("}")
    assert [json.loads(line)["event"] for line in rest] == ["disconnected", "events_lost"]


def test_M13_a_missing_folder_stops_nothing(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "absent", lambda: NOON)
    tell(log, EVENTS.service_stopped)
    log.close()
    assert log.lost == 1


def test_M13_waiting_events_are_bounded(log: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "WAITING_LIMIT", 0)
    tell(log, EVENTS.service_stopped)
    assert log.lost == 1
    log.flush()
    assert lines_of(tmp_path)[0]["count"] == 1


def test_without_a_folder_there_is_no_log() -> None:
    assert open_log("", lambda: NOON) is None


def test_the_folder_is_made_where_it_is_missing(tmp_path: Path) -> None:
    log = open_log(str(tmp_path / "a" / "Logs"), lambda: NOON)
    assert log is not None
    tell(log, EVENTS.service_stopped)
    log.close()
    assert lines_of(tmp_path / "a" / "Logs")[0]["event"] == "service_stopped"
