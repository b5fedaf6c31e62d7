"""Moments as they are written in mail: the date of RFC 5322, and the predecessor's arrival time.

Not responsible for the clock or the choice of a zone: both come in with the `datetime`.
"""

import functools
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# A FILETIME counts 100 ns from here (facts 3).
_FILETIME_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_NO_OFFSET = timedelta(0)


class _Second(NamedTuple):
    """What all moments of one second share: their mail date, the beginning of their arrival time, their FILETIME."""

    date: str
    arrival: str
    ticks: int


def mail_date(at: datetime) -> str:
    """The date of RFC 5322 section 3.3 in the zone of `at`: "Fri, 3 Feb 2017 01:30:51 -0500".

    As the predecessor writes it: no leading zero in the day, always a numeric zone. `at` is aware.
    """
    return _second_of(at).date


def arrival_time(at: datetime) -> str:
    """The value of X-OriginalArrivalTime: "21 Nov 2014 22:17:54.0242 (UTC) FILETIME=[FEF70220:01D005D8]".

    Always UTC; the day has two digits and the milliseconds four, the FILETIME is written low half first (facts 3).
    """
    return both_dates(at)[1]


def both_dates(at: datetime) -> tuple[str, str]:
    """`mail_date` and `arrival_time` for the price of one."""
    second = _second_of(at)
    fraction = at.microsecond
    ticks = second.ticks + fraction * 10
    arrival = f"{second.arrival}.{fraction // 1000:04d} (UTC) FILETIME=[{ticks & 0xFFFFFFFF:08X}:{ticks >> 32:08X}]"
    return second.date, arrival


def filetime(at: datetime) -> int:
    """The moment in units of 100 ns since 1601 (UTC)."""
    since = at - _FILETIME_EPOCH
    return (since.days * 86_400 + since.seconds) * 10_000_000 + since.microseconds * 10


def _second_of(at: datetime) -> _Second:
    # By its parts: aware datetimes of one moment in two zones are equal, and to ask one for its timestamp takes longer.
    return _written(at.year, at.month, at.day, at.hour, at.minute, at.second, at.tzinfo, at.fold)


@functools.lru_cache(maxsize=64)
def _written(*parts: Any) -> _Second:
    *clock, zone, fold = parts
    local = datetime(*clock).replace(tzinfo=zone, fold=fold)
    utc = local.astimezone(UTC)
    minutes = round((local.utcoffset() or _NO_OFFSET).total_seconds() / 60)
    sign = "-" if minutes < 0 else "+"
    hours, minutes = divmod(abs(minutes), 60)
    day = f"{_DAYS[local.weekday()]}, {local.day} {_MONTHS[local.month - 1]} {local.year:04d}"
    return _Second(
        date=f"{day} {_clock(local)} {sign}{hours:02d}{minutes:02d}",
        arrival=f"{utc.day:02d} {_MONTHS[utc.month - 1]} {utc.year:04d} {_clock(utc)}",
        ticks=filetime(utc),
    )


def _clock(at: datetime) -> str:
    return f"{at.hour:02d}:{at.minute:02d}:{at.second:02d}"
