"""The ledger: each change is a revision, and nobody's newer change is undone."""

from pathlib import Path

import pytest

from mailroot.edge.settingsfile import SettingsFile
from mailroot.mail.by import By
from mailroot.mail.faults import Conflict, Fault, Misconfigured
from mailroot.service.configure.edits import edit_of
from mailroot.service.configure.ledger import Draft, Ledger
from mailroot.settings.problem import Problems, Unsound
from mailroot.settings.service import Settings

TEXT = '# mine\n[servers.default]\nhome = "Mailroot"\n'
SIZE, SESSION = "servers.default.messages.size_limit", "servers.default.messages.session_limit"
ANN, BOB = By("ann", "console"), By("bob", "rest")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    file = tmp_path / "mailroot.toml"
    file.write_text(TEXT)
    return Ledger(SettingsFile(file))


def change(ledger: Ledger, by: By, base: int | None = None, **values: object) -> Draft:
    names = {"size": SIZE, "session": SESSION, "workers": "service.workers"}
    wanted = {names[name]: value for name, value in values.items()}
    draft = ledger.draft(edit_of("settings.change", {"values": wanted}), by, "settings.change", base)
    ledger.write(draft)
    return draft


def authors(ledger: Ledger) -> list[tuple[int, str, list[str]]]:
    return [(one.number, one.by.name, [c.path for c in one.changes]) for one in ledger.revisions.latest()]


def test_what_is_read_is_a_revision_and_the_same_text_stays_one(ledger: Ledger) -> None:
    first, again = ledger.load(), ledger.load()
    assert isinstance(first, Settings)
    assert isinstance(again, Settings)
    assert first.revision == again.revision == 1
    assert Ledger(ledger.file).load() == again  # another process finds the same number


def test_every_change_has_its_author_and_its_difference(ledger: Ledger) -> None:
    ledger.load()
    assert change(ledger, ANN, size="3MB").settings.revision == 2
    ledger.file.path.write_text(ledger.file.text() + "[service]\nworkers = 250\n")
    assert isinstance(ledger.load(By("carl", "file")), Settings)
    change(ledger, BOB, session="50MB")
    assert authors(ledger) == [
        (1, "somebody with an editor", []),
        (2, "ann", [SIZE]),
        (3, "carl", ["service.workers"]),
        (4, "bob", [SESSION]),
    ]
    assert ledger.file.text().startswith("# mine\n")


def test_what_an_editor_wrote_unseen_is_recorded_before_the_next_change(ledger: Ledger) -> None:
    ledger.load()
    ledger.file.path.write_text(TEXT + "[service]\nworkers = 250\n")
    change(ledger, ANN, size="3MB")
    assert authors(ledger)[1:] == [(2, "somebody with an editor", ["service.workers"]), (3, "ann", [SIZE])]
    with pytest.raises(Conflict, match=r"service.workers: .* by somebody with an editor"):
        change(ledger, BOB, 1, workers=4)


def test_a_newer_change_of_the_same_option_is_not_undone(ledger: Ledger) -> None:
    ledger.load()
    change(ledger, ANN, 1, size="3MB")
    text = ledger.file.text()
    with pytest.raises(Conflict, match="in revision 2, by ann at"):
        change(ledger, BOB, 1, size="4MB", session="50MB")
    assert ledger.file.text() == text
    assert change(ledger, BOB, 1, session="50MB").settings.revision == 3
    assert change(ledger, BOB, 3, size="4MB").settings.revision == 4


@pytest.mark.parametrize("base", [9, 0])
def test_a_revision_that_never_was_is_no_base(ledger: Ledger, base: int) -> None:
    ledger.load()
    with pytest.raises(Misconfigured, match="there is no revision"):
        change(ledger, ANN, base, size="3MB")


def test_a_base_that_is_not_remembered_is_a_conflict(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailroot.edge.revisions.MOST_REVISIONS", 2)
    ledger.load()
    for size in ("3MB", "4MB", "5MB"):
        change(ledger, ANN, size=size)
    with pytest.raises(Conflict, match="not remembered"):
        change(ledger, BOB, 1, session="50MB")


def test_what_is_not_sound_as_a_whole_changes_nothing(ledger: Ledger) -> None:
    ledger.load()
    with pytest.raises(Unsound) as refused:
        change(ledger, ANN, size="20MB")  # beyond the session's limit
    assert [row["path"] for row in refused.value.problems.rows()]
    assert ledger.file.text() == TEXT
    assert change(ledger, ANN, size="20MB", session="40MB").settings.revision == 2


def test_a_change_to_what_is_so_already_is_no_revision(ledger: Ledger) -> None:
    ledger.load()
    change(ledger, ANN, size="3MB")
    assert change(ledger, BOB, size="3MB").revisions == ()
    assert ledger.number == 2


def test_a_change_that_is_put_back_was_never_there(ledger: Ledger) -> None:
    ledger.load()
    draft = change(ledger, ANN, size="3MB")
    ledger.put_back(draft)
    assert ledger.file.text() == TEXT
    assert change(ledger, BOB, size="4MB").settings.revision == 2
    assert authors(ledger)[1:] == [(2, "bob", [SIZE])]


def test_without_a_file_one_is_made_and_taken_away_again(tmp_path: Path) -> None:
    ledger = Ledger(SettingsFile(tmp_path / "mailroot.toml", quick_start=True))
    assert isinstance(ledger.load(), Settings)
    assert [*tmp_path.iterdir()] == []
    draft = change(ledger, ANN, size="3MB")
    assert authors(ledger)[-1] == (2, "ann", [SIZE])
    ledger.put_back(draft)
    assert not ledger.file.path.exists()


def test_a_record_that_cannot_be_written_hinders_a_change_but_not_a_start(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    ledger = Ledger(SettingsFile(tmp_path / "mailroot.toml"), told.append)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mailroot.edge.revisions.os.fsync", full)
    loaded = ledger.load()
    assert isinstance(loaded, Settings)
    assert "was not recorded" in told[0]
    with pytest.raises(Fault, match="No space left"):
        change(ledger, ANN, size="3MB")
    assert ledger.file.text() == TEXT


def test_a_faulty_file_is_mended_by_a_change(ledger: Ledger) -> None:
    ledger.load()
    ledger.file.path.write_text(TEXT + '[servers.default.messages]\nsize_limit = "soon"\n')
    assert isinstance(ledger.load(), Problems)
    change(ledger, ANN, size="3MB")
    assert authors(ledger)[-1][1:] == ("ann", [SIZE])
