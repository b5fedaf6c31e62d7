"""What an operator does with the virtual servers of a settings file: one more, another name, one less.

The result is still to be checked as a whole.
"""

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from typing import Any

from mailroot.settings.batch import remove
from mailroot.settings.edited import NewTable, edited
from mailroot.settings.keys import fitting_value, place
from mailroot.settings.service import Settings

_OTHERS = re.compile(r"[^a-z0-9]+")
_LONGEST_KEY = 32


@dataclass(frozen=True, slots=True)
class Wanted:
    """A virtual server that is to be. `bindings` are as a file writes them, `domain` is "" for the machine's name."""

    name: str
    bindings: tuple[str, ...]
    home: str = ""
    domain: str = ""
    key: str = ""


def server_meant(settings: Settings, wanted: str) -> str:
    """The key of the virtual server that is meant: by its short name, by its display name, or as the only one.

    Raises `ValueError`, naming those that there are.
    """
    if wanted in settings.servers:  # a display name may be the short name of another one
        return wanted
    for key, server in settings.servers.items():
        if wanted == server.name:
            return key
    known = ", ".join(settings.servers)
    if wanted:
        raise ValueError(f"there is no virtual server {wanted!r}; there are: {known}")
    if len(settings.servers) > 1:
        raise ValueError(f"there are several virtual servers; name one by --server: {known}")
    return next(iter(settings.servers))


def created(text: str, settings: Settings, wanted: Wanted) -> tuple[str, str]:
    """The text with one more virtual server, and its key. Raises `ValueError` where the name is taken or none."""
    name = wanted.name.strip()
    _demand_free(settings, name, "")
    key = wanted.key or free_key(name, settings)
    if key in settings.servers or not re.fullmatch(r"[A-Za-z0-9_-]+", key):
        raise ValueError(f"{key}: not the short name of a new virtual server; letters, digits, - and _ make one")
    above = f"servers.{key}"
    values = [
        fitting_value(f"{above}.name", name),
        fitting_value(f"{above}.home", wanted.home or _home(key)),
        (("servers", key, "general", "bindings"), [*wanted.bindings]),
    ]
    if wanted.domain:
        values.append((("servers", key, "domains", wanted.domain, "type"), "default"))

    def edit(table: Any, new: NewTable) -> None:
        if not table.get("servers"):
            # Without any server in the file there is one all the same, which must not vanish beside the new one.
            only = next(iter(settings.servers))
            place(table, ("servers", only, "home"), "Mailroot", new)
        for parts, value in values:
            place(table, parts, value, new)

    return edited(text, edit, name), key


def renamed(text: str, settings: Settings, key: str, name: str) -> str:
    """The text with another display name for a virtual server; its short name stays."""
    _demand_free(settings, name.strip(), key)
    parts, value = fitting_value(f"servers.{key}.name", name.strip())
    return edited(text, lambda table, new: place(table, parts, value, new), name)


def deleted(text: str, settings: Settings, key: str) -> str:
    """The text without a virtual server. Its folders stay."""
    if len(settings.servers) < 2 or key not in tomllib.loads(text).get("servers", {}):
        raise ValueError(f"{key} is the only virtual server, which a service cannot be without; stop it instead")
    return edited(text, lambda table, _new: remove(table, ("servers", key)), key)


def free_key(name: str, settings: Settings) -> str:
    """A short name that follows from a display name, and that no server has."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    stem = _OTHERS.sub("-", plain).strip("-")[:_LONGEST_KEY].strip("-") or "server"
    keys = (stem, *(f"{stem}-{number}" for number in range(2, len(settings.servers) + 3)))
    return next(key for key in keys if key not in settings.servers)


def _home(key: str) -> str:
    return f"Mailroot-{key}"


def _demand_free(settings: Settings, name: str, own: str) -> None:
    if not name:
        raise ValueError("a virtual server needs a name")
    for key, server in settings.servers.items():
        if key != own and name in {key, server.name}:
            raise ValueError(f"{name}: the virtual server {key} has this name already")
