"""Moments as they are written in mail: the date of RFC 5322, and the predecessor's arrival time.

Not responsible for the clock or the choice of a zone: both come in with the `datetime`.
"""

import functools
from datetime import UTC, datetime, timedelta

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# A FILETIME counts 100 ns from here (facts 3).
_FILETIME_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_NO_OFFSET = timedelta(0)


def mail_date(at: datetime) -> str:
    """The date of RFC 5322 section 3.3 in the zone of `at`: "Fri, 3 Feb 2017 01:30:51 -0500".

    As the predecessor writes it: no leading zero in the day, always a numeric zone. A `datetime` without a zone
    is taken as UTC.
    """
    # The zone is part of the key: aware datetimes of one moment in two zones are equal to each other.
    return _mail_date(at.replace(microsecond=0, tzinfo=None), at.utcoffset() or _NO_OFFSET)


@functools.lru_cache(maxsize=64)
def _mail_date(local: datetime, offset: timedelta) -> str:
    minutes = round(offset.total_seconds() / 60)
    sign = "-" if minutes < 0 else "+"
    hours, minutes = divmod(abs(minutes), 60)
    day = f"{_DAYS[local.weekday()]}, {local.day} {_MONTHS[local.month - 1]} {local.year:04d}"
    return f"{day} {local.hour:02d}:{local.minute:02d}:{local.second:02d} {sign}{hours:02d}{minutes:02d}"


def filetime(at: datetime) -> int:
    """The moment in units of 100 ns since 1601 (UTC)."""
    since = at - _FILETIME_EPOCH
    return (since.days * 86_400 + since.seconds) * 10_000_000 + since.microseconds * 10


def arrival_time(at: datetime) -> str:
    """The value of X-OriginalArrivalTime: "21 Nov 2014 22:17:54.0242 (UTC) FILETIME=[FEF70220:01D005D8]".

    Always UTC; the day has two digits and the milliseconds four, the FILETIME is written low half first (facts 3).
    """
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    ticks = filetime(utc)
    day = _day(utc.year, utc.month, utc.day)
    return "%s %02d:%02d:%02d.%04d (UTC) FILETIME=[%08X:%08X]" % (  # noqa: UP031 (half the time of an f-string here)
        day,
        utc.hour,
        utc.minute,
        utc.second,
        utc.microsecond // 1000,
        ticks & 0xFFFFFFFF,
        ticks >> 32,
    )


@functools.lru_cache(maxsize=8)
def _day(year: int, month: int, day: int) -> str:
    return f"{day:02d} {_MONTHS[month - 1]} {year:04d}"
