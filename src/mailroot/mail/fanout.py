"""The fan-out of events: each event goes to those sinks that listen for its kind, in the order of the sinks.

Who hears what is decided once, row by row; an event that one sink wants costs a look-up and a call.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Protocol

from mailroot.mail.events import EVENT_ROWS, EventRow

Listener = Callable[[datetime, EventRow, Mapping[str, object]], None]


class Sink(Protocol):
    """Where events go. Nothing here blocks or fails; what cannot be kept is counted by the sink."""

    def listener(self, row: EventRow) -> Listener | None:
        """What takes events of this row, with their moment and fields; None where they are of no interest.

        The fields are shared by all sinks: nobody changes them.
        """

    def close(self) -> None:
        """Write what waits, and end."""


class Fanout:
    """Takes events (`mail.events.Emit`) and gives them to the sinks. `now` gives aware UTC moments."""

    def __init__(self, now: Callable[[], datetime], sinks: Iterable[Sink]) -> None:
        self._now = now
        self._sinks = tuple(sinks)
        self._listeners = {row.name: self._listening(row) for row in EVENT_ROWS}

    def __call__(self, row: EventRow, **fields: object) -> None:
        """Give the event to its listeners."""
        listeners = self._listeners[row.name]
        if listeners:
            at = self._now()
            for listener in listeners:
                listener(at, row, fields)

    def close(self) -> None:
        """End all sinks."""
        for sink in self._sinks:
            sink.close()

    def _listening(self, row: EventRow) -> tuple[Listener, ...]:
        return tuple(heard for sink in self._sinks if (heard := sink.listener(row)) is not None)
