"""The clock: the only place where the moment is read."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The moment, in UTC."""
    return datetime.now(UTC)


def local_now() -> datetime:
    """The moment, in the machine's zone, as header fields say it."""
    return datetime.now(UTC).astimezone()
