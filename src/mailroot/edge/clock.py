"""The clock: the only place where the moment is read."""

import time
from datetime import UTC, datetime, tzinfo


def utc_now() -> datetime:
    """The moment, in UTC."""
    return datetime.now(UTC)


class LocalClock:
    """The moment in the machine's zone, as header fields say it. The zone is looked up once a second."""

    def __init__(self) -> None:
        self._zone: tzinfo | None = None
        self._until = 0.0

    def __call__(self) -> datetime:
        """The moment."""
        moment = time.time()
        if not 0.0 <= self._until - moment <= 1.0:
            self._zone = datetime.fromtimestamp(moment, UTC).astimezone().tzinfo
            self._until = moment + 1.0
        return datetime.fromtimestamp(moment, self._zone)
