"""Attempts to sign in: what is told of them, when a client or an account is held off, and who is not."""

from typing import Any

import pytest

from mailroot.edge.sharedcounts import SharedCounts
from mailroot.edge.sharedrates import RATE_SLOTS, SharedRates
from mailroot.mail.events import EventRow
from mailroot.policy.guesses import REMEMBERED, WINDOW, GuessLimits
from mailroot.service.receive.guessing import Guessing


class Door:
    """Guessing with a clock and a list of what was told."""

    def __init__(self, per_address: int = 5, per_account: int = 8) -> None:
        self.time = 10_000.0
        self.told: list[tuple[str, dict[str, Any]]] = []
        counts = SharedCounts(1, 2 * RATE_SLOTS)
        failures = SharedRates(counts, 0, 0, WINDOW, lambda: self.time)
        successes = SharedRates(counts, 0, RATE_SLOTS, REMEMBERED, lambda: self.time)
        self.guessing = Guessing("default", GuessLimits(per_address, per_account), failures, successes, self.emit)

    def emit(self, row: EventRow, **fields: object) -> None:
        assert set(row.fields) == set(fields)
        self.told.append((row.name, fields))

    def fail(self, address: str, user: str, times: int = 1) -> float:
        for _ in range(times):
            waited = self.guessing.failed(address, user)
        return waited

    def succeed(self, address: str, user: str) -> None:
        self.guessing.succeeded(address, user)


def test_an_address_is_held_off_at_its_limit_and_let_in_later() -> None:
    door = Door()
    door.fail("192.0.2.1", "bob", 4)
    assert door.guessing.refusal("192.0.2.1") is None
    door.fail("192.0.2.1", "eve")
    assert door.guessing.refusal("192.0.2.1")
    assert door.guessing.refusal("192.0.2.2") is None
    door.time += 2 * WINDOW
    assert door.guessing.refusal("192.0.2.1") is None


def test_an_account_is_held_off_from_everywhere_but_where_it_is_known() -> None:
    door = Door()
    door.succeed("192.0.2.100", "Bob")
    for number in range(8):
        door.fail(f"192.0.2.{number}", "bob")
    assert door.guessing.refusal("192.0.2.200", "BOB")
    assert door.guessing.refusal("192.0.2.100", "bob") is None
    assert door.guessing.refusal("192.0.2.200", "eve") is None


def test_a_broken_program_does_not_lock_out_others_on_its_machine() -> None:
    door = Door()
    door.succeed("127.0.0.1", "web")
    door.fail("127.0.0.1", "broken", 9)
    assert door.guessing.refusal("127.0.0.1") is None
    assert door.guessing.refusal("127.0.0.1", "web") is None
    assert door.guessing.refusal("127.0.0.1", "broken")


def test_who_knows_an_account_may_not_guess_at_it_without_end() -> None:
    """Others may share the address: the colleagues behind one router."""
    door = Door()
    door.succeed("192.0.2.1", "bob")
    door.fail("192.0.2.1", "bob", 79)
    assert door.guessing.refusal("192.0.2.1", "bob") is None
    door.fail("192.0.2.1", "bob")
    assert door.guessing.refusal("192.0.2.1", "bob")
    assert door.guessing.refusal("192.0.2.1") is None


@pytest.mark.parametrize("spelling", ["bob", "HOME\\bob", "mail.home.test\\Bob", ".\\bob"])
def test_an_account_is_the_same_with_whatever_domain_it_is_written(spelling: str) -> None:
    door = Door()
    for number, name in enumerate(("bob", "home\\bob", ".\\bob", "MAIL\\bob") * 2):
        door.fail(f"192.0.2.{number}", name)
    assert door.guessing.refusal("192.0.2.200", spelling)
    door.succeed("192.0.2.201", "HOME\\bob")
    assert door.guessing.refusal("192.0.2.201", spelling) is None


def test_names_that_nobody_has_are_counted_as_any_other() -> None:
    door = Door()
    assert [door.fail("192.0.2.1", "nobody"), door.fail("192.0.2.1", "nobody")] == [0.5, 1.0]
    for number in range(6):
        door.fail(f"198.51.100.{number}", "nobody")
    assert door.guessing.refusal("203.0.113.1", "nobody")


def test_reaching_a_limit_is_told_once() -> None:
    door = Door()
    door.fail("192.0.2.1", "bob", 7)
    ((name, fields),) = door.told
    assert name == "too_many_guesses"
    assert fields["cause"] == "5 failed sign-ins of this address within an hour"


def test_a_long_name_is_cut_in_what_is_told() -> None:
    door = Door()
    door.fail("192.0.2.1", "x" * 1000, 5)
    assert door.told[0][1]["user"] == "x" * 64 + "..."
