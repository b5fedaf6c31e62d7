"""A settings file's text with a change in it, and everything else as it was, comments too."""

import contextlib
import tomllib
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Table

NewTable = Callable[[bool], Any]
"""Makes a table that is to be added; told whether values will stand in it, or further tables only."""

Edit = Callable[[MutableMapping[str, Any], NewTable], None]
"""Changes the file's tables where they are. Raises `ValueError` where that is not possible."""


def edited(text: str, edit: Edit, about: str, *first: Callable[[str], str]) -> str:
    """The text after an edit. `first` are ways to change the text itself, tried before those that any edit allows.

    Raises `ValueError`, which names what it is `about`, where the file's form allows none of them.
    """
    try:
        wanted = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise ValueError(f"the file is not TOML: {fault}") from fault
    edit(wanted, lambda _: {})
    # The form is kept by a library or by us; that the text holds what it should, and nothing else, is left to neither.
    for way in (*first, *(_keeping(edit, new, tidied) for new in (_header, _inline) for tidied in (True, False))):
        with contextlib.suppress(TOMLKitError, ValueError):
            changed = way(text)
            if tomllib.loads(changed) == wanted:
                return changed
    raise ValueError(f"{about}: the file is written in a form that cannot be changed safely; change it by hand")


def _keeping(edit: Edit, new: NewTable, tidied: bool) -> Callable[[str], str]:
    def change(text: str) -> str:
        document = tomlkit.parse(text)
        edit(document, new)
        changed = tomlkit.dumps(document)
        return _spaced(text, _tucked(text, changed)) if tidied else changed

    return change


def _header(last: bool) -> Table:
    """A table with a header of its own if a value is to stand in it."""
    return tomlkit.table(is_super_table=not last)


def _inline(_last: bool) -> Any:
    return tomlkit.inline_table()


def _tucked(before: str, after: str) -> str:
    """The changed text with entries that came above the empty line and the comments that belong to the next table."""
    known = set(_entries(before))
    lines: list[str] = []
    for line, entry in zip(after.splitlines(keepends=True), _entries(after), strict=True):
        new = _is_entry(line) and not line.startswith("[") and entry not in known
        lines.insert(_end_of_entries(lines) if new else len(lines), line)
    return "".join(lines)


def _is_entry(line: str) -> bool:
    return line.strip() != "" and not line.lstrip().startswith("#")


def _entries(text: str) -> Iterator[tuple[str, str]]:
    """Every line with the header that it stands under."""
    header = ""
    for line in text.splitlines():
        header = line if line.startswith("[") else header
        yield header, line


def _end_of_entries(lines: list[str]) -> int:
    """Where the last entry ends. Comments right behind it, without an empty line, may be about it: they stay there."""
    end = len(lines)
    while end and not _is_entry(lines[end - 1]):
        end -= 1
    return end if end < len(lines) and not lines[end].strip() else len(lines)


def _spaced(before: str, after: str) -> str:
    """The changed text with an empty line above each header that has new lines around it, as people write them."""
    known = set(before.splitlines())
    lines: list[str] = []
    for line in after.splitlines(keepends=True):
        above = lines[-1].rstrip("\r\n") if lines else ""
        if line.startswith("[") and above.strip() and not {above, line.rstrip("\r\n")} <= known:
            lines.append("\n")
        lines.append(line)
    return "".join(lines)
