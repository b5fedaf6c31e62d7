"""Events in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroot.mail import eventwords
from mailroot.mail.events import EVENT_ROWS, EVENTS
from mailroot.mail.eventwords import LINE_LIMIT, Repeats, words_of


def test_an_event_without_words_is_its_name_with_its_fields() -> None:
    fields = {"server": "default", "session": "", "cause": 'a "quoted" reason', "size": 5}
    assert words_of(EVENTS.refused, fields) == "refused server=default cause=\"a 'quoted' reason\" size=5"


def test_several_values_stand_with_commas_between_them() -> None:
    assert words_of(EVENTS.accepted, {"to": ["a@one.example", "b@two.example"]}) == (
        "accepted to=a@one.example,b@two.example"
    )


def test_the_predecessors_events_have_its_words() -> None:
    fields = {"destination": "example.com", "address": "192.0.2.1", "cause": "timed out"}
    assert words_of(EVENTS.destination_down, fields) == (
        "Message delivery to the host '192.0.2.1' failed while delivering to the remote domain 'example.com' for the"
        " following reason: timed out"
    )
    assert words_of(EVENTS.domain_down, {}).startswith("Message delivery to the remote domain ''")


def test_the_predecessors_ids() -> None:
    assert {row.ident: row.name for row in EVENT_ROWS if row.ident} == {
        115: "bind_failed",
        402: "connections_full",
        4000: "domain_down",
        4006: "destination_down",
    }
    assert all(bool(row.words) == bool(row.ident) for row in EVENT_ROWS)


@pytest.mark.parametrize("hostile", ["a\r\nb", "\x1b[2J", "\u202eevil", "\x00", "\x7f", "\ud800", "\x85"])
@pytest.mark.parametrize("row", [EVENTS.refused, EVENTS.destination_down])
def test_O01_a_stranger_cannot_end_the_line_or_steer_a_terminal(row: object, hostile: str) -> None:
    text = words_of(row, {"cause": hostile, "destination": hostile})  # type: ignore[arg-type]
    assert text.isascii() and text.isprintable()


def test_a_line_has_a_limit() -> None:
    fields = {f"field{number}": "x" * 1_000 for number in range(100)}
    assert len(words_of(EVENTS.refused, fields)) == LINE_LIMIT + 3


def test_the_same_is_said_once_a_minute_with_its_number() -> None:
    repeats = Repeats()
    assert [repeats.admits("down", now) for now in (0.0, 1.0, 59.0)] == [True, False, False]
    assert repeats.admits("other", 2.0)
    assert list(repeats.ended(59.9)) == []
    assert list(repeats.ended(60.0)) == [("down", 2)]
    assert repeats.admits("down", 61.0)


def test_what_is_remembered_is_bounded_and_then_everything_is_said() -> None:
    repeats = Repeats(most=2)
    assert [repeats.admits(text, 0.0) for text in "abcc"] == [True, True, True, True]
    assert not repeats.admits("a", 1.0)


_VALUES = st.one_of(
    st.integers(),
    st.none(),
    st.text(max_size=12),
    st.text(' ="\\ab<>@\x7fé', max_size=6),
    st.just("x" * 501),
    st.lists(st.text(' ="\\ab,@é', max_size=4), max_size=3),
    st.lists(st.text(' ="\\ab,@é', max_size=4), max_size=2).map(tuple),
)


@given(st.dictionaries(st.sampled_from("server session cause to reply".split()), _VALUES))
def test_the_short_way_says_what_the_long_one_does(fields: dict[str, object]) -> None:
    one_by_one = [f"{name}={eventwords._value(value)}" for name, value in fields.items() if eventwords.shown(value)]
    whole = " ".join(["refused", *one_by_one])
    assert words_of(EVENTS.refused, fields) == (whole if len(whole) <= LINE_LIMIT else whole[:LINE_LIMIT] + "...")
