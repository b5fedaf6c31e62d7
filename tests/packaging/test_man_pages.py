"""The man pages: without a fault for mandoc, and with every command and every option."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mailroot.cli.arguments import parser
from mailroot.settings.declared import declared
from tests.live.running import PATIENCE, ROOT

# pyproject.toml names what a build needs; who builds without anything else must be able to make the pages.
NEEDED = {"mailroot", "idna"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("man")
    subprocess.run([sys.executable, "tools/man_pages.py", str(made)], cwd=ROOT, check=True, timeout=PATIENCE)
    return made


def text(page: Path) -> str:
    return page.read_text().replace("\\-", "-").replace("\\(aq", "'").replace("\\(ga", "`")


def test_they_are_made_with_what_a_build_has(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, 'tools'); sys.argv[1:] = [sys.argv[1]]; before = set(sys.modules)\n"
        "import man_pages; man_pages.main()\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(*(new - sys.stdlib_module_names - {'man_pages'}))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert set(done.stdout.split()) <= NEEDED
    assert (tmp_path / "mailroot.1").exists()


def test_mandoc_finds_nothing_to_mend(folder: Path, program: Callable[[str], str]) -> None:
    command = [program("mandoc"), "-T", "lint", "-W", "warning", *map(str, sorted(folder.iterdir()))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


def test_mandoc_would_find_a_fault(tmp_path: Path, program: Callable[[str], str]) -> None:
    (tmp_path / "x.1").write_text('.TH "X" "1" "2026-01-01"\n.SH NAME\nx\n.XX unknown\n')
    done = subprocess.run([program("mandoc"), "-T", "lint", "-W", "warning", str(tmp_path / "x.1")], check=False)
    assert done.returncode != 0


def test_every_command_has_its_page_and_is_named_on_the_first(folder: Path) -> None:
    words = [word for action in parser()._actions if action.dest == "command" for word in action.choices or ()]
    assert {path.name for path in folder.glob("*.1")} == {"mailroot.1", *(f"mailroot-{word}.1" for word in words)}
    first = text(folder / "mailroot.1")
    assert [word for word in words if f"\\fB{word}\\fR" not in first] == []


def test_every_argument_stands_with_its_command(folder: Path) -> None:
    for page in folder.glob("mailroot-*.1"):
        said = text(page)
        (command,) = [
            action.choices[page.stem.removeprefix("mailroot-")]
            for action in parser()._actions
            if action.dest == "command"
        ]
        for action in command._actions:
            for option in action.option_strings:
                assert option in said or action.dest in ("help",), (page.name, option)


def test_every_option_of_the_settings_is_told_of_with_its_default(folder: Path) -> None:
    said = text(folder / "mailroot.toml.5")
    assert [found.key for found in declared().values() if f"\\fB{found.key}\\fR" not in said] == []
    assert " ".join(said.split()).count("; default ") == len(declared())
