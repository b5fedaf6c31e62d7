"""`mailroot domain`: what it says, and that no change is lost."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mailroot.cli.main import main
from mailroot.edge.settingsfile import SettingsFile
from mailroot.mail.faults import Unavailable
from mailroot.settings.service import Settings
from tests.cli.fakeservice import fake_service

TEXT = """\
[servers.default]   # ours

[servers.default.domains."example.com"]
type = "default"

[servers.default.domains."*.partner.example"]
relay = true
route = ["relay.example", "[192.0.2.1]:26"]
"""
TWO = '[servers.one]\nhome = "1"\n[servers.two]\nhome = "2"\ngeneral.bindings = []\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mailroot.toml"
    path.write_text(TEXT)
    return path


def domain(file: Path, *words: str) -> int:
    return main(["domain", *words, "--config", str(file)])


def test_the_list_says_where_mail_goes_and_which_options_are_not_the_usual(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert domain(file, "list") == 0
    drop = file.parent / "Mailroot" / "Drop"
    assert capsys.readouterr().out.splitlines() == [
        "server\tdomain\ttype\tgoes_to\toptions",
        f"default\texample.com\tdefault\t{drop}\t-",
        "default\t*.partner.example\tremote\trelay.example, [192.0.2.1]:26\trelay=true",
    ]
    assert domain(file, "list", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[1]["options"] == ["relay=true"]


def test_a_change_is_written_and_applied(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = 'servers.default.domains."a.example".type'
    with fake_service(file, lambda *_: {"revision": 2, "applied": [key], "needs_restart": []}) as service:
        assert domain(file, "add", "a.example", "type=alias") == 0
    assert service.asked == [("domain.add", {"name": "a.example", "server": "default", "options": {"type": "alias"}})]
    assert file.read_text() == TEXT  # the service is the one who writes
    assert f"Applied: {key}." in capsys.readouterr().out


def test_a_change_without_a_service_is_written_and_said(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert domain(file, "rename", "example.com", "new.example", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["server"], said["domain"], said["running"]) == ("default", "new.example", False)


def test_what_the_service_cannot_apply_is_taken_back(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mailroot.edge.control import Refused

    with fake_service(file, lambda *_: Refused("no such folder")):
        assert domain(file, "set", "example.com", "drop=/nowhere") == 1
    assert file.read_text() == TEXT
    assert "no such folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["remove", "example.com"], "cannot be removed"),
        (["remove", "x.example"], "no such domain"),
        (["add", "a..b"], "not the name of a domain"),
        (["add", "*.a.example", "type=alias"], "only a remote domain may begin with"),
        (["add", "a.example", "type=default"], "is the default domain already"),
        (["add", "a.example", "drop=x"], "a remote domain has no Drop folder"),
        (["set", "example.com", "relay=true"], "mail for a local domain is not sent on"),
        (["default", "*.partner.example"], "only an alias"),
        (["list", "--server", "nix"], "there are: default"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    file: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert domain(file, *words) == 2
    assert said in capsys.readouterr().err
    assert file.read_text() == TEXT


def test_with_several_servers_the_one_is_named(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(TWO)
    assert domain(file, "add", "a.example") == 2
    assert "name one by --server: one, two" in capsys.readouterr().err
    assert domain(file, "add", "a.example", "--server", "two") == 0
    assert domain(file, "list", "--server", "two") == 0
    assert "two\ta.example\tremote\tMX\t-" in capsys.readouterr().out


def test_without_a_file_one_is_made_of_the_quick_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["domain", "add", "a.example"]) == 0
    loaded = SettingsFile(tmp_path / "mailroot.toml").load()
    assert isinstance(loaded, Settings)
    assert "a.example" in loaded.servers["default"].domains


def test_writers_at_the_same_time_lose_nothing(file: Path) -> None:
    source = Path(__file__).parents[2] / "src"
    names = [f"d{number}.example" for number in range(8)]
    command = [sys.executable, "-m", "mailroot", "domain", "add"]
    running = [subprocess.Popen([*command, name, "--config", str(file)], cwd=source) for name in names]
    assert [one.wait(300) for one in running] == [0] * len(names)
    loaded = SettingsFile(file).load()
    assert isinstance(loaded, Settings)
    assert set(names) <= set(loaded.servers["default"].domains)


def test_a_writer_that_does_not_end_is_not_waited_for_without_end(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailroot.edge.settingsfile._LOCK_SECONDS", 0.1)
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with SettingsFile(file).changing():
            entered.set()
            leave.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    assert entered.wait(60)
    try:
        with pytest.raises(Unavailable, match="another program is changing it"), SettingsFile(file).changing():
            pass
        assert domain(file, "add", "a.example") == 1
        assert file.read_text() == TEXT
    finally:
        leave.set()
        holder.join()
