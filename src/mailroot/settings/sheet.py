"""A table of options as a property sheet shows it: every option with its value and all that is declared of it."""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from mailroot.settings.batch import spelling_of
from mailroot.settings.declared import (
    ANY,
    SHOWN_SECRET,
    Declared,
    Parts,
    declared,
    key_parts,
    key_text,
    nearest,
    pattern,
    sections,
)
from mailroot.settings.keys import compared
from mailroot.settings.service import Settings
from mailroot.settings.unbuilt import unbuilt_features

Row = dict[str, object]


def sheet(settings: Settings, text: str, key: str = "") -> list[Row]:
    """A row for the option, or for each option of the table, that the key names; "" is the whole file.

    `text` is the file's, which `settings` are made of. A table that may be left out, and is, has its rows too. No
    secret is shown. Raises `ValueError` with the nearest names where there is no such key.
    """
    above = compared(key_parts(key)) if key else ()
    table = tomllib.loads(text)
    rows = [
        _row(parts, found, value, table) for parts, found, value in _options(settings) if parts[: len(above)] == above
    ]
    if not rows and above:
        at = pattern(above)
        known = at in declared() or at in sections()
        raise ValueError(f"{key}: {'nothing is set there' if known else f'no such option; {nearest(above)}'}")
    return rows


def _options(settings: Settings) -> Iterator[tuple[Parts, Declared, Any]]:
    for parts, found in declared().items():
        for full, value in _values(settings, parts, (), found):
            yield full, found, value


def _values(node: Any, rest: Parts, done: Parts, found: Declared) -> Iterator[tuple[Parts, Any]]:
    if not rest:
        yield done, node
    elif node is None:
        if ANY not in rest:
            yield (*done, *rest), found.default
    elif rest[0] == ANY:
        for name, inner in node.items():
            yield from _values(inner, rest[1:], (*done, name), found)
    else:
        yield from _values(getattr(node, rest[0]), rest[1:], (*done, rest[0]), found)


def _row(parts: Parts, found: Declared, value: Any, table: Mapping[str, Any]) -> Row:
    """`value` is what the file says or else the default, `effective` what that comes to."""
    option, spelling = found.option, found.spelling
    written = _written(table, parts)
    default = found.text(found.default)
    shown = default if written is None else SHOWN_SECRET if option.secret and written else written
    return {
        "path": key_text(parts),
        "value": shown,
        "set": written is not None,
        "effective": found.text(value),
        "default": default,
        "form": spelling.name,
        "bounds": spelling.bounds,
        "choices": [*spelling.words],
        "example": spelling.example,
        "sentence": option.sentence,
        "label": option.label,
        "tab": option.tab,
        "metabase": option.metabase,
        "counts": option.applies.value,
        "secret": option.secret,
        "unbuilt": unbuilt_features().get(found.parts, ""),
    }


def _written(table: Mapping[str, Any], parts: Parts) -> Any:
    node: Any = table
    for part in spelling_of(table, parts):
        if not isinstance(node, Mapping) or part not in node:
            return None
        node = node[part]
    return node
