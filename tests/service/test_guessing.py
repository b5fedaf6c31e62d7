"""Attempts to sign in: what is told of them, when a client or an account is held off, and who is not."""

from typing import Any

import pytest

from mailroot.edge.sharedcounts import SharedCounts
from mailroot.edge.sharedrates import RATE_SLOTS, SharedRates
from mailroot.mail.events import EventRow
from mailroot.mail.faults import Unavailable
from mailroot.policy.guesses import REMEMBERED, WINDOW, GuessLimits
from mailroot.policy.verdict import Refuse
from mailroot.service.guessing import Attempt, Guessing
from mailroot.service.questions import Questions
from mailroot.wire.sasl.server import Need
from mailroot.wire.sasl.words import CheckPassword, ContextStep, ContextToken, NtHashOf, ScramKeysOf


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
            waited = self.guessing.failed(Attempt("s1", address, "PLAIN"), user, "wrong")
        return waited

    def succeed(self, address: str, user: str) -> None:
        self.guessing.succeeded(Attempt("s1", address, "PLAIN"), user)


def test_an_address_is_held_off_at_its_limit_and_let_in_later() -> None:
    door = Door()
    door.fail("192.0.2.1", "bob", 4)
    assert door.guessing.may_begin("192.0.2.1") is None
    door.fail("192.0.2.1", "eve")
    assert door.guessing.may_begin("192.0.2.1")
    assert door.guessing.may_begin("192.0.2.2") is None
    door.time += 2 * WINDOW
    assert door.guessing.may_begin("192.0.2.1") is None


def test_an_account_is_held_off_from_everywhere_but_where_it_is_known() -> None:
    door = Door()
    door.succeed("192.0.2.100", "Bob")
    for number in range(8):
        door.fail(f"192.0.2.{number}", "bob")
    assert door.guessing.may_try("192.0.2.200", "BOB")
    assert door.guessing.may_try("192.0.2.100", "bob") is None
    assert door.guessing.may_try("192.0.2.200", "eve") is None


def test_a_broken_program_does_not_lock_out_others_on_its_machine() -> None:
    door = Door()
    door.succeed("127.0.0.1", "web")
    door.fail("127.0.0.1", "broken", 9)
    assert door.guessing.may_begin("127.0.0.1") is None
    assert door.guessing.may_try("127.0.0.1", "web") is None
    assert door.guessing.may_try("127.0.0.1", "broken")


def test_names_that_nobody_has_are_counted_as_any_other() -> None:
    door = Door()
    assert [door.fail("192.0.2.1", "nobody"), door.fail("192.0.2.1", "nobody")] == [0.5, 1.0]
    for number in range(6):
        door.fail(f"198.51.100.{number}", "nobody")
    assert door.guessing.may_try("203.0.113.1", "nobody")


def test_reaching_a_limit_is_told_once() -> None:
    door = Door()
    door.fail("192.0.2.1", "bob", 7)
    assert [name for name, _ in door.told].count("too_many_guesses") == 1
    (fields,) = [fields for name, fields in door.told if name == "too_many_guesses"]
    assert fields["cause"] == "5 failed sign-ins of this address within an hour"


def test_a_long_name_is_cut_in_what_is_told() -> None:
    door = Door()
    door.fail("192.0.2.1", "x" * 1000)
    assert door.told[0][1]["user"] == "x" * 64 + "..."


class Asked:
    """Accounts that note what they are asked."""

    answers = frozenset(Need)

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.closed = 0

    async def check(self, user: str, password: str) -> bool:
        self.asked.append(user)
        return password == "right"

    async def scram_keys(self, user: str) -> Any:
        raise Unavailable("down")

    async def cram_secret(self, user: str) -> bytes | None:
        return None

    async def nt_hash(self, user: str, domain: str) -> bytes | None:
        return domain.encode()

    def context(self, need: Need) -> "Asked":
        assert need is Need.CONTEXT
        return self

    async def step(self, token: bytes) -> ContextToken:
        return ContextToken(token * 2, "bob")

    async def wrap(self, data: bytes) -> bytes:
        return data

    async def unwrap(self, data: bytes) -> bytes:
        return data

    def close(self) -> None:
        self.closed += 1


async def test_questions_are_answered_by_the_accounts() -> None:
    accounts, door = Asked(), Door()
    questions = Questions(accounts, door.guessing, "192.0.2.1", Need.CONTEXT)
    assert await questions.answer(CheckPassword("bob", "right")) is True
    assert questions.user == "bob"
    assert await questions.answer(NtHashOf("eve", "HOME")) == b"HOME"
    with pytest.raises(Unavailable):
        await questions.answer(ScramKeysOf("eve"))
    assert await questions.answer(ContextStep(b"x")) == ContextToken(b"xx", "bob")
    questions.close()
    questions.close()
    assert accounts.closed == 1


async def test_a_refused_guess_never_reaches_the_accounts() -> None:
    accounts, door = Asked(), Door()
    door.fail("192.0.2.1", "bob", 5)
    questions = Questions(accounts, door.guessing, "192.0.2.1", Need.NT_CONTEXT)
    assert isinstance(await questions.answer(CheckPassword("bob", "right")), Refuse)
    assert isinstance(await questions.answer(ContextStep(b"x")), Refuse)
    assert accounts.asked == []
