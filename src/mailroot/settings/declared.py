"""All options by their dotted keys: what each one is, and what it is set to.

A key is "servers.default.messages.size_limit"; a part that is no bare word stands in quotes, as in TOML:
`servers.default.domains."example.com".relay`. In the key of a declaration, "*" stands for the names that users give.
"""

import dataclasses
import difflib
import functools
import json
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mailroot.settings.option import Option, declaration
from mailroot.settings.service import Settings
from mailroot.settings.spelling import Spelling

_PART = re.compile(r'"((?:[^"\\]|\\.)*)"|\'([^\']*)\'|([A-Za-z0-9_-]+)')
_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
ANY = "*"
SHOWN_SECRET = "***"  # noqa: S105 - what stands in its place

Parts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Declared:
    """An option with its key. `default` is the value before folders and names are resolved."""

    parts: Parts
    option: Option
    spelling: Spelling
    default: Any

    @property
    def key(self) -> str:
        """The key with "*" for names."""
        return ".".join(self.parts)

    def text(self, value: object) -> Any:
        """The value as the file writes it; a secret is never shown."""
        if self.option.secret:
            return SHOWN_SECRET if value else ""
        return self.spelling.text(value)


def key_text(parts: Parts) -> str:
    """The dotted key of these parts."""
    return ".".join(part if _BARE.fullmatch(part) else json.dumps(part, ensure_ascii=False) for part in parts)


def key_parts(key: str) -> Parts:
    """The parts of a dotted key; raises `ValueError` where it is not one."""
    parts: list[str] = []
    place = 0
    while True:
        found = _PART.match(key, place)
        if found is None:
            raise ValueError(f'{key}: not a key; one such as servers.default.domains."example.com".relay is wanted')
        quoted, literal, bare = found.groups()
        parts.append(json.loads(f'"{quoted}"') if quoted is not None else bare or literal)
        if found.end() == len(key):
            return tuple(parts)
        if key[found.end()] != ".":
            raise ValueError(f'{key}: a part with other signs than letters, digits, "_" and "-" stands in quotes')
        place = found.end() + 1


def _children(kind: type) -> Iterator[tuple[str, Any, Option, "dataclasses.Field[Any]"]]:
    hints = typing.get_type_hints(kind, include_extras=True)
    for field in dataclasses.fields(kind):
        option = declaration(field)
        if option is not None:
            yield field.name, hints[field.name], option, field


def _inner(hint: Any) -> tuple[type, bool]:
    """The class of a section's type, and whether there are many of it by name."""
    if typing.get_origin(hint) is Mapping or getattr(hint, "__origin__", None) is Mapping:
        return typing.get_args(hint)[1], True
    if isinstance(hint, types.UnionType):
        return next(kind for kind in typing.get_args(hint) if kind is not types.NoneType), False
    return hint, False


def _walk(kind: type, prefix: Parts) -> Iterator[tuple[Parts, Declared | Option]]:
    for name, hint, option, field in _children(kind):
        parts = (*prefix, name)
        spelling = next((mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, Spelling)), None)
        if spelling is not None:
            yield parts, Declared(parts, option, spelling, field.default)
            continue
        yield parts, option
        inner, many = _inner(hint)
        yield from _walk(inner, (*parts, ANY) if many else parts)


@functools.cache
def declared() -> Mapping[Parts, Declared]:
    """Every option by the parts of its key."""
    return {parts: found for parts, found in _walk(Settings, ()) if isinstance(found, Declared)}


@functools.cache
def sections() -> Mapping[Parts, Option]:
    """Every table of options by the parts of its key."""
    found = {parts: option for parts, option in _walk(Settings, ()) if isinstance(option, Option)}
    named = {
        (*parts, ANY): option for parts, option in found.items() if any(p[:-1] == (*parts, ANY) for p in declared())
    }
    return {(): Option("The whole file."), **found, **named}


def pattern(parts: Parts) -> Parts:
    """The key with "*" for the names that users give: of servers, domains, destinations, certificates and keys."""
    named = [ANY if place == 1 and parts[0] == "servers" else part for place, part in enumerate(parts)]
    if named[:1] == ["servers"]:
        for above in (("domains",), ("pace",), ("collect",), ("access", "names")):
            place = 2 + len(above)
            if tuple(named[2:place]) == above and len(named) > place:
                named[place] = ANY
        if named[2:3] == ["domains"] and named[4:5] == ["dkim"] and len(named) > 5:
            named[5] = ANY
    return tuple(named)


def nearest(parts: Parts) -> str:
    """The mend for an unknown key: the name next to it among those that its table has, or all of them."""
    at = pattern(parts)
    for depth in range(len(at)):
        table = at[: depth + 1]
        if table in sections() or (table in declared() and depth == len(at) - 1):
            continue
        names = sorted(
            {key[depth] for key in (*declared(), *sections()) if len(key) > depth and key[:depth] == at[:depth]}
        )
        close = difflib.get_close_matches(at[depth], names, n=1, cutoff=0.6)
        whole = ("servers", "default", *parts)
        if depth == 0 and (pattern(whole) in declared() or pattern(whole) in sections()):
            return f"did you mean {key_text(whole)}?"
        # A name with dots that was not quoted falls into parts.
        quoted = (*parts[: depth - 1], ".".join(parts[depth - 1 : -1]), parts[-1])
        if at[depth - 1 : depth] == (ANY,) and depth > 2 and pattern(quoted) in declared():
            return f"did you mean {key_text(quoted)}?"
        if close:
            return f"did you mean {key_text((*parts[:depth], close[0], *parts[depth + 1 :]))}?"
        return f"{key_text(parts[:depth]) or 'the file'} has {', '.join(names)}" if names else "it has no further parts"
    return ""


def values(settings: Settings) -> Iterator[tuple[Parts, Declared, Any]]:
    """Every option that has a value in these settings, with its full key."""
    for parts, found in declared().items():
        for full, value in _values(settings, parts, ()):
            yield full, found, value


def _values(node: Any, rest: Parts, done: Parts) -> Iterator[tuple[Parts, Any]]:
    if not rest:
        yield done, node
    elif rest[0] == ANY:
        for name, inner in node.items():
            yield from _values(inner, rest[1:], (*done, name))
    elif node is not None:
        yield from _values(getattr(node, rest[0]), rest[1:], (*done, rest[0]))
