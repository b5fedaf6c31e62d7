"""The commands about settings and domains, asked of a service elsewhere. No settings are read or written here."""

import argparse
from collections.abc import Mapping
from typing import Any

from mailroot.cli import config, screen
from mailroot.cli.change import based_on, in_force, problem_of, raise_as_here
from mailroot.cli.commands import refuse, show_value
from mailroot.cli.domains import COLUMNS, name_of, request
from mailroot.cli.service import Service
from mailroot.cli.typed import typed_value
from mailroot.edge.control import Refused
from mailroot.mail.faults import Misconfigured
from mailroot.settings.declared import key_parts
from mailroot.settings.keys import compared
from mailroot.settings.problem import Problems


def run(arguments: argparse.Namespace, service: Service) -> int:
    """Carry out `get`, `set`, `domain` or `config`. Raises `Fault`."""
    commands = {"get": _get, "set": _set, "domain": _domain, "config": _config}
    try:
        return commands[arguments.command](arguments, service)
    except Refused as fault:
        if fault.problems and arguments.command != "get":
            screen.complain(f"the settings of {arguments.elsewhere} were not changed:")
            return refuse(Problems(tuple(map(problem_of, fault.problems)), arguments.elsewhere), arguments)
        raise_as_here(fault)


def _get(arguments: argparse.Namespace, service: Service) -> int:
    value = _value(arguments.key, service)
    if arguments.json:
        print(screen.as_json(value))
    else:
        show_value(value)
    return 0


def _value(key: str, service: Service) -> object:
    """What an option is, as its file says or else by default; of a table, everything below it."""
    rows = service.ask("settings.get", {"key": key})["rows"]
    above = compared(key_parts(key))
    table: dict[str, Any] = {}
    for row in rows:
        parts = key_parts(row["path"])
        if parts == above:
            return row["value"] if row["set"] else row["effective"]
        inner = table
        for name in parts[len(above) : -1]:
            inner = inner.setdefault(name, {})
        inner[parts[-1]] = row["effective"]
    return table


def _set(arguments: argparse.Namespace, service: Service) -> int:
    value = typed_value(arguments.key, arguments.value)
    facts = service.ask("settings.change", {"values": {arguments.key: value}, **based_on(arguments)})
    if arguments.json:
        shown = {"key": arguments.key, "value": _value(arguments.key, service)}
        print(screen.as_json({"service": arguments.elsewhere, **shown, "running": True, **facts}))
    else:
        _tell(arguments.elsewhere, facts)
    return 0


def _domain(arguments: argparse.Namespace, service: Service) -> int:
    where = {"server": arguments.server} if arguments.server else {}
    if arguments.word == "list":
        screen.show_rows(COLUMNS, service.ask("domain.list", where), json_wanted=arguments.json)
        return 0
    operation, given = request(arguments)
    facts = service.ask(operation, {**given, **where, **based_on(arguments)})
    if arguments.json:
        shown = {**where, "domain": name_of(arguments), "running": True, **facts}
        print(screen.as_json({"service": arguments.elsewhere, **shown}))
    else:
        _tell(arguments.elsewhere, facts)
    return 0


def _config(arguments: argparse.Namespace, service: Service) -> int:
    """Copy a configuration from there into a file here, or from such a file to there."""
    if arguments.word == "export":
        if arguments.secrets:
            raise Misconfigured("secrets do not leave their machine this way; export there, without an address")
        answer = service.ask("config.export", {})
        return config.leave(arguments, answer["text"], answer["secrets_left_out"])
    if arguments.dry_run:
        raise Misconfigured("what would be adapted is known on the machine only; use --dry-run there")
    answer = service.ask("config.import", config.read(arguments))
    place = f"The configuration of {arguments.elsewhere}"
    return config.show_taken(arguments, place, config.fitted_there(answer), {"running": True, **answer})


def _tell(address: str, facts: Mapping[str, Any]) -> None:
    said = f"The settings of {address} are changed: revision {facts['revision']}."
    if not facts["changed"]:
        said = f"The settings of {address} are so already."
    screen.show("\n".join([said, *in_force(facts)]))
