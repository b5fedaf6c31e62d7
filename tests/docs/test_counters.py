"""`docs/counters.md` is derived from the table of counters. `python tests/docs/test_counters.py` writes it anew."""

from pathlib import Path

from mailroot.mail.counters.families import BOUNDS, FAMILIES, STAGE_METRIC, STAGES
from mailroot.mail.counters.table import COUNTER_ROWS

PAGE = Path(__file__).parents[2] / "docs" / "counters.md"
MARK = "<!-- derived from src/mailroot/mail/counters -->\n"


def tables() -> str:
    lines = ["## Counters", "", "| counter | metric | kind | unit | from | what |", "|---|---|---|---|---|---|"]
    for row in COUNTER_ROWS:
        shown, metric = row.shown or f"`{row.name}`", f"`{row.metric}`" if row.metric else ""
        lines.append(f"| {shown} | {metric} | {row.kind.value} | {row.unit} | {row.feed} | {row.sentence} |")
    for family in FAMILIES:
        lines += ["", f"## `{family.metric}`", "", f"{family.sentence} From {family.feed}.", ""]
        lines += [f"| `{family.label}` | |", "|---|---|"]
        lines += [f"| `{value}` | {sentence} |" for value, sentence in family.values.items()]
    bounds = ", ".join(f"{bound:g}" for bound in BOUNDS)
    lines += ["", f"## `{STAGE_METRIC}`", "", f"A histogram by `stage`. Its bounds in seconds: {bounds}.", ""]
    lines += ["| `stage` | |", "|---|---|", *(f"| `{stage.name}` | {stage.sentence} |" for stage in STAGES)]
    return "\n".join(lines) + "\n"


def test_the_page_shows_every_counter_as_it_is() -> None:
    assert PAGE.read_text().partition(MARK)[2] == tables()


if __name__ == "__main__":
    words = PAGE.read_text().partition(MARK)[0] if PAGE.exists() else ""
    PAGE.write_text(words + MARK + tables())
