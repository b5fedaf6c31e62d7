"""The clock: a moment for a millisecond, whatever the machine's clock does."""

import time
from datetime import UTC, datetime

import pytest

from mailroot.edge.clock import Clock, LocalClock, to_the_millisecond, utc_now

NOON = 1_793_620_800.0


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The machine's clock: its last element is the moment."""
    seconds = [NOON]
    monkeypatch.setattr(time, "time", lambda: seconds[-1])
    return seconds


def test_the_moment_is_in_utc_and_now() -> None:
    before, moment, after = datetime.now(UTC), utc_now(), datetime.now(UTC)
    assert (before - moment).total_seconds() < 0.001 and moment <= after
    assert moment.tzinfo is UTC


def test_a_moment_lasts_for_a_millisecond_and_no_longer(machine: list[float]) -> None:
    made: list[float] = []

    def moment_of(seconds: float) -> datetime:
        made.append(seconds)
        return datetime.fromtimestamp(seconds, UTC)

    clock = Clock(moment_of)
    told = []
    for at in (0.0, 0.0009, 0.0011, 0.0015, 60.0, 59.0, 59.0005, -86_400.0):  # it may be set back
        machine.append(NOON + at)
        told.append(clock().timestamp() - NOON)
    assert told == pytest.approx([0.0, 0.0, 0.0011, 0.0011, 60.0, 59.0, 59.0, -86_400.0], abs=1e-6)
    assert len(made) == 5


def test_the_local_moment_follows_the_zone(machine: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        clock = LocalClock()
        monkeypatch.setenv("TZ", "EST5")
        time.tzset()
        assert clock().isoformat() == "2026-11-02T07:00:00-05:00"
        monkeypatch.setenv("TZ", "XYZ-5:30")
        time.tzset()
        machine.append(NOON + 2.0)
        assert clock().isoformat() == "2026-11-02T17:30:02+05:30"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("microsecond", [0, 1, 999, 1_000, 678_901, 999_999])
def test_a_moment_to_the_millisecond(microsecond: int) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, microsecond, tzinfo=UTC)
    assert to_the_millisecond(moment).decode() == moment.isoformat(timespec="milliseconds")[:-6]
