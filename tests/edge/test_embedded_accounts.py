"""Sign-ins against the embedded store: how much work each one costs, and what is remembered."""

from pathlib import Path
from threading import Event

import pytest

from mailroot.edge.accounts.embedded import EmbeddedAccounts, PasswordCheck, new_account
from mailroot.edge.accounts.file import AccountFile, LiveAccounts
from mailroot.edge.accounts.passwords import NOBODYS, REMEMBERED, PasswordHashes, RightPasswords
from mailroot.edge.boundedpool import BoundedPool
from mailroot.mail.faults import Unavailable
from mailroot.policy.account import Account, KeptKeys
from mailroot.wire.sasl.keys import cram_secret, nt_hash, scram_keys
from mailroot.wire.sasl.server import Need

NO_MORE = KeptKeys()


class Site:
    """A store in a folder, with a clock and a count of the hashes that were made."""

    def __init__(self, folder: Path, kept: KeptKeys = NO_MORE) -> None:
        self.time = 0.0
        self.kept = kept
        self.file = AccountFile(str(folder / "accounts"))
        self.hashes = PasswordHashes()
        self.right = RightPasswords(lambda: self.time, most=3)
        self.shared = PasswordCheck(BoundedPool("passwords", 2, 8, 10.0), self.hashes, self.right)
        self.accounts = EmbeddedAccounts(LiveAccounts(self.file), self.shared, kept, frozenset({"home", "."}))

    def add(self, name: str, password: str = "sesame") -> None:
        account = new_account(name, password, self.kept, self.hashes)
        self.file.change(lambda book: book.added(account))
        self.hashes.made = 0

    async def check(self, name: str, password: str = "sesame") -> tuple[bool, int]:
        """Whether the password is right, and how many hashes it took to tell."""
        before = self.hashes.made
        return await self.accounts.check(name, password), self.hashes.made - before


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    made.add("bob")
    return made


async def test_G08_a_name_that_nobody_has_costs_the_same_hash_as_a_wrong_password(site: Site) -> None:
    for _ in range(2):
        assert await site.check("bob", "wrong") == (False, 1)
        assert await site.check("nobody", "wrong") == (False, 1)
    assert await site.check("bob") == (True, 1)
    assert await site.check("bob", "wrong") == (False, 1)


