"""The pages name what exists: files, commands, options. What they say a user may type works."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailroot.admin.operations import OPERATIONS, Kind
from mailroot.cli.arguments import parser
from mailroot.settings.declared import declared

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Names of places in the repository, as they stand in the text of a page.
_PLACE = re.compile(r"`((?:src|tests|tools|bench|docs|requirements)/[\w./-]*[\w-]/?|\./check)`")
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_DERIVED = {"settings.md", "events.md", "attack-cases.md"}
_WORDLESS = {"serve", "check-config", "get", "set", "completion"}


def pages() -> Iterator[object]:
    return (pytest.param(path, id=str(path.relative_to(ROOT))) for path in PAGES if "_build" not in path.parts)


def sources(text: str) -> str:
    """The text without what is shown as printed."""
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("page", pages())
def test_links_lead_to_files(page: Path) -> None:
    links = [link for link in _LINK.findall(sources(page.read_text())) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", pages())
def test_files_that_a_page_names_exist(page: Path) -> None:
    assert [name for name in _PLACE.findall(page.read_text()) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", pages())
def test_modules_that_a_page_names_exist(page: Path) -> None:
    rings = "mail|wire|settings|policy|routing|queue|edge|service|admin|cli"
    named = re.findall(rf"`((?:{rings})/[a-z]+)`", page.read_text())
    assert [name for name in named if not (ROOT / "src" / "mailroot" / f"{name}.py").exists()] == []


def test_every_command_is_in_the_operators_page() -> None:
    page = (ROOT / "docs" / "operating.md").read_text()
    for operation in OPERATIONS:
        words = " ".join(("mailroot", *operation.words))
        assert f"`{words}" in page, words
    for word in _WORDLESS:
        assert f"`mailroot {word}" in page, word


def test_every_argument_of_a_command_is_in_the_operators_page() -> None:
    page = (ROOT / "docs" / "operating.md").read_text()
    for operation in OPERATIONS:
        for argument in operation.arguments:
            if argument.kind is Kind.FLAG:
                assert f"--{argument.name}" in page


@pytest.mark.parametrize("page", pages())
def test_commands_that_a_page_shows_are_understood(page: Path) -> None:
    for line in shell_lines(page.read_text()):
        words = line.removeprefix("./mailroot ").split("#")[0].split()
        parser().parse_args(words)


def shell_lines(text: str) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("./mailroot ")]


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in _DERIVED])
def test_options_that_a_page_names_exist(page: Path) -> None:
    known = set(declared())
    named = re.findall(r"`((?:service|admin|general|access|messages|delivery|pickup|drop)\.[a-z_.]+)`", page.read_text())
    ends = {key.split("*.", 1)[-1] for key in known} | known
    tables = {end.rpartition(".")[0] for end in ends}
    assert [name for name in named if name not in ends | tables] == []


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "operating.md", ROOT / "docs" / "guarantees.md"])
def test_events_that_a_page_names_exist(page: Path) -> None:
    known = (ROOT / "docs" / "events.md").read_text()
    named = re.findall(r"event `([a-z_]+)`", page.read_text())
    assert [name for name in named if f"| `{name}` |" not in known] == []
