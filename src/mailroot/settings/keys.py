"""Single options by their dotted keys: read from settings, read and written in a file's text with its comments kept."""

import tomllib
from collections.abc import MutableMapping
from typing import Any

from mailroot.mail.address import domain_key
from mailroot.settings.declared import (
    SHOWN_SECRET,
    Declared,
    Parts,
    declared,
    key_parts,
    key_text,
    nearest,
    pattern,
    values,
)
from mailroot.settings.edited import NewTable, edited
from mailroot.settings.service import Settings


def _option(key: str) -> tuple[Parts, Declared]:
    parts = key_parts(key)
    found = declared().get(pattern(parts))
    if found is None:
        raise ValueError(f"{key}: no such option; {nearest(parts) or 'it is a table of further keys'}")
    return parts, found


def compared(parts: Parts) -> Parts:
    """The key with the name of a domain in the form in which names are compared."""
    if parts[0] == "servers" and parts[2:3] == ("domains",) and len(parts) > 3:
        return (*parts[:3], domain_key(parts[3]), *parts[4:])
    return parts


def get(settings: Settings, key: str) -> Any:
    """The value of an option as the file writes it, or a table of those below the key; secrets are not shown.

    Raises `ValueError` with the nearest names where there is no such key.
    """
    parts = compared(key_parts(key))
    table: dict[str, Any] = {}
    for full, found, value in values(settings):
        if full == parts:
            return found.text(value)
        if full[: len(parts)] == parts:
            inner = table
            for name in full[len(parts) : -1]:
                inner = inner.setdefault(name, {})
            inner[full[-1]] = found.text(value)
    if table:
        return table
    at = pattern(parts)
    if at in declared() or not nearest(parts):
        there = ", ".join(settings.servers) if parts[1:2] and parts[1] not in settings.servers else "none by that name"
        raise ValueError(f"{key}: nothing is set there; there are: {there}")
    raise ValueError(f"{key}: no such option; {nearest(parts)}")


def written(text: str, key: str) -> Any:
    """The value of an option as it stands in a file's text; None where it does not, or is a secret."""
    parts = key_parts(key)
    found = declared().get(pattern(parts))
    node: Any = tomllib.loads(text)
    for part in parts:
        if not isinstance(node, dict) or part not in node:
            return None
        node = node[part]
    if found is None or isinstance(node, dict):
        return None
    return node if not found.option.secret else SHOWN_SECRET


def set_value(text: str, key: str, value: str) -> str:
    """The file's text with one option changed, everything else as it was. `value` may be TOML or bare text.

    Raises `ValueError` with a sentence that names the key, where there is no such option or the value is none for it.
    The result is still to be checked as a whole.
    """
    parts, fitting = fitting_value(key, value)
    return edited(text, lambda table, new: place(table, parts, fitting, new), key)


def place(table: MutableMapping[str, Any], parts: Parts, value: object, new: NewTable) -> None:
    """Put a value where the key's parts lead, with the tables that are missing on the way."""
    for depth, part in enumerate(parts[:-1]):
        inner: Any = table.setdefault(part, new(depth == len(parts) - 2))
        if not isinstance(inner, MutableMapping):
            raise ValueError(f"{key_text(parts)}: {part} is no table in the file")
        table = inner
    table[parts[-1]] = value


def fitting_value(key: str, value: str) -> tuple[Parts, Any]:
    """The key's parts and the value as TOML data: what the text says as TOML where that fits the option, else the text.

    Raises `ValueError` with a sentence that names the key, where there is no such option or the value is none for it.
    """
    parts, found = _option(key)
    candidates: list[Any] = []
    try:
        candidates.append(tomllib.loads(f"value = {value}")["value"])
    except tomllib.TOMLDecodeError:
        pass
    wrong = ""  # what the first candidate lacks: it is the likelier meaning
    for candidate in (*candidates, value):
        try:
            found.spelling.parse(candidate)
        except ValueError as fault:
            wrong = wrong or str(fault)
        else:
            return parts, candidate
    shown = SHOWN_SECRET if found.option.secret else value
    raise ValueError(f"{key} = {shown}: {wrong}; for example {found.spelling.example}")