async def test_G08_the_memory_of_right_passwords_is_searched_for_every_name(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[str] = []
    knows = site.right.knows
    monkeypatch.setattr(site.right, "knows", lambda *words: searched.append(words[1]) or knows(*words))
    for name in ("bob", "nobody"):
        await site.check(name, "wrong")
    assert searched == ["wrong", "wrong"]


def test_the_hash_of_nobody_has_the_parameters_of_all_others() -> None:
    made = PasswordHashes().hash("sesame")
    assert NOBODYS.split("$")[:4] == made.split("$")[:4]
    assert len(NOBODYS) == len(made)


async def test_a_right_password_is_hashed_once_in_a_while(site: Site) -> None:
    assert await site.check("bob") == (True, 1)
    assert await site.check("BOB") == (True, 0)
    site.time = REMEMBERED
    assert await site.check("bob") == (True, 1)


async def test_what_is_remembered_of_one_client_helps_no_other_to_guess(site: Site) -> None:
    made = site.hashes.made
    for client, hashes in (("192.0.2.1", 1), ("192.0.2.1", 1), ("192.0.2.2", 2), ("192.0.2.2", 2)):
        assert await site.accounts.check("bob", "sesame", client)
        assert site.hashes.made - made == hashes


async def test_a_new_password_counts_at_once_and_the_old_one_no_more(site: Site) -> None:
    await site.check("bob")
    site.file.change(lambda book: book.renewed(new_account("bob", "tulip", site.kept, site.hashes)))
    assert (await site.check("bob"))[0] is False
    assert (await site.check("bob", "tulip"))[0] is True


async def test_a_removed_account_is_gone_at_once_and_added_again_it_is_another_one(site: Site) -> None:
    await site.check("bob")
    site.file.change(lambda book: book.without("bob"))
    assert await site.check("bob") == (False, 1)
    site.add("bob", "tulip")
    assert await site.check("bob") == (False, 1)


async def test_only_so_many_are_remembered(site: Site) -> None:
    for name in ("a", "b", "c"):
        site.add(name)
    for name in ("bob", "a", "b", "c"):
        await site.check(name)
    assert await site.check("c") == (True, 0)
    assert await site.check("bob") == (True, 1)


async def test_what_is_remembered_holds_no_password(site: Site) -> None:
    await site.check("bob")
    assert "sesame" not in repr(vars(site.right))
    assert b"sesame" not in b"".join(site.right._known)


async def test_passwords_are_compared_as_they_are_prepared(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.add("m\u00fcller", "gr\u00fc\u00dfe")
    assert (await site.check("mu\u0308ller", "gru\u0308\u00dfe"))[0] is True


async def test_a_domain_of_ours_may_stand_before_the_name(site: Site) -> None:
    assert (await site.check("HOME\\bob"))[0] is True
    assert (await site.check(".\\bob"))[0] is True
    assert (await site.check("THEIRS\\bob"))[0] is False


async def test_keys_are_those_of_the_password_and_only_where_they_are_kept(tmp_path: Path) -> None:
    site = Site(tmp_path, KeptKeys(cram=True, nt=True))
    site.add("bob")
    keys = await site.accounts.scram_keys("bob")
    assert keys == scram_keys("sesame", keys.salt)
    assert await site.accounts.cram_secret("bob") == cram_secret("sesame")
    assert await site.accounts.nt_hash("bob", "") == await site.accounts.nt_hash("bob", "HOME") == nt_hash("sesame")
    assert site.accounts.answers == {Need.PASSWORD, Need.SCRAM, Need.CRAM, Need.NT}


async def test_keys_that_are_there_are_not_used_once_their_mechanism_is_off(tmp_path: Path) -> None:
    Site(tmp_path, KeptKeys(cram=True, nt=True)).add("bob")
    site = Site(tmp_path)
    assert await site.accounts.cram_secret("bob") is None
    assert await site.accounts.nt_hash("bob", "") is None
    assert site.accounts.answers == {Need.PASSWORD, Need.SCRAM}


async def test_made_up_keys_are_always_the_same_for_a_name_and_differ_between_stores(
    site: Site, tmp_path: Path
) -> None:
    first = await site.accounts.scram_keys("nobody")
    assert first == await Site(tmp_path).accounts.scram_keys("NOBODY")
    assert first.salt != (await site.accounts.scram_keys("nobody2")).salt
    (tmp_path / "other").mkdir()
    other = Site(tmp_path / "other")
    other.add("bob")
    assert first != await other.accounts.scram_keys("nobody")


async def test_an_account_without_scram_keys_looks_like_nobody(site: Site) -> None:
    site.file.change(lambda book: book.added(Account("old", NOBODYS)))
    keys = await site.accounts.scram_keys("old")
    assert keys == await site.accounts.scram_keys("old")


async def test_a_store_that_cannot_be_read_is_unavailable_not_empty(site: Site) -> None:
    site.file.path.chmod(0o644)
    with pytest.raises(Unavailable):
        await site.accounts.check("bob", "sesame")
    site.file.path.chmod(0o600)
    site.file.path.write_text("{")
    with pytest.raises(Unavailable):
        await site.accounts.scram_keys("bob")


async def test_more_checks_than_can_wait_are_put_off() -> None:
    go, pool = Event(), BoundedPool("passwords", 1, 2, 0.05)
    for _ in range(2):
        with pytest.raises(Unavailable, match="no answer"):
            await pool.run(go.wait)
    with pytest.raises(Unavailable, match="2 calls are under way"):
        await pool.run(go.wait)
    go.set()
    pool.close()
