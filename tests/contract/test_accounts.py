"""What every backend of accounts owes those that sign in (`service.receive.accounts.Accounts`)."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from mailroot.edge.accounts.directory import DirectoryAccounts
from mailroot.edge.accounts.embedded import EmbeddedAccounts, PasswordCheck, new_account
from mailroot.edge.accounts.file import AccountFile, LiveAccounts
from mailroot.edge.accounts.ntlmauth import SambaAccounts
from mailroot.edge.accounts.pam import PamAccounts
from mailroot.edge.accounts.passwords import PasswordHashes, RightPasswords
from mailroot.edge.boundedpool import BoundedPool
from mailroot.policy.account import KeptKeys
from mailroot.routing.directory.entry import Entry
from mailroot.routing.directory.questions import Answer, ByAccount, Question
from mailroot.service.receive.accounts import Accounts
from mailroot.wire.sasl.server import MECHANISMS, Need
from tests.peers.machine import fake_ntlm_auth, pam_service

Opened = Callable[[Path], AbstractAsyncContextManager[Accounts]]


@contextlib.asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[Accounts]:
    """The embedded store with the account "bob" and all its keys."""
    file, hashes, kept = AccountFile(str(folder / "accounts")), PasswordHashes(), KeptKeys(cram=True, nt=True)
    file.change(lambda book: book.added(new_account("bob", "sesame", kept, hashes)))
    pool = BoundedPool("passwords", 2, 64, 10.0)
    try:
        shared = PasswordCheck(pool, hashes, RightPasswords(asyncio.get_running_loop().time))
        yield EmbeddedAccounts(LiveAccounts(file), shared, kept, frozenset({"home"}))
    finally:
        pool.close()


@contextlib.asynccontextmanager
async def pam(folder: Path) -> AsyncIterator[Accounts]:
    """PAM with a rule of its own, by which a script knows "bob"."""
    pool = BoundedPool("PAM", 4, 64, 20.0)
    with pam_service(folder) as service:
        accounts = PamAccounts(pool, "", even_seconds=0.0, service=service)
        try:
            yield accounts
        finally:
            pool.close()


@contextlib.asynccontextmanager
async def samba(folder: Path) -> AsyncIterator[Accounts]:
    """A program that speaks as ntlm_auth does and knows "bob"."""
    accounts = SambaAccounts(str(fake_ntlm_auth(folder)), "", ntlm=True, even_seconds=0.0)
    try:
        yield accounts
    finally:
        await accounts.close()


class AccountsInMemory:
    """A directory that knows "bob" as many directories would: blanks around a name do not count."""

    async def ask(self, question: Question) -> Answer:
        assert isinstance(question, ByAccount)
        return (Entry("cn=bob,dc=x"),) if question.user.strip().lower() == "bob" else ()

    async def admits(self, dn: str, password: str) -> bool:
        return (dn, password) == ("cn=bob,dc=x", "sesame")


@contextlib.asynccontextmanager
async def directory(_folder: Path) -> AsyncIterator[Accounts]:
    """A directory that knows "bob"; tests/live asks a real one."""
    yield DirectoryAccounts(AccountsInMemory(), frozenset({"home"}), even_seconds=0.0)


BACKENDS = [
    pytest.param(directory, id="ldap"),
    pytest.param(embedded, id="embedded"),
    pytest.param(pam, id="pam", marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root makes rules for PAM")),
    pytest.param(samba, id="ntlm_auth"),
]
each_backend = pytest.mark.parametrize("backend", BACKENDS)


@each_backend
async def test_the_right_password_is_right_and_no_other(backend: Opened, tmp_path: Path) -> None:
    async with backend(tmp_path) as accounts:
        assert Need.PASSWORD in accounts.answers
        for _ in range(2):
            assert await accounts.check("bob", "sesame") is True
            assert await accounts.check("bob", "Sesame") is False
            assert await accounts.check("nobody", "sesame") is False
            assert await accounts.check("bob", "") is False


@each_backend
async def test_odd_names_and_passwords_are_nobodys(backend: Opened, tmp_path: Path) -> None:
    async with backend(tmp_path) as accounts:
        for name in ("", " bob", "bob\n", "bob\0", "OTHER\\bob", "\udcff", "x" * 1024, "bob bob", '"bob"', "-bob", "%"):
            assert await accounts.check(name, "sesame") is False, name
        for password in ("sesame\n", "sesame\0", "\udcff", "x" * 1024, " sesame"):
            assert await accounts.check("bob", password) is False, password


@each_backend
async def test_many_checks_at_once_are_all_answered(backend: Opened, tmp_path: Path) -> None:
    async with backend(tmp_path) as accounts:
        checks = (accounts.check("bob", "sesame" if number % 2 else "wrong") for number in range(12))
        assert await asyncio.gather(*checks) == [bool(number % 2) for number in range(12)]


@each_backend
async def test_every_question_that_it_says_it_answers_is_answered(backend: Opened, tmp_path: Path) -> None:
    async with backend(tmp_path) as accounts:
        assert accounts.answers <= {row.needs for row in MECHANISMS}
        if Need.SCRAM in accounts.answers:
            known, unknown = await accounts.scram_keys("bob"), await accounts.scram_keys("nobody")
            assert (known.iterations, len(known.salt)) == (unknown.iterations, len(unknown.salt))
        if Need.CRAM in accounts.answers:
            assert await accounts.cram_secret("bob")
            assert await accounts.cram_secret("nobody") is None
        if Need.NT in accounts.answers:
            assert await accounts.nt_hash("bob", "")
            assert await accounts.nt_hash("nobody", "") is None
            assert await accounts.nt_hash("bob", "ELSEWHERE") is None
