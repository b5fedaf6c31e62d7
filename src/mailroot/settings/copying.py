"""A configuration on its way to another machine: what leaves, and what is the machine's own and has to be adapted.

The text that travels is a settings file whose first line says where it is from. Pure: what there is on a machine is
asked of `Here`.
"""

import json
import os.path
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mailroot.settings.batch import batch, placed
from mailroot.settings.declared import Declared, Parts, declared, key_text, pattern
from mailroot.settings.places import parse_binding
from mailroot.settings.problem import Problem

_FIRST_LINE = re.compile(r"\A# Exported by Mailroot: (\{[^\n]*\})\n")
_BINDINGS, _PLACES = ("binding", "list of bindings"), ("folder", "file")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a configuration is from: the machine's full name, and the folder of its settings file; "" if unknown."""

    host: str = ""
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Here:
    """The machine that it comes to. `main` is its address of IP version 4 or 6, "" where it has none.

    `own` tells whether an address is one of the machine's, `there` whether something is at a path.
    """

    folder: str
    own: Callable[[str], bool]
    main: Callable[[int], str]
    there: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Adapted:
    """The text for this machine. `rows` are what was adapted, `look_at` what somebody must look at."""

    text: str
    rows: tuple[dict[str, object], ...]
    look_at: tuple[dict[str, object], ...]


# -- leaving


def exported(text: str, origin: Origin, *, secrets: bool = False) -> tuple[str, tuple[str, ...]]:
    """The text that travels, and the options whose secrets were left out of it.

    A secret that stands in a variable or a file of its own is none here: its name travels. Comments that set a secret
    do not. Raises `ValueError` where the file's form does not allow it.
    """
    left = () if secrets else tuple(parts for parts, found, value in _written(tomllib.loads(text)) if _is(found, value))
    if not secrets:
        text = _without_told(placed(text, [(parts, None) for parts in left], "secrets") if left else text)
    paths = tuple(key_text(parts) for parts in left)
    first = {"host": origin.host, "folder": origin.folder, "secrets": list(paths)}
    return f"# Exported by Mailroot: {json.dumps(first)}\n{text}", paths


def _is(found: Declared, value: object) -> bool:
    return found.option.secret and bool(value) and not str(value).startswith("$")


def _without_told(text: str) -> str:
    """The text without comments that look like a secret that was set once."""
    names = "|".join(sorted({re.escape(parts[-1]) for parts, found in declared().items() if found.option.secret}))
    return re.sub(rf"(?m)^[ \t]*#[^\n]*\b({names})[\"']?\s*=[^\n]*\n?", "", text)


# -- arriving


def origin_of(text: str) -> tuple[Origin, tuple[str, ...]]:
    """Where a text is from, and which secrets were left out; of a settings file as it is, nothing is known."""
    found = _FIRST_LINE.match(text)
    try:
        first = json.loads(found[1]) if found else {}
        secrets = tuple(str(path) for path in first.get("secrets", ()))
        return Origin(str(first.get("host", "")), str(first.get("folder", ""))), secrets
    except (ValueError, AttributeError, TypeError):
        return Origin(), ()


def adapted(text: str, here: Here, wanted: Mapping[str, object]) -> Adapted:
    """A text that has arrived, for this machine; `wanted` are options that somebody gives other values.

    Raises `Unsound` where these do not fit, and `ValueError` where the text is not TOML or cannot be changed.
    """
    origin, left = origin_of(text)
    text = _FIRST_LINE.sub("", text)
    changes: list[tuple[Parts, Any]] = []
    rows: list[dict[str, object]] = []
    look_at = [_row(path, "", "its secret was left out; set it") for path in left if path not in wanted]
    for parts, found, value in _written(tomllib.loads(text)):
        path = key_text(parts)
        if path in wanted:
            continue
        new, why = _here(parts, found, value, (origin, here))
        if new != value:
            changes.append((parts, new))
            rows.append({"path": path, "was": value, "is": "" if new is None else new, "why": why})
        elif why:
            look_at.append(_row(path, value, why))
    rows += [{"path": path, "was": "", "is": "(given)", "why": "as you said"} for path in wanted]
    text = placed(text, changes, "the copy") if changes else text
    return Adapted(batch(text, wanted) if wanted else text, tuple(rows), tuple(look_at))


def _row(path: str, value: object, why: str) -> dict[str, object]:
    return {"path": path, "value": value, "why": why}


def _here(parts: Parts, found: Declared, value: Any, ends: tuple[Origin, Here]) -> tuple[Any, str]:
    """The value on this machine, None for its own default, and why; the value as it is with what to look at, or ""."""
    origin, here = ends
    if found.spelling.name in _BINDINGS:
        return _bindings(value, here)
    if found.spelling.name in _PLACES and isinstance(value, str) and value:
        return _place(value, found.spelling.name, origin, here)
    if parts[-2:] == ("delivery", "fqdn") and value:
        if value == origin.host:
            return None, "it was that machine's own name; this one's counts"
        return value, "does this name lead to this machine?"
    if parts == ("service", "run_as") and value:
        return value, "is there such an account on this machine?"
    return value, ""


def _bindings(value: Any, here: Here) -> tuple[Any, str]:
    """Bindings on addresses that this machine has; on its main one where they were another's."""
    several = isinstance(value, list)
    new = [_binding(one, here) for one in (value if several else [value])]
    if None in new:
        return value, "this machine has no such address; say which by --adapt"
    changed = new if several else new[0]
    return changed, "" if changed == value else "the address was another machine's"


def _binding(text: Any, here: Here) -> Any:
    try:
        binding = parse_binding(text)
    except ValueError:
        return text  # what is wrong with it is said when the whole is checked
    if binding.address in ("0.0.0.0", "::") or here.own(binding.address):  # noqa: S104
        return text
    main = here.main(6 if ":" in binding.address else 4)
    if not main:
        return None
    return f"[{main}]:{binding.port}" if ":" in main else f"{main}:{binding.port}"


def _place(value: str, kind: str, origin: Origin, here: Here) -> tuple[str, str]:
    """Folders and files that lay beside that machine's settings lie beside this one's."""
    inside = origin.folder and (value == origin.folder or value.startswith(f"{origin.folder.rstrip('/')}/"))
    if inside and os.path.isabs(value):  # noqa: PTH117 - a name, not a file
        return os.path.relpath(value, origin.folder), "it lay beside the settings file"
    where = value if os.path.isabs(value) else os.path.join(here.folder, value)  # noqa: PTH117, PTH118
    if kind == "file" and not here.there(where):
        return value, "no such file here; copy it, readable for its owner only"
    if kind == "folder" and os.path.isabs(value):  # noqa: PTH117
        return value, "is this the right place on this machine?"
    return value, ""


def problems_of(look_at: tuple[dict[str, object], ...]) -> tuple[Problem, ...]:
    """What must be said before the copy can be used."""
    rows = (row for row in look_at if "--adapt" in str(row["why"]))
    return tuple(Problem(str(row["path"]), str(row["value"]), "this machine has no such address") for row in rows)


# -- what stands in a file


def _written(table: Mapping[str, Any], above: Parts = ()) -> Iterator[tuple[Parts, Declared, Any]]:
    """Every option that a file sets, with its full key."""
    for name, value in table.items():
        parts = (*above, name)
        found = declared().get(pattern(parts))
        if found is not None:
            yield parts, found, value
        elif isinstance(value, Mapping):
            yield from _written(value, parts)
