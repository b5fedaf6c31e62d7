"""The latest refusals of one worker, in memory: what somebody who watches wants to see at once."""

from collections import defaultdict, deque
from collections.abc import Mapping
from datetime import datetime
from itertools import chain
from operator import itemgetter

from mailroot.mail.events import EVENTS, EventRow
from mailroot.mail.fanout import Listener

_KEPT = 50  # of each virtual server, so that one does not push out another's
_LONGEST = 300  # signs of one value
_ROWS = {EVENTS.refused.name, EVENTS.connection_refused.name, EVENTS.sign_in_failed.name}
_SHOWN = ("server", "session", "address", "sender", "recipient", "reply", "cause")
_Refusal = tuple[datetime, str, Mapping[str, object]]


class LatestRefusals:
    """Hears of refusals (`mail.fanout.Sink`) and remembers some."""

    def __init__(self) -> None:
        self._kept: defaultdict[object, deque[_Refusal]] = defaultdict(lambda: deque(maxlen=_KEPT))

    def listener(self, row: EventRow) -> Listener | None:
        """What remembers events of this row."""
        return self._take if row.name in _ROWS else None

    def close(self) -> None:
        """Nothing waits."""

    def _take(self, at: datetime, row: EventRow, fields: Mapping[str, object]) -> None:
        self._kept[fields.get("server")].append((at, row.name, fields))

    def rows(self) -> list[dict[str, object]]:
        """What is remembered, the latest first."""
        return [
            {
                "at": at.isoformat(timespec="milliseconds"),
                "event": name,
                **{field: str(fields.get(field) or "")[:_LONGEST] for field in _SHOWN},
            }
            for at, name, fields in sorted(chain(*self._kept.values()), key=itemgetter(0), reverse=True)
        ]
