"""Which lines go into which file; files that grow too large, that are too old, that cannot be written."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mailroot.edge.protocollog import files
from mailroot.edge.protocollog.entry import Entry, Party
from mailroot.edge.protocollog.files import FilePlan, FileSink
from mailroot.edge.protocollog.forms import IisForm, Site, W3cForm
from mailroot.settings.log import LogPeriod

SITE = Site("SMTPSVC1", "HOST", "default")
W3C = W3cForm(["time", "cs-method"], SITE)
MIDNIGHT = 1_795_737_600.0  # 2026-11-27 00:00:00 UTC
PARTY = Party("s1", "192.0.2.1", "192.0.2.2", 0)


def entry(at: float, method: str = "NOOP") -> Entry:
    return (at, PARTY, "x", method, "-", "250", 0, 10, 4, 0, b"NOOP", b"250 OK\r\n")


@pytest.fixture
def plan(tmp_path: Path) -> FilePlan:
    return FilePlan(tmp_path / "Logs" / "SMTPSVC1", LogPeriod.DAILY, local=False, limit=0)


def lines(plan: FilePlan, name: str) -> list[str]:
    return [line for line in (plan.folder / name).read_text().splitlines() if not line.startswith("#")]


def test_the_folder_is_made(plan: FilePlan) -> None:
    assert FileSink(W3C, plan).write([entry(MIDNIGHT)]) is None
    assert lines(plan, "ex261127.log") == ["00:00:00 NOOP"]


def test_lines_go_to_the_files_of_their_own_times(plan: FilePlan) -> None:
    sink = FileSink(W3C, replace(plan, period=LogPeriod.HOURLY))
    times = [MIDNIGHT - 1, MIDNIGHT - 0.001, MIDNIGHT, MIDNIGHT + 3599.9, MIDNIGHT + 3600]
    assert sink.write([entry(at) for at in times]) is None
    assert lines(plan, "ex26112623.log") == ["23:59:59 NOOP"] * 2
    assert lines(plan, "ex26112700.log") == ["00:00:00 NOOP", "00:59:59 NOOP"]
    assert lines(plan, "ex26112701.log") == ["01:00:00 NOOP"]
    assert [path.read_text().count("#Fields") for path in plan.folder.iterdir()] == [1, 1, 1]


def test_iis_files_follow_local_time_always(plan: FilePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "EST-2")
    time.tzset()
    try:
        FileSink(IisForm(SITE), plan).write([entry(MIDNIGHT - 3600)])
        assert [path.name for path in plan.folder.iterdir()] == ["in261127.log"]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_unlimited_is_one_file(plan: FilePlan) -> None:
    sink = FileSink(W3C, replace(plan, period=LogPeriod.UNLIMITED, limit=10))
    for at in (MIDNIGHT, MIDNIGHT + 86_400 * 40):
        sink.write([entry(at)])
    assert [path.name for path in plan.folder.iterdir()] == ["extend1.log"]


def test_a_file_that_is_full_is_followed_by_the_next_number(plan: FilePlan) -> None:
    sized = replace(plan, period=LogPeriod.SIZE, limit=200)
    for _ in range(3):  # as after restarts, and as several workers do
        sink = FileSink(W3C, sized)
        for _ in range(10):
            sink.write([entry(MIDNIGHT)])
    found = {path.name: path for path in plan.folder.iterdir()}
    assert set(found) == {f"extend{number}.log" for number in range(1, len(found) + 1)}
    assert sum(len(lines(plan, name)) for name in found) == 30
    assert all(path.stat().st_size <= 200 for path in found.values())
    assert all(path.read_text().count("#Fields") == 1 for path in found.values())


def test_a_large_batch_is_shared_out(plan: FilePlan) -> None:
    FileSink(W3C, replace(plan, period=LogPeriod.SIZE, limit=200)).write([entry(MIDNIGHT)] * 100)
    found = list(plan.folder.iterdir())
    assert sum(len(lines(plan, path.name)) for path in found) == 100
    assert all(path.stat().st_size <= 200 for path in found)


def test_numbers_go_on_where_older_files_were_removed(plan: FilePlan) -> None:
    plan.folder.mkdir(parents=True)
    (plan.folder / "extend7.log").write_text("x" * 300 + "\n")
    FileSink(W3C, replace(plan, period=LogPeriod.SIZE, limit=200)).write([entry(MIDNIGHT)])
    assert (plan.folder / "extend8.log").exists()


def test_what_cannot_be_written_is_counted_with_its_cause(plan: FilePlan) -> None:
    plan.folder.parent.mkdir()
    plan.folder.write_text("not a folder")
    loss = FileSink(W3C, plan).write([entry(MIDNIGHT), entry(MIDNIGHT)])
    assert loss is not None
    assert loss.entries == 2
    assert "Not a directory" in loss.cause


def aged(plan: FilePlan, name: str, days: float) -> Path:
    plan.folder.mkdir(parents=True, exist_ok=True)
    path = plan.folder / name
    path.write_text("x\n")
    moment = time.time() - days * 86_400
    os.utime(path, (moment, moment))
    return path


def cleaned(plan: FilePlan) -> set[str]:
    FileSink(W3C, plan).write([entry(time.time())])
    return {path.name for path in plan.folder.iterdir()} - {time.strftime("ex%y%m%d.log", time.gmtime())}


def test_old_files_go_after_so_many_days(plan: FilePlan) -> None:
    for name, days in {
        "ex260101.log": 30.5,
        "nc260101.log": 31,
        "ex260102.log": 29.5,
        "events-260101.jsonl": 99,
    }.items():
        aged(plan, name, days)
    assert cleaned(replace(plan, keep_days=30)) == {"ex260102.log", "events-260101.jsonl"}


def test_the_oldest_of_too_many_files_go(plan: FilePlan) -> None:
    for age in range(1, 6):
        aged(plan, f"extend{age}.log", age)
    aged(plan, "mine.txt", 99)
    assert cleaned(replace(plan, keep_files=3)) == {"extend1.log", "extend2.log", "mine.txt"}


def test_by_default_all_files_stay(plan: FilePlan) -> None:
    aged(plan, "ex000101.log", 9_000)
    assert cleaned(plan) == {"ex000101.log"}


def test_files_are_looked_for_now_and_then_only(plan: FilePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    monkeypatch.setattr(files.FileSink, "_clean", lambda self: looks.append(1))
    sink = FileSink(W3C, plan)
    for _ in range(5):
        sink.write([entry(MIDNIGHT)])
    assert len(looks) == 1
