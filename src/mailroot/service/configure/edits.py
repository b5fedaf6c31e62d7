"""The operations that change the settings file, as edits of its text. One table: whoever writes the file uses it."""

from collections.abc import Callable, Mapping
from typing import Any

from mailroot.mail.faults import Misconfigured
from mailroot.settings.batch import batch, table_key
from mailroot.settings.domainedits import DomainEdits
from mailroot.settings.problem import Problem, Problems, Unsound
from mailroot.settings.serveredits import Wanted, created, deleted, renamed, server_meant
from mailroot.settings.service import Settings
from mailroot.settings.spelling import toml_text

Arguments = Mapping[str, Any]
Edit = Callable[[str, Settings | Problems], str]
"""Gives the changed text of a file from its text and what that stands for. Raises `ValueError` and `Fault`."""


def edit_of(operation: str, arguments: Arguments) -> Edit:
    """The edit that an operation makes."""
    make = _EDITS[operation]
    return lambda text, found: make(text, found, arguments)


def sound(found: Settings | Problems) -> Settings:
    """The settings. Raises `Unsound` where the file must be mended first."""
    if isinstance(found, Problems):
        raise Unsound(found)
    return found


def _change(text: str, found: Settings | Problems, arguments: Arguments) -> str:
    values = arguments.get("values")
    if not isinstance(values, Mapping) or not values:
        raise ValueError("values: a table of options with their values is wanted")
    server = str(arguments.get("server") or "")
    key = server_meant(sound(found), server) if server else ""
    return batch(text, {table_key(key, str(path)): value for path, value in values.items()})


def _domains(text: str, found: Settings | Problems, arguments: Arguments) -> DomainEdits:
    settings = sound(found)
    return DomainEdits(text, settings, server_meant(settings, str(arguments.get("server") or "")))


def _options(arguments: Arguments) -> list[str]:
    """Options as they are typed, OPTION=VALUE; a table of them stands for the same."""
    options = arguments.get("options") or {}
    if isinstance(options, Mapping):
        return [f"{name}={_typed(value)}" for name, value in options.items()]
    return [str(one) for one in options]


def _typed(value: object) -> str:
    return value if isinstance(value, str) else toml_text(value)


def _name(arguments: Arguments, word: str = "name") -> str:
    name = arguments.get(word)
    if not isinstance(name, str) or not name:
        raise ValueError(f"{word}: a name is wanted")
    return name


def _create(text: str, found: Settings | Problems, arguments: Arguments) -> str:
    return created(text, sound(found), wanted_server(arguments))[0]


def wanted_server(arguments: Arguments) -> Wanted:
    """The virtual server that the arguments ask for."""
    bindings = arguments.get("bindings") or arguments.get("binding") or ()
    listed = (bindings,) if isinstance(bindings, str) else tuple(str(one) for one in bindings)
    if not listed:
        raise Unsound(Problems((Problem("bindings", "", "an address and a port such as 0.0.0.0:25 are wanted"),)))
    home, domain, key = (str(arguments.get(word) or "") for word in ("home", "domain", "key"))
    return Wanted(_name(arguments), listed, home, domain, key)


def _rename(text: str, found: Settings | Problems, arguments: Arguments) -> str:
    settings = sound(found)
    return renamed(text, settings, server_meant(settings, _name(arguments, "server")), _name(arguments))


def _delete(text: str, found: Settings | Problems, arguments: Arguments) -> str:
    settings = sound(found)
    return deleted(text, settings, server_meant(settings, _name(arguments, "server")))


def _replace(_text: str, _found: Settings | Problems, arguments: Arguments) -> str:
    wanted = arguments.get("text")
    if not isinstance(wanted, str):
        raise Misconfigured("text: the whole text of a settings file is wanted")
    return wanted.replace("\r\n", "\n")


_EDITS: Mapping[str, Callable[[str, Settings | Problems, Arguments], str]] = {
    "settings.change": _change,
    "config.import": _replace,
    "server.create": _create,
    "server.rename": _rename,
    "server.delete": _delete,
    "domain.add": lambda text, found, given: _domains(text, found, given).add(_name(given), _options(given)),
    "domain.change": lambda text, found, given: _domains(text, found, given).set(_name(given), _options(given)),
    "domain.remove": lambda text, found, given: _domains(text, found, given).remove(_name(given)),
    "domain.rename": lambda text, found, given: _domains(text, found, given).rename(_name(given), _name(given, "new")),
    "domain.default": lambda text, found, given: _domains(text, found, given).promote(_name(given)),
}
