"""`mailroot account`: with no service about, and what it says and leaves behind."""

import json
import os
import pty
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mailroot.cli.main import main

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mailroot.toml"
    path.write_text("[servers.default]\n")
    return path


def run(file: Path, *words: str, password: str | bytes = "") -> "subprocess.CompletedProcess[bytes]":
    """The command as a user types it."""
    octets = password if isinstance(password, bytes) else password.encode()
    command = [sys.executable, "-m", "mailroot", "account", *words, "--config", str(file)]
    return subprocess.run(command, input=octets, capture_output=True, timeout=120, check=False, env=ENVIRONMENT)


def rows(file: Path) -> list[dict[str, object]]:
    done = run(file, "list", "--json")
    assert done.returncode == 0
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def test_an_account_is_added_listed_changed_and_removed(file: Path) -> None:
    assert run(file, "add", "scanner", password="sesame\n").returncode == 0
    (row,) = rows(file)
    assert row["name"] == "scanner"
    assert row["mechanisms"] == ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"]
    kept = (file.parent / "mailroot.accounts").read_text()
    assert run(file, "passwd", "Scanner", password="tulip\r\n").returncode == 0
    assert (file.parent / "mailroot.accounts").read_text() != kept
    assert [row["name"] for row in rows(file)] == ["scanner"]
    assert run(file, "remove", "SCANNER").returncode == 0
    assert rows(file) == []


def test_who_adds_an_account_that_nobody_lets_in_is_told(file: Path) -> None:
    said = b"no server lets anybody sign in yet: ./mailroot set servers.default.access.basic true"
    assert said in run(file, "add", "scanner", password="sesame\n").stdout
    file.write_text("[servers.default.access]\nbasic = true\n")
    assert b"no server lets" not in run(file, "add", "printer", password="sesame\n").stdout


def test_the_password_is_nowhere_in_clear(file: Path) -> None:
    done = run(file, "add", "scanner", "--json", password="open-sesame\n")
    store = file.parent / "mailroot.accounts"
    assert b"open-sesame" not in done.stdout + done.stderr + store.read_bytes()
    assert stat.S_IMODE(store.stat().st_mode) == 0o600


def test_what_is_there_is_not_added_and_what_is_not_there_not_changed(file: Path) -> None:
    run(file, "add", "a", password="x\n")
    for words in (("add", "A"), ("passwd", "b"), ("remove", "b")):
        done = run(file, *words, password="y\n")
        assert done.returncode == 1
        assert b"there is" in done.stderr


@pytest.mark.parametrize("password", [b"", b"\n", b"\xff\n", b"a\x00b\n", b"x" * 20_000])
def test_passwords_that_cannot_be_are_refused(file: Path, password: bytes) -> None:
    done = run(file, "add", "a", password=password)
    assert done.returncode == 2
    assert b"nothing was changed" in done.stderr
    assert not (file.parent / "mailroot.accounts").exists()


@pytest.mark.parametrize("name", ["", "a\\b", "a%b", " a", "x" * 300])
def test_names_that_cannot_be_are_refused(file: Path, name: str) -> None:
    assert run(file, "add", name, password="x\n").returncode == 2


def test_a_hostile_name_is_shown_harmless(file: Path) -> None:
    assert b"\x1b" not in run(file, "remove", "a\x1b[31m").stderr


def test_keys_are_kept_for_what_the_settings_switch_on(file: Path) -> None:
    run(file, "add", "before", password="x\n")
    file.write_text("[servers.default.access]\nbasic = true\ncram_md5 = true\nintegrated = true\n")
    run(file, "add", "after", password="x\n")
    missing = {row["name"]: row["missing"] for row in rows(file)}
    assert missing == {"after": [], "before": ["NTLM", "CRAM-MD5"]}


def test_servers_with_accounts_of_their_own_are_told_apart(file: Path) -> None:
    file.write_text(
        '[servers.a]\nhome = "A"\ngeneral.bindings = ["127.0.0.1:2601"]\naccess.account_file = "a.accounts"\n'
        '[servers.b]\nhome = "B"\ngeneral.bindings = ["127.0.0.1:2602"]\n'
        '[servers.c]\nhome = "C"\ngeneral.bindings = ["127.0.0.1:2603"]\naccess.accounts = "pam"\n'
    )
    done = run(file, "add", "x", password="x\n")
    assert (done.returncode, b"--server a or b" in done.stderr) == (2, True)
    assert run(file, "add", "x", "--server", "a", password="x\n").returncode == 0
    assert (file.parent / "a.accounts").exists()
    assert not (file.parent / "mailroot.accounts").exists()
    done = run(file, "list", "--server", "c")
    assert (done.returncode, b'is "pam"' in done.stderr) == (2, True)
    assert run(file, "list", "--server", "d").returncode == 2


def test_faulty_settings_are_told_and_nothing_is_done(file: Path) -> None:
    file.write_text("[service]\nworker = 1\n")
    done = run(file, "add", "a", password="x\n")
    assert done.returncode == 2
    assert b"did you mean service.workers" in done.stderr


def test_without_a_settings_file_the_accounts_are_those_of_the_quick_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["account", "list"]) == 0
    assert capsys.readouterr().out == "name\tmechanisms\tmissing\n"


@pytest.mark.parametrize(
    ("access", "key", "said"),
    [
        ("basic = true", "account_file", "chmod 600"),
        ("basic = true\naccounts = 'ntlm_auth'\nntlm_auth = '/nowhere'", "ntlm_auth", "winbind"),
        ("integrated = true\nkeytab = '/nowhere'", "keytab", "readable"),
    ],
)
def test_check_config_looks_at_the_accounts(
    file: Path, access: str, key: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(f"[servers.default.access]\n{access}\n")
    if key == "account_file":
        assert main(["check-config", str(file)]) == 0
        store = file.parent / "mailroot.accounts"
        store.write_text("{}")
        store.chmod(0o644)
    capsys.readouterr()
    assert main(["check-config", str(file)]) == 2
    told = capsys.readouterr().err
    assert f"servers.default.access.{key} = " in told
    assert said in told


def typed(file: Path, *lines: str) -> tuple[int, str]:
    """The command at a terminal: its exit code, and all that the terminal showed."""
    command = [sys.executable, "-m", "mailroot", "account", "add", "a", "--config", str(file)]
    child, terminal = pty.fork()
    if not child:
        os.execve(sys.executable, command, ENVIRONMENT)
    shown = b""
    waiting = list(lines)
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # the terminal of a program that has ended
            break
        if not piece:
            break
        shown += piece
        if waiting and piece.rstrip().endswith(b":"):
            os.write(terminal, waiting.pop(0).encode() + b"\n")
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), shown.decode()


def test_at_a_terminal_the_password_is_typed_twice_and_not_shown(file: Path) -> None:
    code, shown = typed(file, "sesame", "sesame")
    assert (code, "sesame" in shown) == (0, False)
    assert [row["name"] for row in rows(file)] == ["a"]


def test_at_a_terminal_two_passwords_that_differ_change_nothing(file: Path) -> None:
    code, shown = typed(file, "sesame", "tulip")
    assert (code, "differ" in shown) == (2, True)
    assert rows(file) == []
