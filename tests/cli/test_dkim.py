"""`mailroot dkim`: keys are made and put into the settings, never shown; records are printed for DNS."""

import json
import re
import stat
from pathlib import Path

import pytest

from mailroot.cli.main import main
from mailroot.edge.settingsfile import SettingsFile
from mailroot.edge.signingkeys import read
from mailroot.settings.service import Settings

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mailroot.toml").write_text('# ours\n[servers.default.domains."ours.example"]\ntype = "default"\n')
    (tmp_path / "mailroot.toml").chmod(0o600)
    return tmp_path


def keys(folder: Path, domain: str = "ours.example", server: str = "default"):
    settings = SettingsFile(folder / "mailroot.toml").load()
    assert isinstance(settings, Settings), settings
    return settings.servers[server].domains[domain].dkim


def listed(capsys: Capture) -> list[dict[str, str]]:
    capsys.readouterr()
    main(["dkim", "list", "--json"])
    rows: list[dict[str, str]] = json.loads(capsys.readouterr().out)
    return rows


@pytest.mark.parametrize("algorithm", ["rsa", "ed25519"])
def test_a_new_key_is_private_signs_at_once_and_its_record_is_printed(folder: Path, capsys: Capture, algorithm) -> None:
    assert main(["dkim", "new", "Ours.Example", "--algorithm", algorithm]) == 0
    said = capsys.readouterr().out
    ((selector, key),) = keys(folder).items()
    path = folder / "Dkim" / f"ours.example.{selector}.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert re.fullmatch(r"[re]20\d{4}", selector) and "PRIVATE" not in said
    assert f"{selector}._domainkey.ours.example. IN TXT" in said and f"k={algorithm};" in said
    assert key.active_from is None and read(key.key).algorithm == f"{algorithm}-sha256"
    assert "# ours" in (folder / "mailroot.toml").read_text()
    assert [row["state"] for row in listed(capsys)] == ["signs"]


def test_the_successor_waits_until_its_record_has_spread_and_then_relieves(folder: Path, capsys: Capture) -> None:
    for more in ([], [], ["--selector", "now", "--after", "0s"], ["--algorithm", "ed25519"]):
        assert main(["dkim", "new", "ours.example", *more]) == 0
    states = {row["selector"][:3] + row["selector"][7:]: row["state"] for row in listed(capsys)}
    assert states == {"r20": "rests", "r20b": "waits", "now": "signs", "e20": "signs"}


def test_records_are_printed_again(folder: Path, capsys: Capture) -> None:
    main(["dkim", "new", "ours.example", "--selector", "one"])
    main(["dkim", "new", "ours.example", "--selector", "two"])
    capsys.readouterr()
    assert main(["dkim", "record", "ours.example"]) == 0
    assert [line.split(".")[0] for line in capsys.readouterr().out.splitlines()] == ["one", "two"]
    assert main(["dkim", "record", "ours.example", "--selector", "two", "--json"]) == 0
    (line,) = json.loads(capsys.readouterr().out)
    assert "".join(re.findall(r'"([^"]*)"', line)) == read(keys(folder)["two"].key).record


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["new", "*.ours.example"], "not the name of a domain"),
        (["new", "ours.example", "--selector", "a b"], "name in DNS"),
        (["new", "ours.example", "--after", "soon"], "a duration"),
        (["new", "ours.example", "--server", "other"], "--server"),
        (["record", "ours.example"], "no such key"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_nothing(folder: Path, capsys: Capture, words, says) -> None:
    before = (folder / "mailroot.toml").read_text()
    assert main(["dkim", *words]) == 2
    assert says in capsys.readouterr().err
    assert (folder / "mailroot.toml").read_text() == before
    assert not (folder / "Dkim").exists() or not list((folder / "Dkim").iterdir())


def test_a_selector_is_not_given_twice(folder: Path, capsys: Capture) -> None:
    main(["dkim", "new", "ours.example", "--selector", "s"])
    first = keys(folder)["s"].key
    assert main(["dkim", "new", "ours.example", "--selector", "s"]) == 2
    assert keys(folder)["s"].key == first


def test_a_domain_that_is_served_elsewhere_can_be_signed_for(folder: Path) -> None:
    assert main(["dkim", "new", "elsewhere.example", "--selector", "s"]) == 0
    assert read(keys(folder, "elsewhere.example")["s"].key)


def test_a_broken_key_is_named_by_the_list_and_by_check_config(folder: Path, capsys: Capture) -> None:
    main(["dkim", "new", "ours.example", "--selector", "s"])
    (folder / "Dkim" / "ours.example.s.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    capsys.readouterr()
    assert main(["dkim", "list"]) == 1 and "no private key" in capsys.readouterr().out
    assert main(["check-config"]) == 2
    assert 'dkim.s.key_file = "Dkim/ours.example.s.pem"' in capsys.readouterr().err
