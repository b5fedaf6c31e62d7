"""What ships for systemd, judged by systemd's own programs; none of it is started."""

import configparser
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mailroot.cli.arguments import parser
from tests.live.running import PATIENCE, ROOT

UNITS = ROOT / "packaging" / "systemd"
EXPOSED = 20  # tenths, of 100: systemd calls it "OK"; a unit without any of this has 96

Program = Callable[[str], str]


def checked(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def units(tmp_path: Path) -> list[str]:
    """The units, with a program that is here in place of the installed one."""
    service = (UNITS / "mailroot.service").read_text().splitlines()
    changed = [f"ExecStart={sys.executable} serve" if line.startswith("ExecStart=") else line for line in service]
    (tmp_path / "mailroot.service").write_text("\n".join(changed) + "\n")
    shutil.copy(UNITS / "mailroot.socket", tmp_path)
    return [str(path) for path in sorted(tmp_path.iterdir())]


def options(name: str) -> configparser.ConfigParser:
    read = configparser.ConfigParser(strict=False, interpolation=None)
    read.optionxform = str  # type: ignore[assignment, method-assign]
    read.read(UNITS / name)
    return read


def test_systemd_understands_every_line(units: list[str], program: Program) -> None:
    assert checked(program("systemd-analyze"), "verify", "--man=no", *units) == ""


def test_systemd_finds_little_that_it_could_do_beyond_its_work(units: list[str], program: Program) -> None:
    service = next(unit for unit in units if unit.endswith(".service"))
    checked(program("systemd-analyze"), "security", "--offline=true", f"--threshold={EXPOSED}", "--no-pager", service)


def test_its_command_is_one_of_ours() -> None:
    program, *words = options("mailroot.service")["Service"]["ExecStart"].split()
    assert program.endswith("/bin/mailroot")
    assert parser().parse_args(words).command == "serve"


def test_the_account_and_the_folder_are_those_that_are_made(tmp_path: Path, program: Program) -> None:
    service = options("mailroot.service")["Service"]
    folder = f"/var/lib/{service['StateDirectory']}"
    assert service["WorkingDirectory"] == folder
    (tmp_path / "etc").mkdir()
    checked(program("systemd-sysusers"), f"--root={tmp_path}", str(UNITS / "sysusers.d" / "mailroot.conf"))
    (line,) = [line for line in (tmp_path / "etc/passwd").read_text().splitlines() if line.startswith("mailroot:")]
    assert line.split(":")[0] == service["User"] == service["Group"]
    assert line.split(":")[5] == folder
    assert line.endswith("nologin")


def test_the_folder_is_made_for_the_account_alone(program: Program) -> None:
    (line,) = [line for line in (UNITS / "tmpfiles.d" / "mailroot.conf").read_text().splitlines() if line[0] != "#"]
    service = options("mailroot.service")["Service"]
    assert line.split() == ["d", "/var/lib/mailroot", service["StateDirectoryMode"], "mailroot", "mailroot", "-"]
