"""The states of virtual servers and of the service: every transition, and what is remembered over a start."""

import pytest

from mailroot.mail.faults import Misconfigured
from mailroot.service.life.states import (
    keeps,
    moment,
    ran_before,
    service_state,
    state_after,
    states_after,
    states_at_start,
)
from mailroot.settings.virtualserver import Start

AUTOMATIC, MANUAL, DISABLED = Start.AUTOMATIC, Start.MANUAL, Start.DISABLED


@pytest.mark.parametrize(
    ("before", "word", "after", "on_the_way"),
    [
        ("stopped", "start", "started", "starting"),
        ("stopped", "stop", "stopped", ""),
        ("started", "start", "started", ""),
        ("started", "continue", "started", ""),
        ("started", "pause", "paused", "pausing"),
        ("started", "stop", "stopped", "stopping"),
        ("paused", "start", "started", "continuing"),
        ("paused", "continue", "started", "continuing"),
        ("paused", "pause", "paused", ""),
        ("paused", "stop", "stopped", "stopping"),
    ],
)
def test_each_word_leads_from_each_state_to_its_state(before: str, word: str, after: str, on_the_way: str) -> None:
    assert state_after("one", before, word) == after
    assert not on_the_way or moment(before, after) == on_the_way


@pytest.mark.parametrize("word", ["pause", "continue"])
def test_what_is_stopped_can_neither_pause_nor_continue(word: str) -> None:
    with pytest.raises(Misconfigured, match="one is stopped; start it"):
        state_after("one", "stopped", word)
    with pytest.raises(Misconfigured, match="the service is stopped"):
        states_after({"one": "stopped", "two": "stopped"}, word, {})


@pytest.mark.parametrize(
    ("states", "service"),
    [
        (["started", "paused", "stopped"], "started"),
        (["paused", "stopped"], "paused"),
        (["paused"], "paused"),
        (["stopped", "stopped"], "stopped"),
        ([], "stopped"),
    ],
)
def test_the_state_of_the_service_follows_from_those_of_its_servers(states: list[str], service: str) -> None:
    assert service_state(states) == service


RUNNING = {"one": "started", "two": "paused", "three": "stopped"}
ALL_STOPPED = dict.fromkeys(RUNNING, "stopped")


@pytest.mark.parametrize(
    ("states", "word", "ran", "after"),
    [
        (RUNNING, "stop", {}, ALL_STOPPED),
        (RUNNING, "pause", {}, {"one": "paused", "two": "paused", "three": "stopped"}),
        (RUNNING, "continue", {}, {"one": "started", "two": "started", "three": "stopped"}),
        (RUNNING, "start", {}, {"one": "started", "two": "started", "three": "stopped"}),
        (ALL_STOPPED, "start", {"one": "started"}, {"one": "started", "two": "stopped", "three": "stopped"}),
        (ALL_STOPPED, "start", {}, ALL_STOPPED),
        (ALL_STOPPED, "stop", {"one": "started"}, ALL_STOPPED),
    ],
)
def test_a_word_to_the_service_is_one_to_all_but_those_that_were_stopped_alone(
    states: dict[str, str], word: str, ran: dict[str, str], after: dict[str, str]
) -> None:
    assert states_after(states, word, ran) == after


STARTS = {"a": AUTOMATIC, "m": MANUAL, "d": DISABLED}


@pytest.mark.parametrize(
    ("service", "kept", "begun", "ran"),
    [
        (AUTOMATIC, {}, "a", "a"),
        (AUTOMATIC, {"a": "stopped"}, "", ""),
        (AUTOMATIC, {"m": "started"}, "am", "am"),
        (AUTOMATIC, {"d": "started"}, "a", "a"),
        (MANUAL, {}, "", "a"),
        (MANUAL, {"m": "started", "a": "stopped"}, "", "m"),
        (DISABLED, {}, "", "a"),
    ],
)
def test_who_starts_with_the_process_and_who_with_the_service(
    service: Start, kept: dict[str, str], begun: str, ran: str
) -> None:
    states = states_at_start(service, STARTS, kept)
    assert "".join(sorted(key for key, state in states.items() if state == "started")) == begun
    assert set(states) == set(STARTS)
    assert "".join(sorted(ran_before(STARTS, kept))) == ran


@pytest.mark.parametrize(
    ("start", "state", "kept"),
    [
        (AUTOMATIC, "stopped", True),
        (AUTOMATIC, "started", False),
        (MANUAL, "started", True),
        (MANUAL, "stopped", False),
    ],
)
def test_only_what_differs_from_the_usual_outlives_the_process(start: Start, state: str, kept: bool) -> None:
    assert keeps(start, state) is kept
