"""Names of log files (facts 6)."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from mailroot.edge.protocollog.forms import IisForm, Site
from mailroot.edge.protocollog.names import is_ours, number_of, numbered_name, timed_name
from mailroot.settings.log import LogPeriod

IIS = IisForm(Site("SMTPSVC1", "HOST", "default"))


@pytest.fixture(autouse=True)
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A zone ten hours ahead."""
    monkeypatch.setenv("TZ", "EST-10")
    time.tzset()
    timed_name.cache_clear()
    yield
    monkeypatch.undo()
    time.tzset()
    timed_name.cache_clear()


def moment(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("period", "name"),
    [
        (LogPeriod.HOURLY, "ex26112123.log"),
        (LogPeriod.DAILY, "ex261121.log"),
        (LogPeriod.WEEKLY, "ex261103.log"),
        (LogPeriod.MONTHLY, "ex2611.log"),
    ],
)
def test_a_file_is_called_by_its_period(period: LogPeriod, name: str) -> None:
    assert timed_name("ex", period, moment("2026-11-21T23:59:59"), False) == name


def test_local_time_is_a_choice() -> None:
    late = moment("2026-11-30T14:00:00")
    assert timed_name("nc", LogPeriod.DAILY, late, False) == "nc261130.log"
    assert timed_name("nc", LogPeriod.DAILY, late, True) == "nc261201.log"
    assert timed_name("in", LogPeriod.HOURLY, late, True) == "in26120100.log"


def test_weeks_begin_on_sunday_and_are_counted_in_their_month() -> None:
    day = datetime(2026, 8, 1, 12, tzinfo=UTC)  # a Saturday
    weeks = []
    while day.month == 8:
        weeks.append(int(timed_name("ex", LogPeriod.WEEKLY, int(day.timestamp()), False)[6:8]))
        day += timedelta(days=1)
    assert weeks == [1] + [2] * 7 + [3] * 7 + [4] * 7 + [5] * 7 + [6] * 2


def test_numbered_files_are_told_by_their_form() -> None:
    assert numbered_name(IIS, 7) == "inetsv7.log"
    assert number_of(IIS, "inetsv7.log") == 7
    assert [number_of(IIS, name) for name in ("extend7.log", "inetsv.log", "inetsv7.log.gz", "in261121.log")] == [0] * 4


@pytest.mark.parametrize("name", ["ex26112123.log", "ex2611.log", "nc261121.log", "js261121.log", "extend1.log"])
def test_our_names_are_known(name: str) -> None:
    assert is_ours(name)


@pytest.mark.parametrize(
    "name", ["events-261121.jsonl", "ex.log", "mail.log", "ex261121.log.gz", "xex261121.log", "ex261121.log\n"]
)
def test_other_names_are_not_ours(name: str) -> None:
    assert not is_ours(name)
