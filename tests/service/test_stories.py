"""Stories: what the trace tells of a message, by whichever of its names it was asked."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailroot.edge import logs
from mailroot.edge.trace.keeping import Retention, TraceKeeper
from mailroot.edge.trace.searching import TraceSearch, Window
from mailroot.edge.trace.segments import milliseconds
from mailroot.mail.events import EVENTS
from mailroot.service.trace.stories import Found, Wanted, find
from mailroot.service.trace.story import in_order
from mailroot.service.trace.words import words

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Told:
    """A trace that is told event by event, a second apart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.at = NOON
        self._keeper = TraceKeeper(folder, "w0", Retention(timedelta(days=3000), 0), lambda: self.at)

    def tell(self, name: str, **fields: Any) -> None:
        row = getattr(EVENTS, name)
        event = (self.at, row, {**dict.fromkeys(row.fields, ""), "server": "default", **fields})
        self._keeper.keep([event], [logs._line(b"", *event)])
        self.at += timedelta(seconds=1)

    def accept(self, entry: str, *to: str, **fields: Any) -> None:
        known = {"message_id": f"<{entry}@x>", "sender": "app@local.test", "size": 1234, "address": "10.0.0.1"}
        self.tell("accepted", entry=entry, to=list(to), recipients=len(to), **{**known, **fields})

    def find(self, name: str = "", **more: Any) -> Found:
        with TraceSearch(self.folder) as search:
            return find(search, Wanted(name, **more))


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path)


def test_a_story_has_the_session_the_attempts_and_the_report(told: Told) -> None:
    told.tell("signed_in", session="s1", address="10.0.0.1", user="joe", mechanism="PLAIN")
    told.accept("e1", "a@far.example", "b@far.example", session="s1", user="joe")
    told.tell("disconnected", session="s1", address="10.0.0.1", messages=1, reason="closed")
    told.tell("attempt", entry="e1", message_id="<e1@x>", destination="far.example", remote="mx.far.example")
    told.tell("delivered", entry="e1", message_id="<e1@x>", recipient="a@far.example", remote="mx.far.example")
    told.tell("failed", entry="e1", message_id="<e1@x>", recipient="b@far.example", status="5.1.1", reason="550 no")
    told.tell("reported", entry="e1", message_id="<r1@x>", about="<e1@x>", recipient="b@far.example", kind="Failure")
    told.tell("delivered", entry="e2", message_id="<r1@x>", recipient="app@local.test")
    told.accept("e3", "c@far.example", session="s2")
    for name in ("e1", "<E1@X>", "e1@x", "b@far.example", "<mx.far.example>", "s1", "joe"):
        [story] = told.find(name).stories
        assert [event["event"] for event in story.events] == [
            "signed_in",
            "accepted",
            "disconnected",
            "attempt",
            "delivered",
            "failed",
            "reported",
        ], name
        assert story.fate == "1 handed to mx.far.example, 1 failed: 550 no"
        [report] = story.reports
        assert (report.entry, report.fate, report.recipients) == ("e2", "delivered", ["app@local.test"])


def test_a_report_names_the_message_that_it_is_about(told: Told) -> None:
    told.accept("e1", "b@far.example", session="s1")
    told.tell("reported", entry="e1", message_id="<r1@x>", about="<e1@x>", recipient="b@far.example", kind="Failure")
    told.tell("delivered", entry="e2", message_id="<r1@x>", recipient="app@local.test")
    [story] = told.find("r1@x").stories
    assert (story.entry, story.message_id) == ("e2", "<r1@x>")
    assert "on <e1@x>" in words(story.first("reported") or {})


def test_what_is_refused_has_a_story_too(told: Told) -> None:
    told.tell(
        "refused", session="s1", sender="a@x", recipient="b@far.example", reply="550 5.7.1 no", cause="not listed"
    )
    told.tell("disconnected", session="s1", reason="closed", messages=0)
    [story] = told.find("<b@far.example>").stories
    assert story.fate == "refused: 550 5.7.1 no"
    assert "(not listed)" in words(story.events[0])
    assert [event["event"] for event in story.events] == ["refused", "disconnected"]


def test_what_a_directory_said_is_part_of_the_story(told: Told) -> None:
    told.accept("e1", "team@local.test")
    told.tell(
        "resolved",
        entry="e1",
        recipient="team@local.test",
        outcome="expanded",
        recipients=3,
        cause="cn=team is a group",
    )
    [story] = told.find("team@local.test").stories
    said = "asked the directory for <team@local.test>: expanded into 3 recipient(s); cn=team is a group"
    assert words(story.first("resolved") or {}) == said


def test_several_are_listed_the_newest_first_up_to_the_limit(told: Told) -> None:
    for number in range(30):
        told.accept(f"e{number}", "a@far.example", session=f"s{number}")
    found = told.find("a@far.example", most=5)
    assert [story.entry for story in found.stories] == ["e29", "e28", "e27", "e26", "e25"]
    assert found.more
    assert not told.find("a@far.example", most=30).more
    assert len(told.find(most=30).stories) == 30
    assert told.find("nobody@far.example").stories == ()


def test_a_time_and_a_server_choose(told: Told) -> None:
    for number in range(10):
        told.accept(f"e{number}", "a@far.example", server="one" if number % 2 else "two")
    since, until = (milliseconds(NOON + timedelta(seconds=seconds)) for seconds in (3, 6))
    found = told.find(window=Window(since, until))
    assert [story.entry for story in found.stories] == ["e6", "e5", "e4", "e3"]
    assert [story.entry for story in told.find(window=Window(since, until), server="one").stories] == ["e5", "e3"]


def test_who_waits_is_told_apart_from_who_was_served(told: Told) -> None:
    told.accept("e1", "a@x", "b@x", "c@x")
    told.tell("delivered", entry="e1", message_id="<e1@x>", recipient="a@x")
    told.tell("deferred", entry="e1", message_id="<e1@x>", recipient="b@x", reason="busy", due="2026-11-22T13:00")
    assert told.find("e1").stories[0].fate == "1 delivered, 1 waits until 2026-11-22T13:00: busy, 1 in the queue"


@pytest.mark.parametrize(
    "name", ["[127.0.0.1]:25", "127.0.0.1:25", "[127.0.0.1]", "127.0.0.1", "MX.elsewhere.test:366", "mx.elsewhere.test"]
)
@pytest.mark.parametrize("event", ["deferred", "failed"])
def test_mail_that_never_reached_its_next_hop_is_found_by_it(told: Told, name: str, event: str) -> None:
    told.accept("e1", "a@x", address="10.0.0.1")
    told.tell(event, entry="e1", recipient="a@x", destination="[127.0.0.1]:25,mx.elsewhere.test:366")
    told.accept("e2", "b@x", address="10.0.0.1")
    told.tell(event, entry="e2", recipient="b@x", destination="127.example")
    assert [story.entry for story in told.find(name).stories] == ["e1"]


def test_mail_is_found_by_the_server_that_was_not_reached(told: Told) -> None:
    told.accept("e1", "a@far.example")
    told.tell("deferred", entry="e1", recipient="a@far.example", destination="far.example", remote="mx.far.example")
    for name in ("mx.far.example", "<far.example>"):
        assert [story.entry for story in told.find(name).stories] == ["e1"]


def test_events_are_each_told_once_and_unknown_ones_by_their_fields() -> None:
    one = {"time": "2026-11-22T12:00:00.000Z", "event": "queue_changed", "entry": "e1", "operation": "retry"}
    assert in_order([one, dict(one)]) == (one,)
    assert words(one) == "queue changed operation=retry"
