"""Forwards events to a place of the system, without ever making mail wait for it.

To record an event only appends to a list; a thread makes lines and sends them, within half a second. What cannot be
sent is counted. Warnings and errors that say the same are sent once a minute, with their number.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from mailroot.edge.scheduling import wait_when_waking
from mailroot.mail.events import EVENTS, EventRow, Severity
from mailroot.mail.eventwords import Repeats, words_of
from mailroot.mail.fanout import Listener

WAITING_LIMIT = 10_000
INTERVAL = 0.4
_ORDER = [Severity.DETAIL, Severity.NOTICE, Severity.WARNING, Severity.ERROR]
_REPEATING = (Severity.WARNING, Severity.ERROR)


class Said(NamedTuple):
    """An event in words, with what it was made of."""

    at: datetime
    row: EventRow
    fields: Mapping[str, object]
    text: str


class Place(Protocol):
    """Where events go. Called by one thread only."""

    def send(self, group: Sequence[Said]) -> int:
        """Send these, in order; how many were taken. Waits a bounded time, and never raises."""

    def close(self) -> None:
        """End."""


class Forwarder:
    """A sink (`mail.fanout.Sink`). Make it in the process that uses it: its thread does not survive a fork.

    `lost` hears how many could not be sent. `now` gives seconds that never go back.
    """

    def __init__(
        self, place: Place, least: Severity, lost: Callable[[int], None], now: Callable[[], float], name: str
    ) -> None:
        self._place = place
        self._heard = _ORDER[_ORDER.index(least) :]
        self._tell_lost = lost
        self._now = now
        self._waiting: list[tuple[datetime, EventRow, Mapping[str, object]]] = []
        self._repeats = Repeats()
        self._latest: datetime | None = None
        self._refused = 0  # written by who records, taken off by the thread's own count
        self._told = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._send_on, name=f"events to {name}", daemon=True)
        self._thread.start()

    def listener(self, row: EventRow) -> Listener | None:
        """Rows of the severities that are wanted."""
        return self._record if row.severity in self._heard else None

    def close(self) -> None:
        """Send what waits, and end the thread."""
        self._ending.set()
        self._thread.join()
        self._flush()
        self._place.close()

    def _record(self, at: datetime, row: EventRow, fields: Mapping[str, object]) -> None:
        if len(self._waiting) < WAITING_LIMIT:
            self._waiting.append((at, row, fields))
        else:
            self._refused += 1

    def _send_on(self) -> None:
        wait_when_waking()
        while not self._ending.wait(INTERVAL):
            self._flush()

    def _flush(self) -> None:
        # One list for ever: a recorder may be between looking it up and appending to it.
        waiting = self._waiting[:]
        del self._waiting[: len(waiting)]
        group = list(self._said(waiting, self._now()))
        unsent = len(group) - self._place.send(group) if group else 0
        lost = unsent + self._refused - self._told
        if lost:
            self._told = self._refused
            self._tell_lost(lost)

    def _said(self, waiting: Sequence[tuple[datetime, EventRow, Mapping[str, object]]], now: float) -> Iterator[Said]:
        for at, row, fields in waiting:
            text = words_of(row, fields)
            self._latest = at
            if row.severity not in _REPEATING or self._repeats.admits(text, now):
                yield Said(at, row, fields, text)
        for text, count in self._repeats.ended(now):
            assert self._latest is not None
            again = f"{text} ({count} more like it within a minute)"
            yield Said(self._latest, EVENTS.events_repeated, {"count": count}, again)
