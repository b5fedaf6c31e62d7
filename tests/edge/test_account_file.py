"""The file of accounts on a real file system: private, whole, and seen anew when it changes."""

import fcntl
import os
import stat
from pathlib import Path

import pytest

from mailroot.edge.accounts.file import AccountFile, LiveAccounts
from mailroot.edge.files import privatefile as accountfile
from mailroot.mail.faults import DiskFull, Misconfigured, Unavailable
from mailroot.policy.account import Account, AccountBook

HASH = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"


@pytest.fixture
def file(tmp_path: Path) -> AccountFile:
    return AccountFile(str(tmp_path / "accounts"))


def add(file: AccountFile, name: str) -> None:
    file.change(lambda book: book.added(Account(name, HASH)))


def names(file: AccountFile) -> list[str]:
    return sorted(account.name for account in file.read()[0].accounts.values())


def test_no_file_is_no_accounts(file: AccountFile) -> None:
    assert names(file) == []
    assert not file.path.exists()


def test_what_is_changed_is_there_and_readable_by_its_owner_only(file: AccountFile) -> None:
    old = os.umask(0)
    try:
        add(file, "a")
        add(file, "b")
    finally:
        os.umask(old)
    assert names(file) == ["a", "b"]
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert [path.name for path in file.path.parent.iterdir()] == ["accounts"]


def test_the_secret_of_a_store_stays(file: AccountFile) -> None:
    add(file, "a")
    secret = file.read()[0].secret
    add(file, "b")
    assert file.read()[0].secret == secret


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_that_others_may_open_is_refused(file: AccountFile, mode: int) -> None:
    add(file, "a")
    file.path.chmod(mode)
    with pytest.raises(Misconfigured, match="chmod 600"):
        file.read()
    with pytest.raises(Misconfigured):
        add(file, "b")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_a_stranger_is_refused_and_one_of_the_service_is_not(tmp_path: Path) -> None:
    file = AccountFile(str(tmp_path / "accounts"), "nobody")
    add(file, "a")
    assert file.path.stat().st_uid == accountfile.account_of("nobody")[0]
    assert names(file) == ["a"]
    with pytest.raises(Misconfigured, match="another account"):
        AccountFile(str(file.path)).read()


def test_a_link_or_a_pipe_in_its_place_is_refused(file: AccountFile, tmp_path: Path) -> None:
    add(file, "a")
    link = tmp_path / "link"
    link.symlink_to(file.path)
    with pytest.raises((Misconfigured, Unavailable)):
        AccountFile(str(link)).read()
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(Misconfigured, match="not a file"):
        AccountFile(str(tmp_path / "pipe")).read()


def test_a_damaged_file_is_refused_and_left_alone(file: AccountFile) -> None:
    add(file, "a")
    file.path.write_text("{")
    with pytest.raises(Misconfigured, match="no JSON"):
        add(file, "b")
    assert file.path.read_text() == "{"


def test_a_change_that_fails_changes_nothing(file: AccountFile) -> None:
    add(file, "a")
    before = file.path.read_bytes()
    with pytest.raises(LookupError):
        add(file, "A")
    assert file.path.read_bytes() == before


@pytest.mark.parametrize("call", ["fsync", "rename", "fchmod"])
def test_a_disk_that_fails_leaves_the_old_file(file: AccountFile, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    add(file, "a")
    before = file.path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(accountfile.os, call, full)
        with pytest.raises(DiskFull):
            add(file, "b")
    assert file.path.read_bytes() == before
    assert [path.name for path in file.path.parent.iterdir()] == ["accounts"]
    add(file, "b")
    assert names(file) == ["a", "b"]


def test_a_draft_that_was_left_is_in_nobodys_way(file: AccountFile) -> None:
    file.path.with_name(".accounts.new").write_text("half")
    add(file, "a")
    assert names(file) == ["a"]


def test_who_waits_for_another_program_does_not_wait_for_ever(
    file: AccountFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accountfile, "_LOCK_SECONDS", 0.05)
    descriptor = os.open(file.path.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(Unavailable, match="another program"):
            add(file, "a")
    finally:
        os.close(descriptor)
    add(file, "a")


def test_live_accounts_see_every_change(file: AccountFile) -> None:
    live = LiveAccounts(file)
    assert live.current is None
    empty = live.read()
    assert live.current is empty
    assert live.read().secret == empty.secret
    add(file, "a")
    assert live.current is None
    assert live.read().find("a") is not None
    file.path.unlink()
    assert live.current is None
    assert live.read().find("a") is None


def test_live_accounts_that_cannot_be_read_are_unavailable(file: AccountFile) -> None:
    add(file, "a")
    live = LiveAccounts(file)
    live.read()
    file.path.chmod(0o644)
    assert live.current is None
    with pytest.raises(Unavailable):
        live.read()


def test_a_large_store_is_read_in_fair_time(file: AccountFile) -> None:
    accounts = {f"user{number}": Account(f"user{number}", HASH) for number in range(2000)}
    file.change(lambda book: AccountBook(book.secret, accounts))
    assert len(names(file)) == 2000
