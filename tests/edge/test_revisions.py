"""Revisions on disk: private, bounded, and none that a fault leaves half."""

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailroot.edge import revisions as module
from mailroot.edge.revisions import Revisions
from mailroot.mail.by import By
from mailroot.mail.faults import Fault, Misconfigured
from mailroot.settings.revision import Revision


def revision(number: int, text: str = "x") -> Revision:
    return Revision(number, datetime(2026, 1, 1, tzinfo=UTC), By("ann"), "settings.change", (), text)


@pytest.fixture
def kept(tmp_path: Path) -> Revisions:
    return Revisions(tmp_path / "mailroot.toml")


def test_what_is_kept_is_read_again_and_nobody_else_can(kept: Revisions) -> None:
    assert kept.numbers() == []
    kept.add(revision(1))
    kept.add(revision(12, "ö"))
    assert kept.numbers() == [1, 12]
    assert kept.read(12) == revision(12, "ö")
    assert kept.latest(1) == [revision(12, "ö")]
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (kept.folder, *kept.folder.iterdir())]
    assert modes == [0o700, 0o600, 0o600]


def test_the_oldest_go_when_there_are_too_many(kept: Revisions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_REVISIONS", 3)
    for number in range(1, 6):
        kept.add(revision(number))
    assert kept.numbers() == [3, 4, 5]


def test_the_oldest_go_when_they_are_too_large(kept: Revisions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_OCTETS", 5_000)
    for number in range(1, 4):
        kept.add(revision(number, "x" * 2_000))
    assert kept.numbers() == [2, 3]
    kept.add(revision(4, "x" * 9_000))
    assert kept.numbers() == [4]  # the newest stays, however large


def test_one_that_is_damaged_is_said_and_left_out(kept: Revisions) -> None:
    kept.add(revision(1))
    kept.add(revision(2))
    (kept.folder / "00000002.json").write_text('{"revision": 2}')
    with pytest.raises(Misconfigured, match="move the file away"):
        kept.read(2)
    assert kept.latest() == [revision(1)]
    with pytest.raises(Misconfigured, match="no revision 9"):
        kept.read(9)


def test_one_that_cannot_be_written_leaves_nothing(kept: Revisions, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Fault, match="No space left"):
        kept.add(revision(1))
    assert not kept.folder.exists()


def test_one_that_is_taken_back_was_never_there(kept: Revisions) -> None:
    kept.add(revision(1))
    kept.take_back(1)
    assert not kept.folder.exists()
