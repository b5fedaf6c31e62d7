"""The story of one message: its events in their order, and what they come to. Pure: events in, words out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Event = Mapping[str, Any]

_ENDS = {"delivered", "failed", "deferred"}


@dataclass(frozen=True, slots=True)
class Story:
    """A message's life. `entry` is its key in the queue, "" for one that was refused. `reports` are those on it.

    `refusal` is the event that a refused one was found by: its session may have had others. None for what was taken.
    """

    entry: str
    events: tuple[Event, ...]
    reports: tuple["Story", ...] = ()
    refusal: Event | None = None

    @property
    def accepted(self) -> Event | None:
        """The event of its acceptance; None for reports, and where it is no longer in the trace."""
        return self.first("accepted")

    @property
    def message_id(self) -> str:
        """The Message-ID; "" where nothing tells it."""
        own = [event for event in self.events if event.get("entry") == self.entry and event["event"] != "reported"]
        return next((str(event["message_id"]) for event in own if event.get("message_id")), "")

    @property
    def sender(self) -> str:
        """Who sent it; "" for the null path, and where nothing tells it."""
        return next((str(event["sender"]) for event in self.events if event.get("sender")), "")

    @property
    def recipients(self) -> list[str]:
        """Who it is for, as the client named them, or else as they were tried."""
        accepted = self.accepted
        if accepted is not None and accepted.get("to"):
            return [str(one) for one in accepted["to"]]
        return list(dict.fromkeys(str(event["recipient"]) for event in self.events if event.get("recipient")))

    @property
    def fate(self) -> str:
        """What became of it, in a line."""
        if not self.entry:
            return f"refused: {self.refusal['reply']}" if self.refusal else "no message"
        ends = self.ends()
        counted: dict[str, int] = {}
        for event in ends.values():
            word = _end_word(event)
            counted[word] = counted.get(word, 0) + 1
        accepted = self.accepted
        waiting = (accepted or {}).get("recipients", 0) - len(ends)
        if isinstance(waiting, int) and waiting > 0:
            counted["in the queue"] = waiting
        if len(counted) == 1:
            return next(iter(counted))
        return ", ".join(f"{number} {word}" for word, number in counted.items()) or "in the queue"

    @property
    def over(self) -> bool:
        """Whether it is told from the acceptance to the end of every recipient: nothing more can come."""
        accepted, ends = self.accepted, self.ends()
        if accepted is None or any(event["event"] == "deferred" for event in ends.values()):
            return False
        return len(ends) == accepted.get("recipients")

    def ends(self) -> dict[str, Event]:
        """The last thing that happened to each recipient."""
        return {
            str(event.get("recipient")): event
            for event in self.events
            if event["event"] in _ENDS and event.get("entry") == self.entry
        }

    def first(self, name: str) -> Event | None:
        """Its first event of a kind."""
        return next((event for event in self.events if event["event"] == name), None)

    def facts(self) -> dict[str, Any]:
        """All of it as JSON shows it."""
        return {**self.summary(), "events": list(self.events), "reports": [one.facts() for one in self.reports]}

    def summary(self) -> dict[str, Any]:
        """A row about it."""
        return {
            "time": str(self.events[0].get("time", "")) if self.events else "",
            "server": next((str(event["server"]) for event in self.events if event.get("server")), ""),
            "entry": self.entry,
            "message_id": self.message_id,
            "sender": self.sender,
            "to": self.recipients,
            "fate": self.fate,
        }


def in_order(events: Iterable[Event]) -> tuple[Event, ...]:
    """The events by their time, each once; what happened in the same millisecond stays as it was written."""
    seen: dict[str, Event] = {repr(sorted(event.items(), key=lambda item: item[0])): event for event in events}
    return tuple(sorted(seen.values(), key=lambda event: (str(event.get("time", "")), _rank(event))))


# What comes first in the life of a message, where times are the same.
_RANKS = {"signed_in": 0, "refused": 1, "accepted": 2, "attempt": 3, "disconnected": 9}


def _rank(event: Event) -> int:
    return _RANKS.get(str(event.get("event")), 5)


def _end_word(event: Event) -> str:
    if event["event"] == "delivered":
        return f"handed to {event['remote']}" if event.get("remote") else "delivered"
    if event["event"] == "failed":
        return f"failed: {event.get('reason') or event.get('status')}"
    return f"waits until {event.get('due')}: {event.get('reason') or event.get('status')}"
