"""Folders of messages as operators look at them: pages of any folder, and no way out of it."""

import os
from pathlib import Path

import pytest

from mailroot.edge.files import browsing
from mailroot.edge.files.browsing import Wanted, page
from mailroot.mail.faults import Misconfigured


def names(folder: Path, **wanted: object) -> list[list[str]]:
    """The names of all pages."""
    found, after = [], ""
    while True:
        one = page(str(folder), Wanted(after=after, **wanted))  # type: ignore[arg-type]
        found.append([file.name for file in one.files])
        after = one.next
        if not after:
            return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    for number in range(25):
        path = made / f"m{number:02}.eml"
        path.write_bytes(b"x" * number)
        os.utime(path, (1_000 + (number * 7) % 25, 1_000 + (number * 7) % 25))
    (made / ".hidden.eml").write_bytes(b"")
    (made / "inner").mkdir()
    (made / "link.eml").symlink_to("/etc/passwd")
    os.mkfifo(made / "pipe.eml")
    return made


@pytest.mark.parametrize("limit", [1, 4, 25, 100])
def test_every_file_is_on_one_page(folder: Path, limit: int) -> None:
    everybody = [f"m{number:02}.eml" for number in range(25)]
    assert [name for one in names(folder, limit=limit) for name in one] == everybody
    newest = [name for one in names(folder, limit=limit, newest=True) for name in one]
    assert newest == sorted(everybody, key=lambda name: (-(folder / name).stat().st_mtime, name))


def test_files_are_chosen_by_ending_and_text(folder: Path) -> None:
    (folder / "A.BAD").write_bytes(b"")
    assert names(folder, limit=9, ending=".bad") == [["A.BAD"]]
    assert names(folder, limit=9, text="M07") == [["m07.eml"]]
    found = page(str(folder), Wanted(limit=3))
    assert (found.total, found.whole, len(found.files)) == (26, True, 3)
    assert page(str(folder / "nothing"), Wanted(limit=3)) == browsing.Page((), "", 0, True)


def test_a_look_that_takes_too_long_says_how_far_it_came(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browsing, "_SECONDS", -1.0)
    for number in range(600):
        (folder / f"n{number}").write_bytes(b"")
    found = page(str(folder), Wanted(limit=3))
    assert found.total == 512 and not found.whole and found.files


@pytest.mark.parametrize(
    "name",
    (
        *("", ".", "..", "../outside", "/etc/passwd", "inner/x", "inner", "link.eml", "pipe.eml", ".hidden.eml"),
        *("a\0b", "x" * 300, "nothing.eml"),
    ),
)
def test_a_name_leads_to_a_file_of_the_folder_alone(folder: Path, name: str) -> None:
    (folder.parent / "outside").write_text("secret")
    with pytest.raises(Misconfigured), browsing.opened(str(folder), name):
        pass


def test_pieces_of_a_file(folder: Path) -> None:
    with browsing.opened(str(folder), "m20.eml") as (descriptor, status):
        assert status.st_size == 20
        assert [len(browsing.piece(descriptor, offset, 8)) for offset in (0, 8, 16, 24)] == [8, 8, 4, 0]


def test_a_cursor_that_is_none_is_refused(folder: Path) -> None:
    with pytest.raises(Misconfigured, match="no cursor"):
        page(str(folder), Wanted(limit=3, after="nonsense"))


def test_files_are_removed_and_counted(folder: Path) -> None:
    assert browsing.remove(str(folder), ["m00.eml", "m01.eml", "nothing"]) == 2
    assert not (folder / "m00.eml").exists()
    with pytest.raises(Misconfigured):
        browsing.remove(str(folder), ["../outside"])
