"""On which line of a TOML text a key stands; TOML parsers do not tell."""

import re
from collections.abc import Mapping

from mailroot.settings.declared import Parts, key_parts

_HEADER = re.compile(r"\s*\[{1,2}\s*([^\[\]]+?)\s*\]{1,2}\s*(#.*)?")
_ENTRY = re.compile(r"""\s*((?:"[^"]*"|'[^']*'|[A-Za-z0-9_.-])+)\s*=""")


def places(text: str) -> Mapping[Parts, int]:
    """The lines, from 1, of all tables and keys that are written, by their parts in lower case."""
    found: dict[Parts, int] = {}
    table: Parts = ()
    for number, line in enumerate(text.splitlines(), 1):
        header, entry = _HEADER.fullmatch(line), _ENTRY.match(line)
        try:
            if header:
                table = key_parts(header[1].lower())
                found.setdefault(table, number)
            elif entry:
                found.setdefault((*table, *key_parts(entry[1].lower())), number)
        except ValueError:
            # A line of a text that goes over several lines may look like a key.
            continue
    return found


def line_of(found: Mapping[Parts, int], path: str) -> int:
    """The line of the key, or of the innermost table around it that is written; 0 where none is."""
    parts = key_parts(path.lower()) if path else ()
    return next((found[parts[:depth]] for depth in range(len(parts), 0, -1) if parts[:depth] in found), 0)
