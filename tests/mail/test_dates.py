"""Dates of mail, and the predecessor's arrival time."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from mailroot.mail.dates import arrival_time, both_dates, filetime, mail_date


def at(offset_minutes: int, *moment: int) -> datetime:
    return datetime(*moment, tzinfo=timezone(timedelta(minutes=offset_minutes)))


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        (at(-300, 2017, 2, 3, 1, 30, 51), "Fri, 3 Feb 2017 01:30:51 -0500"),
        (at(0, 2026, 11, 22, 0, 0, 0), "Sun, 22 Nov 2026 00:00:00 +0000"),
        (at(330, 2024, 2, 29, 23, 59, 59, 999_999), "Thu, 29 Feb 2024 23:59:59 +0530"),
        (at(-210, 2024, 12, 31, 23, 0, 9), "Tue, 31 Dec 2024 23:00:09 -0330"),
    ],
)
def test_the_day_has_no_leading_zero_and_the_zone_is_numeric(moment: datetime, written: str) -> None:
    assert mail_date(moment) == written


def test_one_moment_is_written_differently_in_two_zones() -> None:
    here, there = at(60, 2026, 1, 2, 3, 4, 5), at(-480, 2026, 1, 1, 18, 4, 5)
    assert here == there
    assert mail_date(here) == "Fri, 2 Jan 2026 03:04:05 +0100"
    assert mail_date(there) == "Thu, 1 Jan 2026 18:04:05 -0800"


def test_arrival_time_has_two_digits_for_the_day_and_four_for_milliseconds() -> None:
    assert arrival_time(at(-300, 2017, 2, 3, 1, 30, 51, 7_900)).startswith("03 Feb 2017 06:30:51.0007 (UTC) FILETIME=[")


def test_arrival_time_is_the_predecessors_to_the_millisecond() -> None:
    # A line that the predecessor wrote. Its FILETIME is exact to 100 ns, ours to a microsecond.
    written = (0x01D005D8 << 32) | 0xFEF70220
    moment = datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=written // 10)
    assert arrival_time(moment) == "21 Nov 2014 22:17:54.0242 (UTC) FILETIME=[FEF70220:01D005D8]"


def test_filetime_counts_from_1601() -> None:
    assert filetime(datetime(1970, 1, 1, tzinfo=UTC)) == 116_444_736_000_000_000


def test_both_dates_are_the_two_dates() -> None:
    moment = at(120, 2026, 6, 7, 8, 9, 10, 999_999)
    assert both_dates(moment) == (mail_date(moment), arrival_time(moment))
