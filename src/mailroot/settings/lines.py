"""On which line of a TOML text a key stands; TOML parsers do not tell."""

import re
from collections.abc import Iterator

from mailroot.settings.declared import Parts, key_parts

_HEADER = re.compile(r"\s*\[{1,2}\s*([^\[\]]+?)\s*\]{1,2}\s*(#.*)?")
_ENTRY = re.compile(r"""\s*((?:"[^"]*"|'[^']*'|[A-Za-z0-9_.-])+)\s*=""")


def _places(text: str) -> Iterator[tuple[Parts, int]]:
    table: Parts = ()
    for number, line in enumerate(text.splitlines(), 1):
        header, entry = _HEADER.fullmatch(line), _ENTRY.match(line)
        try:
            if header:
                table = key_parts(header[1])
                yield table, number
            elif entry:
                yield (*table, *key_parts(entry[1])), number
        except ValueError:
            continue


def line_of(text: str, path: str) -> int:
    """The line, from 1, of the key or of the innermost table around it that is written; 0 where none is."""
    if not path:
        return 0
    parts = key_parts(path.lower())
    best = (0, 0)
    for place, number in _places(text):
        if tuple(part.lower() for part in place) == parts[: len(place)] and len(place) > best[0]:
            best = (len(place), number)
    return best[1]
