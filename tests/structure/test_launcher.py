"""The launcher: one installation, found again, repeated when interrupted, and clear words when it cannot be made."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = (
    "mailroot",
    "check",
    ".ci/run",
    "bench/run",
    "tools/environment.sh",
    "tools/install-debian",
    "tools/unpack-debian",
)
# Stands for Python: makes a "virtual environment" with itself inside, and writes down what pip was asked for.
FAKE_PYTHON = """#!/bin/sh
case "$*" in
    "-m venv"*) for folder; do :; done; mkdir -p "$folder/bin"; cp "$0" "$folder/bin/python" ;;
    "-m pip"*) echo "pip speaks"; echo "pip $*" >>"$LOG"; exit "${PIP_FAILS:-0}" ;;
    "-m mailroot"*) echo "mailroot $PYTHONPATH $PWD $*${MAILROOT_CONFIG:+ with $MAILROOT_CONFIG}" ;;
    *flock*) exec "$REAL_PYTHON" "$@" ;;
    *ensurepip*) exit "${NO_VENV:-0}" ;;
    *version_info*) exit "${TOO_OLD:-0}" ;;
esac
"""


class Clone:
    """A tree with the launcher and a Python that only writes down what it is asked."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a clone"
        (self.root / "tools").mkdir(parents=True)
        (self.root / "requirements").mkdir()
        shutil.copy2(ROOT / "mailroot", self.root)
        shutil.copy2(ROOT / "tools/environment.sh", self.root / "tools")
        self.requirements = self.root / "requirements/run.txt"
        self.requirements.write_text("first==1\n")
        self.programs = folder / "programs"
        self.programs.mkdir()
        python = self.programs / "python3"
        python.write_text(FAKE_PYTHON)
        python.chmod(0o755)
        self.log = folder / "log"
        self.environment = {
            "PATH": f"{self.programs}:/usr/bin:/bin",
            "REAL_PYTHON": sys.executable,
            "LOG": str(self.log),
            "MAILROOT_PYTHON": str(python),
            "MAILROOT_SYSTEM_PYTHON": "",
        }

    def start(self, *arguments: str, launcher: Path | None = None, **environment: str) -> subprocess.Popen:
        return subprocess.Popen(
            [launcher or self.root / "mailroot", *arguments],
            env=self.environment | environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **options) -> tuple[int, str, str]:
        launched = self.start(*arguments, **options)
        out, err = launched.communicate(timeout=300)
        return launched.returncode, out, err

    def installations(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0


@pytest.fixture
def clone(tmp_path):
    return Clone(tmp_path)


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_sound_posix_shell(script):
    if not (ROOT / script).read_text().startswith(("#!/bin/sh", "# Sourced")):
        pytest.skip("not a shell script")
    assert subprocess.run(["sh", "-n", ROOT / script], check=False, stdin=subprocess.DEVNULL).returncode == 0


@pytest.mark.parametrize("script", [name for name in SCRIPTS if name != "tools/environment.sh"])
def test_scripts_are_executable(script):
    assert (ROOT / script).stat().st_mode & stat.S_IXUSR


def test_the_first_call_installs_with_hashes_and_becomes_mailroot(clone):
    code, out, err = clone.run("serve", "--config", "a file")
    assert code == 0
    assert out == f"mailroot {clone.root}/src / -m mailroot serve --config a file\n"
    assert "pip speaks" in err
    assert "--require-hashes -r" in clone.log.read_text()


def test_a_second_call_does_not_ask_pip(clone):
    clone.run()
    code, out, err = clone.run("status")
    assert (code, out.endswith("status\n"), err) == (0, True, "")
    assert clone.installations() == 1


def test_changed_requirements_are_installed(clone):
    clone.run()
    clone.requirements.write_text("first==2\n")
    clone.run()
    clone.run()
    assert clone.installations() == 2


def test_an_interrupted_installation_is_redone(clone):
    code, out, err = clone.run(PIP_FAILS="1")
    assert (code, out) == (69, "")
    assert "repeated at the next call" in err
    assert clone.run()[0] == 0
    assert clone.installations() == 2


def test_two_first_calls_at_once_install_once(clone):
    both = [clone.start("status"), clone.start("status")]
    assert [launched.communicate(timeout=300)[0].count("mailroot") > 0 for launched in both] == [True, True]
    assert [launched.returncode for launched in both] == [0, 0]
    assert clone.installations() == 1


def test_it_works_through_a_symlink(clone, tmp_path):
    link = tmp_path / "linked"
    link.symlink_to(clone.root / "mailroot")
    code, out, _ = clone.run("status", launcher=link)
    assert code == 0
    assert f"{clone.root}/src" in out


@pytest.mark.parametrize("name", ["sendmail", "mailq"])
def test_a_link_by_the_name_of_sendmail_is_sendmail_with_the_settings_beside_the_launcher(clone, tmp_path, name):
    link = tmp_path / name
    link.symlink_to(clone.root / "mailroot")
    assert clone.run("-t", "-i", launcher=link)[1].endswith(f"-m mailroot {name} -t -i\n")
    settings = clone.root / "mailroot.toml"
    settings.touch()
    assert clone.run("-t", launcher=link)[1].endswith(f"-m mailroot {name} -t with {settings}\n")
    assert clone.run("-t", launcher=link, MAILROOT_CONFIG="/other")[1].endswith("-t with /other\n")


def test_without_a_new_enough_python_it_names_the_mend(clone):
    for name in ("python3.11", "python3.12", "python3.13", "python3.14"):
        shutil.copy2(clone.programs / "python3", clone.programs / name)
    code, out, err = clone.run(TOO_OLD="1")
    assert (code, out) == (69, "")
    assert "no Python 3.11 or newer" in err
    assert "apt-get install" in err


def test_without_ensurepip_it_names_the_mend(clone):
    code, out, err = clone.run(NO_VENV="1")
    assert (code, out) == (69, "")
    assert "apt-get install python3-venv" in err


def test_the_service_does_not_keep_the_lock(clone):
    (clone.programs / "python3").write_text(FAKE_PYTHON.replace('echo "mailroot', 'ls -l /proc/$$/fd; echo "mailroot'))
    _, out, _ = clone.run()
    assert out
    assert ".venv.lock" not in out


def test_this_python_would_be_accepted():
    script = f'. "{ROOT}/tools/environment.sh"; find_python'
    environment = os.environ | {"MAILROOT_PYTHON": sys.executable}
    found = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert found.stdout == f"{sys.executable}\n"
