"""`docs/events.md` is derived from the table of events. `python tests/docs/test_events.py` writes it anew."""

import re
from pathlib import Path

from mailroot.mail.events import EVENT_ROWS, EVENTS

PAGE = Path(__file__).parents[2] / "docs" / "events.md"
MARK = "<!-- derived from src/mailroot/mail/events.py -->\n"


def table() -> str:
    rows = ["| event | severity | fields | when |", "|---|---|---|---|"]
    for row in EVENT_ROWS:
        fields = " ".join(f"`{field}`" for field in row.fields)
        rows.append(f"| `{row.name}` | {row.severity.value} | {fields} | {row.sentence} |")
    return "\n".join(rows) + "\n"


def test_the_page_shows_every_event_as_it_is() -> None:
    assert PAGE.read_text().partition(MARK)[2] == table()


def test_every_event_on_the_page_is_told_somewhere() -> None:
    code = "".join(path.read_text() for path in (PAGE.parents[1] / "src").rglob("*.py"))
    assert [row.name for row in EVENT_ROWS if not re.search(rf"EVENTS\.{row.name}\b", code)] == []


def test_event_names_are_unique_and_their_sentences_end() -> None:
    assert len(vars(EVENTS)) == len(EVENT_ROWS)
    assert all(row.sentence.endswith(".") for row in EVENT_ROWS)


def test_no_event_has_a_field_of_every_line() -> None:
    # "pid" is in every line; where an event names it, it is a process that the event is about.
    reserved = {"time", "event", "severity"}
    assert not any(reserved & set(row.fields) for row in EVENT_ROWS)
    assert not any({"source", "id"} & set(row.fields) for row in EVENT_ROWS if row.ident)


if __name__ == "__main__":
    words = PAGE.read_text().partition(MARK)[0] if PAGE.exists() else ""
    PAGE.write_text(words + MARK + table())
