"""Finding stories in a trace: by any name that a message, its session or its way has, or by time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from mailroot.edge.trace.searching import ALWAYS, TraceSearch, Window
from mailroot.edge.trace.segments import milliseconds
from mailroot.mail.traced import normal
from mailroot.service.trace.story import Event, Story, in_order

# Of a session that had many messages, so many events are looked at to tell of the session itself.
_OF_SESSION = 2_000
# A message that is tried for a month has less than this.
_OF_MESSAGE = 20_000
# Milliseconds around what is known of a message, in which the rest is looked for first.
_NEAR = 300_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for: a name, "" for any; a time; one virtual server, "" for all; so many messages at most."""

    name: str = ""
    window: Window = ALWAYS
    server: str = ""
    most: int = 20


@dataclass(frozen=True, slots=True)
class Found:
    """The stories, the newest first; `more`: there are others."""

    stories: tuple[Story, ...]
    more: bool = False


def find(search: TraceSearch, wanted: Wanted) -> Found:
    """The stories that are wanted: one in full with session and reports, several by their own events alone."""
    entries: dict[str, Event] = {}
    refused: dict[str, list[Event]] = {}
    more = False
    for event in _events(search, wanted):
        if len(entries) + len(refused) >= wanted.most and _name_of(event, wanted) not in entries | refused:
            more = True
            break
        entry = _name_of(event, wanted)
        if entry:
            entries.setdefault(entry, event)
        elif event["event"] == "refused":
            refused.setdefault(_transaction(event), []).append(event)
    stories = [told(search, entry, event) for entry, event in entries.items()]
    stories += [_refused(events) for events in refused.values()]
    if len(stories) == 1:
        stories = [in_full(search, stories[0])]
    stories.sort(key=lambda story: str(story.events[0].get("time", "")) if story.events else "", reverse=True)
    return Found(tuple(stories), more)


def told(search: TraceSearch, entry: str, known: Event) -> Story:
    """The story of an entry by its own events, one of which is known.

    Most messages come and go within minutes: where that one has, the rest of the trace is not looked at.
    """
    moment = _moment(known)
    near = _own(search, entry, Window(moment - _NEAR, moment + _NEAR))
    return near if near.over else _own(search, entry, ALWAYS)


def _refused(events: list[Event]) -> Story:
    ordered = in_order(events)
    return Story("", ordered, refusal=ordered[0])


def _own(search: TraceSearch, entry: str, window: Window) -> Story:
    own = [event for event in islice(search.naming(entry, window), _OF_MESSAGE) if event.get("entry") == entry]
    return Story(entry, in_order(own))


def in_full(search: TraceSearch, story: Story) -> Story:
    """The story with its session, with the message that it is a report on, and with the reports on it."""
    events = list(story.events)
    accepted = story.accepted
    session = (accepted or story.refusal or {}).get("session")
    if session:
        events += [event for event in islice(search.naming(session), _OF_SESSION) if "entry" not in event]
    if accepted is None and story.entry and story.message_id:
        events += [one for one in search.naming(story.message_id) if _reports(one, story.message_id)]
    reports = [_report(search, str(one["message_id"])) for one in story.events if one["event"] == "reported"]
    unique = {one.entry: one for one in reports if one is not None}
    return Story(story.entry, in_order(events), tuple(unique.values()), story.refusal)


def _report(search: TraceSearch, message_id: str) -> Story | None:
    for event in search.naming(message_id):
        if event.get("entry") and event["event"] != "reported":
            return told(search, str(event["entry"]), event)
    return None


def _reports(event: Event, message_id: str) -> bool:
    return event["event"] == "reported" and normal(str(event.get("message_id"))) == normal(message_id)


def _events(search: TraceSearch, wanted: Wanted) -> Iterator[dict[str, Any]]:
    window = wanted.window
    found = search.naming(wanted.name, window) if wanted.name else search.during(window)
    for event in found:
        if wanted.server and event.get("server") != wanted.server:
            continue
        if window == ALWAYS or window.since <= _moment(event) <= window.until:
            yield event


def _name_of(event: Event, wanted: Wanted) -> str:
    """The entry that an event is about; "" for none, and for the event of a report that is itself looked for."""
    if wanted.name and _reports(event, wanted.name):
        return ""
    return str(event.get("entry") or "")


def _transaction(event: Event) -> str:
    return f"{event.get('session')} {event.get('sender')}"


def _moment(event: Event) -> int:
    try:
        return milliseconds(datetime.fromisoformat(str(event.get("time"))))
    except ValueError:
        return -1
