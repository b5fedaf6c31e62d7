"""The fan-out of events."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from mailroot.mail.events import EVENTS, EventRow
from mailroot.mail.fanout import Fanout, Listener

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Ear:
    def __init__(self, *names: str) -> None:
        self.names = names
        self.heard: list[tuple[datetime, str, Mapping[str, object]]] = []
        self.closed = False

    def listener(self, row: EventRow) -> Listener | None:
        return self.hear if row.name in self.names else None

    def hear(self, at: datetime, row: EventRow, fields: Mapping[str, object]) -> None:
        self.heard.append((at, row.name, fields))

    def close(self) -> None:
        self.closed = True


def never() -> datetime:
    raise AssertionError("the clock was read for nobody")


def test_each_sink_hears_the_rows_that_it_listens_for_and_no_others() -> None:
    one, other = Ear("accepted", "refused"), Ear("refused")
    tell = Fanout(lambda: NOON, [one, other])
    tell(EVENTS.accepted, size=1)
    tell(EVENTS.refused, cause="x")
    tell(EVENTS.delivered)
    assert one.heard == [(NOON, "accepted", {"size": 1}), (NOON, "refused", {"cause": "x"})]
    assert other.heard == [(NOON, "refused", {"cause": "x"})]


def test_an_event_that_nobody_hears_costs_no_look_at_the_clock() -> None:
    Fanout(never, [Ear("refused")])(EVENTS.accepted)


def test_all_sinks_hear_of_one_moment() -> None:
    moments: Callable[[], datetime] = iter([NOON]).__next__
    sinks = [Ear("accepted"), Ear("accepted")]
    Fanout(moments, sinks)(EVENTS.accepted)
    assert [ear.heard[0][0] for ear in sinks] == [NOON, NOON]


def test_the_end_is_the_end_of_every_sink() -> None:
    sinks = [Ear(), Ear()]
    Fanout(never, sinks).close()
    assert all(ear.closed for ear in sinks)
