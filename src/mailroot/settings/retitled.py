"""A table's name changed where it stands in a settings file's text: in headers and before equals signs."""

import json
import re

from mailroot.settings.declared import Parts, key_parts

_PART = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)"""
_KEY = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"(\s*\[\s*)({_KEY})(\s*\]\s*(?:#.*)?)")
_ENTRY = re.compile(rf"(\s*)({_KEY})(\s*=.*)")
_PARTS = re.compile(_PART)


def retitled(text: str, path: Parts, name: str) -> str:
    """The text with another name for the table at `path`.

    Lines are looked at alone, so that one inside a text of several lines may be changed too, and a table inside braces
    be missed: whoever calls compares what the text stands for.
    """
    above: Parts = ()
    lines = []
    for line in text.splitlines(keepends=True):
        bare = line.rstrip("\r\n")
        header = _HEADER.fullmatch(bare)
        found = header or _ENTRY.fullmatch(bare)
        if found is None:
            lines.append(line)
            continue
        named = _named(found[2], () if header else above, path, name)
        lines.append(f"{found[1]}{named}{found[3]}{line[len(bare) :]}")
        if header is not None:
            above = _parts(header[2])
    return "".join(lines)


def _parts(key: str) -> Parts:
    return tuple(key_parts(found[0])[0] for found in _PARTS.finditer(key))


def _named(key: str, above: Parts, path: Parts, name: str) -> str:
    """A key under the table `above`, with the new name where it leads along the path."""
    place = len(path) - 1 - len(above)
    spans = [found.span() for found in _PARTS.finditer(key)]
    if not 0 <= place < len(spans) or (*above, *_parts(key))[: len(path)] != path:
        return key
    begin, end = spans[place]
    return f"{key[:begin]}{json.dumps(name, ensure_ascii=False)}{key[end:]}"
