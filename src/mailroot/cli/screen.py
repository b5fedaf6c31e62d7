"""What reaches the terminal: tables, facts and faults, with nothing in them that a terminal would obey."""

import contextlib
import itertools
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]


def neutral(text: str) -> str:
    """The text with every sign that does not print written as an escape: controls, ANSI, bidi, zero width (O05)."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else _escape(sign) for sign in text)


def _escape(sign: str) -> str:
    code = ord(sign)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def lines(text: str) -> str:
    """The same for a text of several lines, which stay lines."""
    return "\n".join(neutral(line) for line in text.split("\n"))


def cell(value: object) -> str:
    """One value of a table or of a fact, on one line."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(cell(item) for item in value) or "-"
    if isinstance(value, Mapping):
        return " ".join(f"{neutral(str(name))}={cell(item)}" for name, item in value.items())
    return neutral(str(value))


def as_json(value: object) -> str:
    """JSON in ASCII; DEL, which JSON allows raw, is escaped like every other control."""
    return json.dumps(value, ensure_ascii=True).replace("\x7f", "\\u007f")


def show(text: str) -> None:
    """A line, or several, to standard output."""
    print(lines(text))


def complain(text: str) -> None:
    """A line, or several, to standard error."""
    print(lines(text), file=sys.stderr)


def clear() -> None:
    """Begin a new showing: at the top of an empty terminal; elsewhere what is shown just follows."""
    if sys.stdout.isatty():
        sys.stdout.write("\x1b[2J\x1b[H")


@contextlib.contextmanager
def progress(what: str, unit: str) -> Iterator[Callable[[int], None]]:
    """Takes how far something has come: shown below, where standard error is a terminal, from the first word on."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - its import takes longer than most commands
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}"), TextColumn(unit))
    bar = Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True)
    task = bar.add_task(neutral(what), total=None)

    def tell(done: int) -> None:
        bar.start()
        bar.update(task, completed=done)

    try:
        yield tell
    finally:
        bar.stop()


def show_rows(columns: Sequence[str], rows: Iterable[Row], *, json_wanted: bool) -> None:
    """A table: for people where standard output is a terminal, else a line a row, parted by tabs and never cut."""
    if json_wanted:
        _show_json(rows)
    elif sys.stdout.isatty():
        _show_table(columns, rows)
    else:
        _show_lines(columns, rows)


def _show_lines(columns: Sequence[str], rows: Iterable[Row]) -> None:
    coming = iter(rows)
    # The first row is asked for before the names are written: nothing is, where there is nobody to ask.
    first = next(coming, None)
    print("\t".join(columns))
    for row in () if first is None else itertools.chain((first,), coming):
        print("\t".join(cell(row.get(name)) for name in columns))


def _show_json(rows: Iterable[Row]) -> None:
    """An array with a row a line, written while the pages come."""
    mark = "["
    for row in rows:
        print(f"{mark}{as_json(row)}", end="")
        mark = ",\n"
    print("[]" if mark == "[" else "]")


def _show_table(columns: Sequence[str], rows: Iterable[Row]) -> None:
    from rich.console import Console  # noqa: PLC0415 - its import takes longer than most commands
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    rows = list(rows)
    console = Console(highlight=False)
    if _width(columns, rows) > console.width:
        _show_blocks(columns, rows)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name)
    for row in rows:
        table.add_row(*(Text(cell(row.get(name))) for name in columns))
    console.print(table)


def _width(columns: Sequence[str], rows: Sequence[Row]) -> int:
    """How wide a table of these rows is, with two blanks between its columns."""
    longest = (max([len(name), *(len(cell(row.get(name))) for row in rows)]) for name in columns)
    return sum(longest) + 2 * (len(columns) - 1)


def _show_blocks(columns: Sequence[str], rows: Iterable[Row]) -> None:
    """A block a row: where the table does not fit, names that are to be copied must not be broken."""
    margin = max(len(name) for name in columns)
    for number, row in enumerate(rows):
        if number:
            print()
        for name in columns:
            print(f"{name:{margin}}  {cell(row.get(name))}")


def show_facts(facts: Row, *, json_wanted: bool) -> None:
    """Names with their values, a line each; below them what is more than a line: texts, tables, facts of their own."""
    if json_wanted:
        print(as_json(facts))
        return
    below = {name: value for name, value in facts.items() if _is_deep(value)}
    for name, value in facts.items():
        if name not in below:
            print(f"{neutral(name)}: {cell(value)}")
    for name, value in below.items():
        print(f"\n{neutral(name)}:")
        _show_deep(value)


def _show_deep(value: Any) -> None:
    if isinstance(value, str):
        # Set in, so that no line of a stranger's text looks like one of ours.
        print("\n".join(f"  {neutral(line)}" for line in value.splitlines()))
    elif isinstance(value, Mapping):
        show_facts(value, json_wanted=False)
    elif _is_header(value):
        print("\n".join(f"  {cell(row['name'])}: {cell(row['value'])}" for row in value))
    else:
        show_rows(list(dict.fromkeys(key for row in value for key in row)), value, json_wanted=False)


def _is_deep(value: object) -> bool:
    """Whether a value takes more than a line."""
    if isinstance(value, str):
        return "\n" in value
    if isinstance(value, Mapping):
        return any(_is_deep(one) for one in value.values())
    return _is_table(value)


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)


def _is_header(rows: Sequence[Row]) -> bool:
    """Whether these are the fields of a message's header, each with its raw form, which --json has."""
    return all({"name", "value", "raw"} == set(row) for row in rows)
