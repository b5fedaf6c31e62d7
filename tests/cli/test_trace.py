"""Times as `mailroot trace` reads them, beside those that it prints."""

import time
from collections.abc import Iterator

import pytest

from mailroot.cli.trace import moment, window


@pytest.fixture
def _in_new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_in_new_york")
def test_a_printed_time_is_read_as_it_was_meant_and_a_bare_one_by_the_clock_of_the_machine() -> None:
    assert moment("2026-11-28 08:36:44.238Z").isoformat() == "2026-11-28T03:36:44.238000-05:00"
    assert moment("2026-11-28T08:36").isoformat() == "2026-11-28T08:36:00-05:00"
    assert window("2026-11-28T08:36Z", "2026-11-28T03:37").until == window("2026-11-28T08:37Z", "").since
