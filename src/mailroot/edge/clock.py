"""The clock: the only place where the moment is read."""

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo

import orjson

# In seconds.
_RESOLUTION = 0.001
_WHOLE, _SHOWN = len('"2026-01-02T03:04:05.678901+00:00"'), slice(1, len('"2026-01-02T03:04:05.678'))


class Clock:
    """Tells the moment as `moment_of` makes it of the seconds since 1970.

    Asked again within a millisecond, it tells the same: no log shows more, and a busy service asks again and again.
    Two threads may hear moments that differ by so much, in either order.
    """

    def __init__(self, moment_of: Callable[[float], datetime]) -> None:
        self._moment_of = moment_of
        self._told = -math.inf, datetime.min  # in one piece, as several threads may ask

    def __call__(self) -> datetime:
        """The moment."""
        told_at, moment = self._told
        seconds = time.time()
        if not 0.0 <= seconds - told_at < _RESOLUTION:
            moment = self._moment_of(seconds)
            self._told = seconds, moment
        return moment


utc_now = Clock(lambda seconds: datetime.fromtimestamp(seconds, UTC))
"""The moment, in UTC."""


def to_the_millisecond(at: datetime) -> bytes:
    """An aware UTC moment as ISO 8601 has it, without its zone: 2026-01-02T03:04:05.678.

    For logs: `isoformat` takes ten times as long.
    """
    written: bytes = orjson.dumps(at)
    if len(written) == _WHOLE:
        return written[_SHOWN]
    return at.isoformat(timespec="milliseconds")[:-6].encode("ascii")  # microseconds that are 0 are left out


class LocalClock(Clock):
    """The moment in the machine's zone, as header fields say it. The zone is looked up once a second."""

    def __init__(self) -> None:
        super().__init__(self._local)
        self._zone: tzinfo | None = None
        self._until = 0.0

    def _local(self, seconds: float) -> datetime:
        if not 0.0 <= self._until - seconds <= 1.0:
            self._zone = datetime.fromtimestamp(seconds, UTC).astimezone().tzinfo
            self._until = seconds + 1.0
        return datetime.fromtimestamp(seconds, self._zone)
