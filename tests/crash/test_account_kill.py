"""A kill or a fault at any system call of `mailroot account`: the old file or the new one is there, whole."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mailroot.edge.accounts.file import AccountFile

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
_CALLS = ("openat", "write", "fsync", "fchmod", "rename", "renameat", "flock")
_FAR = 3  # how many calls of a kind are tried, counted from the last one back


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a store that has one account."""
    (tmp_path / "mailroot.toml").write_text("[servers.default]\n")
    assert account(tmp_path, [], "add", "first").returncode == 0
    return tmp_path


def account(folder: Path, wrapper: list[str], *words: str) -> "subprocess.CompletedProcess[bytes]":
    command = [*wrapper, sys.executable, "-m", "mailroot", "account", *words, "--config", str(folder / "mailroot.toml")]
    return subprocess.run(command, input=b"sesame\n", capture_output=True, timeout=120, check=False, env=ENVIRONMENT)


def names(folder: Path) -> list[str]:
    """The accounts that are there; a file that is not whole, or open to others, fails here."""
    book, _ = AccountFile(str(folder / "mailroot.accounts")).read()
    return sorted(book.accounts)


def counts(folder: Path, strace: str) -> dict[str, int]:
    """How many calls of each kind adding and removing an account takes."""
    trace = folder / "trace"
    for words in (("remove", "x"), ("add", "x")):
        account(folder, [strace, "-f", "-o", str(trace), "-e", f"trace={','.join(_CALLS)}"], *words)
    text = trace.read_text(errors="replace")
    return {call: sum(f" {call}(" in line for line in text.splitlines()) for call in _CALLS}


@pytest.mark.parametrize("how", ["signal=SIGKILL", "error=ENOSPC", "error=EIO"])
def test_P03_an_account_is_added_whole_or_not_at_all(folder: Path, program: Callable[[str], str], how: str) -> None:
    strace = program("strace")
    seen = set()
    for call, count in counts(folder, strace).items():
        for number in range(max(1, count - _FAR + 1), count + 1):
            account(folder, [], "remove", "x")
            wrapper = [strace, "-f", "-o", "/dev/null", "-e", f"inject={call}:{how}:when={number}"]
            done = account(folder, wrapper, "add", "x")
            found = names(folder)
            assert found in (["first"], ["first", "x"]), (call, number)
            if done.returncode == 0:
                assert found == ["first", "x"], (call, number)
            seen.add(len(found))
            drafts = [path.name for path in folder.iterdir() if path.name.endswith(".new")]
            assert drafts in ([], [".mailroot.accounts.new"])
    assert seen == {1, 2}
    assert account(folder, [], "passwd", "first").returncode == 0
    assert json.loads((folder / "mailroot.accounts").read_text())["version"] == 1
