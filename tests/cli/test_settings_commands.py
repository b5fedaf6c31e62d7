"""Commands about the settings file, and the start."""

import io
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mailroot.cli.commands import first_steps
from mailroot.cli.main import main
from mailroot.edge.settingsfile import SettingsFile
from mailroot.settings.problem import Problems
from mailroot.settings.quickstart import quick_start
from mailroot.settings.service import Settings
from tests.cli.fakeservice import fake_service

TEXT = '# ours\n[servers.default.messages]\nsize_limit = "1MB" # small\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mailroot.toml"
    path.write_text(TEXT)
    return path


def test_check_config_of_a_sound_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", str(file)]) == 0
    assert "no problems" in capsys.readouterr().out


def test_check_config_names_file_line_key_and_mend_of_every_problem(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text('[service]\nworker = 1\nqueue = "x"\n')
    assert main(["check-config", str(file)]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == f"{file}: line 2: service.worker: unknown key; did you mean service.workers?"
    assert second.startswith(f'{file}: line 3: service.queue = "x": A queue on PostgreSQL is not built yet')


def test_check_config_in_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("[service]\nworker = 1\n")
    assert main(["check-config", "--json", str(file)]) == 2
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert (problem["path"], problem["line"]) == ("service.worker", 2)


@pytest.mark.parametrize("octets", [b"\xff\xfe", b"[a", b'x = "\x01"'])
def test_a_file_that_is_no_settings_file_is_refused(file: Path, octets: bytes) -> None:
    file.write_bytes(octets)
    assert main(["check-config", str(file)]) == 2


def test_a_file_that_is_not_there_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", str(tmp_path / "no.toml")]) == 2
    assert "no.toml" in capsys.readouterr().err
    assert main(["serve", "--config", str(tmp_path / "no.toml")]) == 2


def test_get_shows_what_the_file_says_and_else_the_default(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["get", "servers.default.messages.size_limit", "--config", str(file)]) == 0
    assert main(["get", "servers.default.messages.session_limit", "--config", str(file)]) == 0
    assert main(["get", "servers.default.general.bindings", "--config", str(file), "--json"]) == 0
    assert capsys.readouterr().out.splitlines() == ["1MB", "10240KB", '["0.0.0.0:25"]']


def test_get_of_an_unknown_key_names_the_nearest(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["get", "servers.default.messages.size_limt", "--config", str(file)]) == 2
    assert "did you mean servers.default.messages.size_limit?" in capsys.readouterr().err


def test_set_keeps_comments_owner_and_mode_and_asks_the_service_to_apply(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.chmod(0o640)
    result = {"revision": 2, "applied": ["servers.default.messages.size_limit"], "needs_restart": ["service.workers"]}
    with fake_service(file, lambda *_: result) as service:
        assert main(["set", "servers.default.messages.size_limit", "2MB", "--config", str(file)]) == 0
    assert service.asked == [("settings.change", {"values": {"servers.default.messages.size_limit": "2MB"}})]
    assert file.read_text() == TEXT  # the service is the one who writes
    said = capsys.readouterr().out
    assert "Applied: servers.default.messages.size_limit." in said
    assert "after a restart of the service: service.workers." in said
    assert main(["set", "servers.default.messages.size_limit", "2MB", "--config", str(file)]) == 0
    assert file.read_text() == TEXT.replace("1MB", "2MB")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_set_without_a_service_says_so(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["set", "service.workers", "2", "--config", str(file)]) == 0
    assert "No service runs" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["servers.default.messages.size_limit", "99MB"], ["service.workers", "many"], ["service.queue", "x"]]
)
def test_set_of_what_is_not_sound_changes_nothing(file: Path, words: list[str]) -> None:
    assert main(["set", *words, "--config", str(file)]) == 2
    assert file.read_text() == TEXT
    assert [path.name for path in file.parent.iterdir()] == ["mailroot.toml"]


def test_set_says_what_cannot_be_used_beside_what_it_changed(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    security = "servers.default.delivery.security"
    assert main(["set", f"{security}.ca_file", "none.pem", "--config", str(file)]) == 0
    assert capsys.readouterr().err == ""  # nobody's certificate is checked
    assert main(["set", f"{security}.tls", "verify", "--config", str(file)]) == 0
    said = f"But: {security}.ca_file: {file.parent / 'none.pem'}: no such file or directory; name a file"
    assert capsys.readouterr().err.startswith(said)
    assert main(["check-config", str(file)]) == 2
    assert f"{security}.ca_file" in capsys.readouterr().err


def test_a_key_without_its_server_is_named_with_it(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["set", "access.tls", "require", "--config", str(file)]) == 2
    assert "did you mean servers.default.access.tls?" in capsys.readouterr().err
    file.write_text("[access]\nbasic = true\n")
    assert main(["check-config", str(file)]) == 2
    assert "did you mean servers.default.access?" in capsys.readouterr().err


def test_set_through_a_symbolic_link_keeps_the_link(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(file)
    assert main(["set", "service.workers", "2", "--config", str(link)]) == 0
    assert link.is_symlink()
    assert "workers = 2" in file.read_text()


def test_set_without_a_file_makes_one_of_the_quick_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["set", "service.workers", "2"]) == 0
    made = tmp_path / "mailroot.toml"
    assert 'bindings = ["127.0.0.1:2525"]' in made.read_text()
    assert stat.S_IMODE(made.stat().st_mode) == 0o600


def test_a_write_that_fails_leaves_the_old_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert main(["set", "service.workers", "2", "--config", str(file)]) == 1
    assert file.read_text() == TEXT
    assert [path.name for path in file.parent.iterdir()] == ["mailroot.toml"]


def test_a_password_in_a_file_for_everybody_is_refused(file: Path) -> None:
    file.write_text('[servers.default.delivery.security]\npassword = "x"\n')
    file.chmod(0o644)
    loaded = SettingsFile(file).load()
    assert isinstance(loaded, Problems)
    assert "chmod 600" in str(loaded)
    file.chmod(0o600)
    assert isinstance(SettingsFile(file).load(), Settings)


def test_every_reload_has_a_higher_revision_and_a_faulty_file_has_none(file: Path) -> None:
    settings = SettingsFile(file)
    first = settings.load()
    file.write_text("nonsense")
    assert isinstance(settings.load(), Problems)
    file.write_text(TEXT)
    second = settings.load()
    assert isinstance(first, Settings)
    assert isinstance(second, Settings)
    assert (first.revision, second.revision) == (1, 2)


def test_relative_folders_belong_to_the_file_and_not_to_the_caller(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    loaded = SettingsFile(file).load()
    assert isinstance(loaded, Settings)
    assert loaded.servers["default"].home == str(file.parent / "Mailroot")


def test_the_first_steps_can_be_pasted(tmp_path: Path) -> None:
    said = first_steps(quick_start(str(tmp_path), "box.example"))
    (pickup,) = [line for line in said.splitlines() if "printf" in line]
    (tmp_path / "Mailroot" / "Pickup").mkdir(parents=True)
    subprocess.run(["sh", "-c", pickup], check=True, timeout=120)
    written = (tmp_path / "Mailroot" / "Pickup" / "first.eml").read_bytes()
    assert written.startswith(b"x-sender: app@box.example\r\nx-receiver: you@box.example\r\nSubject: ")
    assert b"\r\n\r\nHello.\r\n" in written
    (smtp,) = [line.strip() for line in said.splitlines() if "smtplib" in line]
    compile(smtp.removeprefix("python3 -c '").removesuffix("'"), "line", "exec")
    assert '("127.0.0.1", 2525)' in smtp
    assert "http://127.0.0.1:8025/" in said and str(tmp_path / "Operators.setup") in said


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_knows_the_commands(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert "check-config" in capsys.readouterr().out


def test_a_wrong_word_is_a_mistake_in_the_command() -> None:
    with pytest.raises(SystemExit) as caught:
        main(["serv"])
    assert caught.value.code == 2


def test_help_imports_nothing_heavy() -> None:
    code = "\n".join(
        [
            "import sys",
            "from mailroot.cli.main import main",
            "try: main(['--help'])",
            "except SystemExit: pass",
            "heavy = {'pydantic', 'rich', 'asyncio', 'shtab', 'tomlkit', 'uvloop', 'dns'}",
            "sys.exit(' '.join(heavy & set(sys.modules)))",
        ]
    )
    source = Path(__file__).parents[2] / "src"
    ended = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, timeout=120, check=False)
    assert ended.stderr.strip() == b""


def test_a_secret_is_set_from_standard_input(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file.chmod(0o600)
    monkeypatch.setattr("sys.stdin", io.StringIO("s3cret = [x]\n"))
    key = "servers.default.delivery.security.password"
    assert main(["set", key, "-", "--config", str(file)]) == 0
    loaded = SettingsFile(file).load()
    assert isinstance(loaded, Settings) and loaded.servers["default"].delivery.security.password == "s3cret = [x]"
    assert main(["get", key, "--config", str(file)]) == 0
    assert "s3cret" not in capsys.readouterr().out


def test_a_word_too_many_shows_the_usage_of_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["account", "add", "scanner", "beyond"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: mailroot account add ")
