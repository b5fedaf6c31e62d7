"""The pages name what exists: files, commands, options. What they say a user may type works."""

import re
import shlex
from pathlib import Path

import pytest

from mailroot.admin.operations import OPERATIONS, Kind
from mailroot.cli.arguments import ACCOUNT_WORDS, DOMAIN_WORDS, parser
from mailroot.mail.events import EVENT_ROWS
from mailroot.settings.declared import declared

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Names of places in the repository, as they stand in the text of a page.
_PLACE = re.compile(r"`((?:src|tests|tools|bench|docs|requirements)/[\w./-]*[\w-]/?|\./check)`")
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_TABLES = ("service", "admin", "general", "access", "messages", "delivery", "pickup", "drop", "domains")
_WORDLESS = {"serve", "check-config", "get", "set", "completion", "smarthost test", "explain", "trace", "top"}


each_page = pytest.mark.parametrize(
    "page", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in PAGES if "_build" not in path.parts]
)


def sources(text: str) -> str:
    """The text without what is shown as printed."""
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


@each_page
def test_links_lead_to_files(page: Path) -> None:
    links = [link for link in _LINK.findall(sources(page.read_text())) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


@each_page
def test_files_that_a_page_names_exist(page: Path) -> None:
    assert [name for name in _PLACE.findall(page.read_text()) if not (ROOT / name).exists()] == []


@each_page
def test_modules_that_a_page_names_exist(page: Path) -> None:
    rings = "mail|wire|settings|policy|routing|queue|edge|service|admin|cli"
    named = re.findall(rf"`((?:{rings})/[a-z]+)`", page.read_text())
    assert [name for name in named if not (ROOT / "src" / "mailroot" / f"{name}.py").exists()] == []


def test_every_command_is_in_the_operators_page() -> None:
    page = "".join((ROOT / "docs" / f"{name}.md").read_text() for name in ("operating", "queue", "administration"))
    for operation in (one for one in OPERATIONS if not one.typed_otherwise):
        words = " ".join(operation.words)
        assert f"`mailroot {words}" in page or f"| `{words}" in page, words
    for word in _WORDLESS:
        assert f"`mailroot {word}" in page, word


def test_every_word_about_accounts_is_in_the_operators_page() -> None:
    page = (ROOT / "docs" / "operating.md").read_text()
    assert [word for word in ACCOUNT_WORDS if f"`mailroot account {word}" not in page] == []


def test_every_word_about_domains_is_in_the_operators_page() -> None:
    page = (ROOT / "docs" / "operating.md").read_text()
    assert [word for word in DOMAIN_WORDS if f"`mailroot domain {word}" not in page] == []


def test_every_argument_of_a_command_is_in_the_operators_page() -> None:
    page = "".join((ROOT / "docs" / f"{name}.md").read_text() for name in ("operating", "queue", "administration"))
    for operation in OPERATIONS:
        for argument in operation.arguments:
            if argument.kind in (Kind.FLAG, Kind.OPTION, Kind.DEMANDED):
                assert f"--{argument.name}" in page


@each_page
def test_commands_that_a_page_shows_are_understood(page: Path) -> None:
    for line in shell_lines(page.read_text()):
        words = shlex.split(line.removeprefix("./mailroot "), comments=True)
        parser().parse_args(words)


def shell_lines(text: str) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("./mailroot ")]


@each_page
def test_options_that_a_page_names_exist(page: Path) -> None:
    named = set(re.findall(rf"`((?:{'|'.join(_TABLES)})\.[A-Za-z_.]*[a-z_])`", page.read_text()))
    known = set()
    for parts in declared():
        inner = parts[2:] if parts[0] == "servers" else parts
        known |= {".".join(inner[:count]) for count in range(1, len(inner) + 1)}
    assert {name.replace("domains.NAME", "domains.*") for name in named} - known == set()


@each_page
def test_events_that_a_page_names_exist(page: Path) -> None:
    named = set(re.findall(r"\b[Tt]he events? `([a-z_]+)`", page.read_text()))
    assert named - {row.name for row in EVENT_ROWS} == set()
