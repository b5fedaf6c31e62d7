"""`mailroot config`: a copy of a configuration, without a service on either side."""

import json
import stat
from pathlib import Path

import pytest

from mailroot.cli.main import main

TEXT = """\
# ours
[servers.default]
home = "Mailroot"
general.bindings = ["127.0.0.1:2525"]
delivery.smart_host = "relay.example"

[servers.default.delivery.security]
authentication = "basic"
username = "me"
password = "hush-hush"
"""
PASSWORD = "servers.default.delivery.security.password"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "old" / "mailroot.toml"
    path.parent.mkdir()
    path.write_text(TEXT)
    path.chmod(0o600)
    return path


def test_a_copy_is_private_and_takes_no_other_files_place(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = file.parent / "copy.toml"
    assert main(["config", "export", str(copy), "--config", str(file)]) == 0
    assert f"left out: {PASSWORD}" in capsys.readouterr().out
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert "hush" not in copy.read_text()
    assert main(["config", "export", str(copy), "--config", str(file)]) == 2
    assert main(["config", "export", str(copy), "--secrets", "--force", "--config", str(file)]) == 0
    assert "hush-hush" in copy.read_text()
    capsys.readouterr()
    assert main(["config", "export", "--secrets", "--config", str(file)]) == 2
    said = capsys.readouterr()
    assert "hush" not in said.out + said.err
    assert main(["config", "export", "--config", str(file)]) == 0
    assert "hush" not in capsys.readouterr().out


def test_a_copy_is_taken_by_another_machine(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy, new = tmp_path / "copy.toml", tmp_path / "new" / "mailroot.toml"
    new.parent.mkdir()
    main(["config", "export", str(copy), "--config", str(file)])
    capsys.readouterr()
    assert main(["config", "import", str(copy), "--config", str(new)]) == 2
    assert "To be looked at" in (said := capsys.readouterr()).out
    assert "no password" in said.err or "password" in said.err
    assert not new.exists()
    words = ["config", "import", str(copy), "--adapt", f"{PASSWORD}=$RELAY_PASSWORD", "--config", str(new)]
    assert main([*words, "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["written"] is False
    assert [row["path"] for row in told["adapted"]] == [PASSWORD]
    assert not new.exists()


def test_an_import_without_what_is_missing_is_made_and_is_a_revision(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELAY_PASSWORD", "x")
    copy, new = tmp_path / "copy.toml", tmp_path / "new" / "mailroot.toml"
    new.parent.mkdir()
    main(["config", "export", str(copy), "--config", str(file)])
    words = ["config", "import", str(copy), "--adapt", f"{PASSWORD}=$RELAY_PASSWORD", "--config", str(new)]
    assert main(words) == 0
    assert new.read_text().startswith("# ours\n")
    assert 'password = "$RELAY_PASSWORD"' in new.read_text()
    assert stat.S_IMODE(new.stat().st_mode) == 0o600
    before = new.read_text()
    assert main(words) == 2
    assert "say --force" in capsys.readouterr().err
    assert main([*words, "--force", "--adapt", "service.workers=2"]) == 0
    assert "workers = 2" in new.read_text()
    revisions = sorted((new.parent / ".mailroot.toml.revisions").iterdir())
    assert json.loads(revisions[-2].read_text())["text"] == before


@pytest.mark.parametrize("typed", ["x", "=1", "nothing.such=1"])
def test_what_is_none_of_the_options_is_refused(file: Path, tmp_path: Path, typed: str) -> None:
    new = tmp_path / "mailroot.toml"
    assert main(["config", "import", str(file), "--adapt", typed, "--config", str(new)]) == 2
    assert not new.exists()


def test_what_cannot_be_read_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = str(tmp_path / "mailroot.toml")
    assert main(["config", "import", str(tmp_path / "none"), "--config", new]) == 2
    (tmp_path / "odd").write_bytes(b"\xff\xfe")
    assert main(["config", "import", str(tmp_path / "odd"), "--config", new]) == 2
    (tmp_path / "no.toml").write_text("= 1")
    assert main(["config", "import", str(tmp_path / "no.toml"), "--config", new]) == 2
    assert "is not UTF-8" in capsys.readouterr().err
