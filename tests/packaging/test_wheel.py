"""The wheel: the same octets each time, with all that belongs into it; installed, it runs a message through."""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.crash.test_store_upgrade import ENTRIES, old_queue
from tests.live.running import PATIENCE, ROOT, SETTINGS, Service, free_port, until

WHOLE = (
    "src",
    "tools",
    "packaging",
    "pyproject.toml",
    "setup.py",
    "MANIFEST.in",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
)
WITHOUT_US = {
    name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LISTEN_", "NOTIFY_"))
}


def built(folder: Path) -> Path:
    """A wheel of a copy of the repository; no index is asked."""
    source = folder / "source"
    source.mkdir(parents=True)
    for name in WHOLE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(ROOT / name, source / name)
    for path in source.rglob("*"):
        os.utime(path)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*command, "--wheel-dir", str(folder), str(source)],
        env={**WITHOUT_US, "SOURCE_DATE_EPOCH": "1800000000"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel alone; what it needs is looked up in the environment of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=PATIENCE)
    command = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"]
    subprocess.run([*command, "--no-deps", "--no-index", str(wheel)], env=WITHOUT_US, check=True, timeout=600)
    (packages,) = folder.glob("lib/python3*/site-packages")
    (packages / "needed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder


def run(installed: Path, *words: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    command = [str(installed / "bin" / "mailroot"), *words]
    return subprocess.run(
        command, cwd=cwd, env=WITHOUT_US, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def service(installed: Path, folder: Path, settings: str = "") -> Service:
    """A service that the installed program runs, whatever Python the tests are run by."""
    port = free_port()
    text = (settings or SETTINGS).format(port=port, workers=2)
    exchanged = ["sh", "-c", 'shift; unset PYTHONPATH; exec "$0" "$@"', str(installed / "bin" / "mailroot")]
    return Service(folder, text, port, wrapper=exchanged, program=[])


def test_a_build_can_be_repeated_to_the_octet(wheel: Path, tmp_path: Path) -> None:
    again = built(tmp_path)
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(again) as other:
        assert one.namelist() == other.namelist()
        assert [name for name in one.namelist() if one.read(name) != other.read(name)] == []
    assert hashlib.sha256(wheel.read_bytes()).digest() == hashlib.sha256(again.read_bytes()).digest()


def test_every_file_of_the_package_is_in_it(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        str(path.relative_to(ROOT / "src"))
        for path in (ROOT / "src" / "mailroot").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted - inside == set()


def test_it_has_man_pages_and_what_systemd_needs(installed: Path) -> None:
    share = installed / "share"
    assert {"mailroot.1", "mailroot-queue.1", "mailroot-serve.1"} <= {path.name for path in share.glob("man/man1/*")}
    assert [path.name for path in share.glob("man/man5/*")] == ["mailroot.toml.5"]
    ours = {path.relative_to(ROOT / "packaging/systemd") for path in (ROOT / "packaging/systemd").rglob("*.*")}
    found = {str(path.relative_to(share / "mailroot")) for path in (share / "mailroot").rglob("*") if path.is_file()}
    assert {path.name for path in ours if path.suffix != ".d"} == {Path(name).name for name in found}


def test_what_it_asks_for_is_what_is_pinned(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as one:
        (name,) = [name for name in one.namelist() if name.endswith(".dist-info/METADATA")]
        lines = one.read(name).decode().splitlines()
    asked = [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]
    pinned = (ROOT / "requirements" / "run.txt").read_text()
    for requirement in asked:
        if "extra ==" not in requirement:
            name = requirement.split(";")[0].split(">")[0].split("[")[0].strip()
            assert f"\n{name}==" in pinned, name
    assert {line.split()[-1] for line in lines if line.startswith("Provides-Extra")} >= {"kerberos", "odbc"}


def test_the_installed_program_runs_a_message_through(installed: Path, tmp_path: Path) -> None:
    made = service(installed, tmp_path)
    try:
        made.start()
        made.send()
        until(made.dropped, "the message in Drop")
        shown = run(installed, "status", "--config", str(made.file), cwd=tmp_path)
        assert shown.returncode == 0, shown.stderr
        assert made.process is not None
        assert str(installed) in Path(f"/proc/{made.process.pid}/cmdline").read_text()
    finally:
        assert made.stop() == 0


def test_the_installed_package_stands_alone(installed: Path, tmp_path: Path) -> None:
    code = "import mailroot, sys; print(mailroot.__file__)"
    python = str(installed / "bin" / "python")
    done = subprocess.run(
        [python, "-c", code], cwd=tmp_path, env=WITHOUT_US, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(str(installed))
    assert run(installed, "--version", cwd=tmp_path).stdout.startswith("mailroot ")


def test_an_upgrade_finds_the_queue_and_the_settings_of_the_version_before(installed: Path, tmp_path: Path) -> None:
    old_queue(tmp_path / "Mailroot")
    earlier = Path(__file__).with_name("settings-0.1.toml")
    checked = run(installed, "check-config", str(earlier), cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    patient = 'fqdn = "mail.local.test"\nsmart_host = "[127.0.0.1]:1"\nexpiration = "9999d"\n'
    made = service(installed, tmp_path, SETTINGS.replace('fqdn = "mail.local.test"\n', patient))
    waiting = 3 + 2 * (ENTRIES - 1)
    for _ in range(2):  # and it starts again with what it made of them
        made.start()
        try:
            until(lambda: len(made.ask("queue", "list")) == waiting, "what waited in the older version's queue")
            made.send()
        finally:
            assert made.stop() == 0
    until(lambda: len(made.dropped()) == 2, "new mail beside it")
