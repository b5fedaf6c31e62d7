"""Samba's ntlm_auth as a child: its protocols, and what becomes of one that hangs, dies or babbles."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mailroot.edge.accounts.ntlmauth import Programs, SambaAccounts, SambaContext
from mailroot.mail.faults import Unavailable
from mailroot.wire.sasl.server import Need
from mailroot.wire.sasl.words import ContextFailed, ContextToken
from tests.peers.machine import fake_ntlm_auth


def started(folder: Path) -> int:
    """How many of the programs were started so far."""
    return (folder / "asked").read_text().count("started")


@pytest.fixture
async def programs(tmp_path: Path) -> AsyncIterator[Programs]:
    made = Programs(str(fake_ntlm_auth(tmp_path)), "squid-2.5-ntlmssp", most=2, patience=5.0)
    yield made
    await made.close()


@pytest.fixture
async def accounts(tmp_path: Path) -> AsyncIterator[SambaAccounts]:
    made = SambaAccounts(str(fake_ntlm_auth(tmp_path)), "HOME", ntlm=True, even_seconds=0.0)
    made._passwords._patience = 5.0
    yield made
    await made.close()


async def test_one_process_serves_one_sign_in_after_another(accounts: SambaAccounts, tmp_path: Path) -> None:
    for password in ("sesame", "wrong", "sesame"):
        assert await accounts.check("bob", password) is (password == "sesame")
    assert started(tmp_path) == 1


async def test_names_and_passwords_may_have_any_signs(accounts: SambaAccounts) -> None:
    for text in ("a b", "a%20b", "a\nOK", "\u00fc", "a\\b", '"'):
        assert await accounts.check(text, "sesame") is False
        assert await accounts.check("bob", text) is False
    assert await accounts.check("bob", "sesame") is True


@pytest.mark.parametrize("name", ["hang", "die", "babble"])
async def test_a_process_that_fails_is_replaced_and_says_nothing_of_the_password(tmp_path: Path, name: str) -> None:
    accounts = SambaAccounts(str(fake_ntlm_auth(tmp_path)), "", ntlm=True, even_seconds=0.0)
    accounts._passwords._patience = 5.0
    for _ in range(10):  # more than there is room for
        with pytest.raises(Unavailable) as fault:
            await accounts.check(name, "sesame")
        assert "sesame" not in str(fault.value)
        if name == "hang":
            break
    assert await accounts.check("bob", "sesame") is True
    await accounts.close()


async def test_a_program_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    accounts = SambaAccounts(str(tmp_path / "none"), "", ntlm=False)
    with pytest.raises(Unavailable, match="winbind"):
        await accounts.check("bob", "sesame")
    assert accounts.answers == {Need.PASSWORD}


async def test_tokens_go_to_one_process_and_the_user_comes_back(programs: Programs, tmp_path: Path) -> None:
    for _ in range(3):
        context = SambaContext(programs, 0.0)
        assert await context.step(b"negotiate") == ContextToken(b"challenge of negotiate")
        assert await context.step(b"right") == ContextToken(b"", "HOME\\bob")
        context.close()
    assert started(tmp_path) == 1


async def test_two_exchanges_at_once_do_not_meet(programs: Programs) -> None:
    one, other = SambaContext(programs, 0.0), SambaContext(programs, 0.0)
    assert await one.step(b"1") == ContextToken(b"challenge of 1")
    assert await other.step(b"2") == ContextToken(b"challenge of 2")
    assert isinstance(await other.step(b"wrong"), ContextFailed)
    assert await one.step(b"right") == ContextToken(b"", "HOME\\bob")


@pytest.mark.parametrize("token", [b"wrong", b"guest", b"nonsense", b""])
async def test_what_is_not_right_never_signs_in(programs: Programs, token: bytes) -> None:
    context = SambaContext(programs, 0.0)
    await context.step(b"negotiate")
    assert isinstance(await context.step(token), ContextFailed)
    assert isinstance(await context.step(b"right"), ContextFailed)
    context.close()


@pytest.mark.parametrize("token", [b"broken", b"hang"])
async def test_a_domain_that_does_not_answer_is_unavailable(programs: Programs, token: bytes) -> None:
    context = SambaContext(programs, 0.0)
    await context.step(b"negotiate")
    with pytest.raises(Unavailable):
        await context.step(token)
    context.close()


async def test_a_client_that_leaves_in_the_middle_takes_no_place(programs: Programs) -> None:
    for _ in range(5):
        context = SambaContext(programs, 0.0)
        await context.step(b"negotiate")
        context.close()
        context.close()
    context = SambaContext(programs, 0.0)
    assert await context.step(b"x") == ContextToken(b"challenge of x")
    context.close()


async def test_who_finds_all_busy_waits_and_then_gives_up(programs: Programs) -> None:
    busy = [SambaContext(programs, 0.0) for _ in range(2)]
    for context in busy:
        await context.step(b"x")
    with pytest.raises(Unavailable, match="busy"):
        await SambaContext(programs, 0.0).step(b"x")
    last = SambaContext(programs, 0.0)
    waiting = asyncio.ensure_future(last.step(b"y"))
    await asyncio.sleep(0)
    busy[0].close()
    assert await waiting == ContextToken(b"challenge of y")
    busy[1].close()
    last.close()


async def test_a_context_seals_nothing(programs: Programs) -> None:
    context = SambaContext(programs, 0.0)
    assert isinstance(await context.wrap(b"x"), ContextFailed)
    assert isinstance(await context.unwrap(b"x"), ContextFailed)
