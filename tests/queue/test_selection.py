"""Which recipients a selection means, and what is done to them."""

from dataclasses import replace
from typing import Any

import pytest

from mailroot.queue import selection
from mailroot.queue.entry import AWAITED, FROZEN, Listed
from mailroot.queue.selection import ANY_CAUSE, Selection, effect
from tests.queue.drafts import HOUR, NOON

ROW = Listed(
    key="k1",
    sender="App@example.com",
    recipient='"o[d]d"@Sub.Example.NET',
    size=2048,
    arrived=NOON,
    due=NOON + HOUR,
    attempts=2,
    status="4.4.1",
)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ({}, True),
        ({"key": "k1"}, True),
        ({"key": "k"}, False),
        ({"sender": "app@EXAMPLE.com"}, True),
        ({"sender": "*@example.com"}, True),
        ({"sender": "???@example.*"}, True),
        ({"sender": "@example.com"}, False),
        ({"sender": "<>"}, False),
        ({"recipient": '"o[d]d"@*'}, True),
        ({"recipient": '"o[x]d"@*'}, False),
        ({"domain": "sub.example.net"}, True),
        ({"domain": "example.net"}, False),
        ({"domain": "*.example.net"}, True),
        ({"domain": "*.net"}, True),
        ({"domain": "*.sub.example.net"}, False),
        ({"domain": "*.ample.net"}, False),
        ({"status": "4.4.1"}, True),
        ({"status": "4.*"}, True),
        ({"status": "5.*"}, False),
        ({"before": NOON + HOUR}, True),
        ({"before": NOON}, False),
        ({"larger": 2047}, True),
        ({"larger": 2048}, False),
        ({"held": ANY_CAUSE}, False),
        ({"held": FROZEN}, False),
        ({"sender": "app@*", "larger": 4096}, False),
    ],
)
def test_every_condition_must_hold(asked: dict[str, Any], meant: bool) -> None:
    assert Selection(**asked).means(ROW) is meant


def test_a_selection_that_asks_nothing_means_everything_and_says_so() -> None:
    assert Selection().everything
    assert not Selection(larger=0).everything
    assert not Selection(held=ANY_CAUSE).everything


def test_a_cause_of_holding_is_asked_for_by_its_name_or_at_large() -> None:
    held = replace(ROW, held=AWAITED)
    assert [Selection(held=one).means(held) for one in (AWAITED, FROZEN, ANY_CAUSE)] == [True, False, True]


def test_the_null_sender_is_asked_for_by_its_brackets_and_is_not_that_of_a_damaged_entry() -> None:
    assert Selection(sender="<>").means(replace(ROW, sender=""))
    damaged = Listed("k2", "", "", 0, NOON)
    assert not Selection(sender="<>").means(damaged)
    assert not Selection(recipient="*@*").means(damaged)
    assert Selection(key="k2").means(damaged)


def test_a_domain_is_compared_as_domains_are() -> None:
    row = replace(ROW, recipient="a@xn--bcher-kva.example")
    assert Selection(domain="BÜCHER.example").means(row)


def one(change: selection.Change, row: Listed = ROW) -> Listed | None:
    return change(row)


def test_retry_makes_due_and_leaves_the_held_and_the_leased_alone() -> None:
    retry = selection.retry(NOON)
    assert one(retry) == replace(ROW, due=NOON)
    for row in (replace(ROW, held=FROZEN), replace(ROW, leased=True, due=None)):
        assert one(retry, row) == row


def test_freeze_takes_the_due_of_what_comes_next_and_a_lease_keeps_its_own() -> None:
    freeze = selection.freeze(FROZEN, lambda row: row.arrived + 5 * HOUR)
    assert one(freeze) == replace(ROW, held=FROZEN, due=NOON + 5 * HOUR)
    leased = replace(ROW, leased=True, due=None)
    assert one(freeze, leased) == replace(leased, held=FROZEN)


def test_thaw_concerns_the_held_alone() -> None:
    thaw = selection.thaw(NOON)
    assert one(thaw) == ROW
    assert one(thaw, replace(ROW, held=AWAITED)) == replace(ROW, due=NOON)


def test_reroute_tries_at_once_unless_somebody_is_held() -> None:
    reroute = selection.reroute("[192.0.2.1]", NOON)
    assert one(reroute) == replace(ROW, via="[192.0.2.1]", due=NOON)
    held = replace(ROW, held=FROZEN)
    assert one(reroute, held) == replace(held, via="[192.0.2.1]")


def test_the_effect_of_a_change_counts_who_is_in_delivery() -> None:
    leased = replace(ROW, leased=True, due=None)
    rows = [ROW, leased, replace(ROW, sender="other@x")]
    assert effect(rows, Selection(sender="app@*"), selection.remove) == ([], [ROW], 1)
    assert effect(rows, Selection(sender="app@*"), selection.retry(NOON)) == ([replace(ROW, due=NOON)], [], 1)
    assert effect([replace(ROW, due=NOON)], Selection(), selection.retry(NOON)) == ([], [], 0)
