"""Which pace a destination has, and when the next message may go."""

import pytest

from mailroot.routing.pace import PaceTable, after, may_go
from mailroot.routing.route import RelayRoute
from mailroot.settings.pace import RATE, Pace, Rate, parse_rate
from mailroot.settings.places import SmartHost, parse_smart_host
from mailroot.settings.virtualserver import OutboundSecurity

TABLE = PaceTable(
    {
        "example.com": Pace(daily=1),
        "*.example.com": Pace(daily=2),
        "*.b.example.com": Pace(daily=3),
        "relay.test": Pace(daily=4),
        "[192.0.2.1]": Pace(daily=5),
        "*": Pace(daily=9),
    }
)


def route(domain: str, *hosts: SmartHost, direct_first: bool = False) -> RelayRoute:
    return RelayRoute(domain, hosts, direct_first, 25, False, OutboundSecurity())


@pytest.mark.parametrize(
    ("domain", "daily"),
    [
        ("example.com", 1),
        ("EXAMPLE.com.", 1),
        ("a.example.com", 2),
        ("a.b.example.com", 3),
        ("b.example.com", 2),
        ("xexample.com", 9),
        ("[192.0.2.1]", 5),
        ("[198.51.100.1]", 9),
    ],
)
def test_an_exact_name_goes_before_the_longest_suffix_and_that_before_the_rest(domain: str, daily: int) -> None:
    found = TABLE.find(route(domain))
    assert found is not None and found.daily == daily


def test_a_smart_host_stands_in_the_place_of_the_domains_that_it_serves() -> None:
    relay, literal = parse_smart_host("relay.test:587"), parse_smart_host("[192.0.2.1]")
    assert TABLE.find(route("", relay)) == Pace(daily=4)
    assert TABLE.find(route("", literal, relay)) == Pace(daily=5)
    assert TABLE.find(route("example.com", relay, direct_first=True)) == Pace(daily=1)


def test_without_a_rule_for_the_rest_other_destinations_have_no_pace() -> None:
    assert PaceTable({"example.com": Pace()}).find(route("other.test")) is None
    assert not PaceTable({})


@pytest.mark.parametrize(
    ("text", "rate", "interval"),
    [("60/m", Rate(60, 60), 1.0), ("1000/h", Rate(1000, 3600), 3.6), ("2/s", Rate(2, 1), 0.5)],
)
def test_a_rate_comes_back_as_it_was_written(text: str, rate: Rate, interval: float) -> None:
    assert parse_rate(text) == rate
    assert RATE.text(rate) == text and rate.interval == interval


def test_no_rate_is_empty() -> None:
    assert RATE.parse("") is None and RATE.text(None) == ""


@pytest.mark.parametrize("text", ["60", "0/m", "60/d", "60 / m", "-1/m", "1.5/s", 60, "60/minute", "²/m", "99999999/s"])
def test_what_is_no_rate_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="wanted"):
        parse_rate(text)


def test_messages_at_their_turns_keep_the_rate() -> None:
    turn, sent = 0.0, 0
    for step in range(6_001):  # a minute in steps of 10 ms, with a message always at hand
        moment = 1000.0 + step / 100
        while may_go(turn, moment, 1.0):
            turn, sent = after(turn, moment, 1.0), sent + 1
    assert 60 <= sent <= 61


def test_an_idle_destination_saves_no_turns_up() -> None:
    turn = after(0.0, 1000.0, 10.0)
    turn = after(turn, 5000.0, 10.0)
    assert turn == 5010.0 and not may_go(turn, 5008.9, 10.0) and may_go(turn, 5009.0, 10.0)
