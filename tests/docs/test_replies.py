"""`docs/replies.md` is derived from the tables. `PYTHONPATH=src:. python tests/docs/test_replies.py` writes it anew."""

import re
from collections.abc import Iterator
from pathlib import Path

from mailroot.mail.reply import REPLY_ROWS
from mailroot.wire.extensions import MAIL_PARAMETERS, RCPT_PARAMETERS, Terms, hello_keywords
from mailroot.wire.verbs import TABLE

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "replies.md"
MARK = "<!-- derived from src/mailroot/mail/reply.py and src/mailroot/wire -->\n"


def tables() -> str:
    return "\n".join([*replies(), "", *extensions(), "", *verbs(), ""])


def replies() -> Iterator[str]:
    yield "## Replies\n"
    yield "| name | reply | source |"
    yield "|---|---|---|"
    for name, row in REPLY_ROWS.items():
        words = f"{row.code} {row.enhanced} {row.text}" if row.enhanced else f"{row.code} {row.text}"
        yield f"| `{name}` | `{words.strip()}` | {source(row.source)} |"


def extensions() -> Iterator[str]:
    yield "## What EHLO lists\n"
    yield from (
        f"- `{keyword}`"
        for keyword in hello_keywords(Terms(2048 * 1024, ("LOGIN", "PLAIN"), starttls=True, holds=True, turns=True))
    )
    yield ""
    yield f"Parameters of MAIL: {', '.join(f'`{name}`' for name in MAIL_PARAMETERS)}."
    yield f"Parameters of RCPT: {', '.join(f'`{name}`' for name in RCPT_PARAMETERS)}."


def verbs() -> Iterator[str]:
    yield "## Verbs\n"
    yield "| verb | source | longest line, octets | |"
    yield "|---|---|---|---|"
    for row in TABLE.values():
        built = "answered 502 until it is built" if row.act.__name__ == "_not_built" else ""
        yield f"| `{row.verb}` | {row.source} | {row.longest:,} | {built} |"


def source(text: str) -> str:
    if text.startswith("facts "):
        return f"predecessor, {text.removeprefix('facts ')}"
    return re.sub(r"(RFC \d+) (\d)", r"\1 section \2", text)


def test_the_page_shows_every_reply_extension_and_verb_as_it_is() -> None:
    assert PAGE.read_text().partition(MARK)[2] == tables(), "run python tests/docs/test_replies.py"


def test_every_reply_on_the_page_is_given_somewhere() -> None:
    code = "".join(path.read_text() for path in (DOCS.parent / "src").rglob("*.py"))
    assert [name for name in REPLY_ROWS if f"REPLIES.{name}(" not in code] == []


def test_every_section_of_the_predecessor_that_the_source_names_is_on_its_page() -> None:
    sections = set(re.findall(r"^#+ ([0-9.]*[0-9])\.? ", (DOCS / "predecessor.md").read_text(), re.MULTILINE))
    named = set()
    for path in (DOCS.parent / "src").rglob("*.py"):
        for words in re.findall(r"\bfacts ([0-9][0-9., and]*)", path.read_text()):
            named |= set(re.findall(r"\d+(?:\.\d+)?", words))
    assert named - sections == set()


def test_every_section_of_the_design_that_the_source_names_is_in_how_it_works() -> None:
    sections = set(re.findall(r"^#+ (.+)$", (DOCS / "how-it-works.md").read_text().lower(), re.MULTILINE))
    named = {
        words
        for path in (DOCS.parent / "src").rglob("*.py")
        for words in re.findall(r"\(design: ([a-z ]+)\)", path.read_text())
    }
    assert named - sections == set()


if __name__ == "__main__":
    PAGE.write_text(PAGE.read_text().partition(MARK)[0] + MARK + tables())
