"""Commands about domains. They change the settings file; a service that runs applies what they change."""

import argparse

from mailroot.cli import screen
from mailroot.cli.change import change
from mailroot.cli.commands import refuse
from mailroot.edge.settingsfile import SettingsFile
from mailroot.settings.domainrows import domain_rows
from mailroot.settings.problem import Problems
from mailroot.settings.serveredits import server_meant

COLUMNS = ("server", "domain", "type", "goes_to", "options")


def run(arguments: argparse.Namespace, file: SettingsFile) -> int:
    """Carry out what was typed. Raises `Fault`, and `ValueError` where the domain is none for it."""
    settings = file.load()
    if isinstance(settings, Problems):
        return refuse(settings, arguments)
    if arguments.word == "list":
        keys = [server_meant(settings, arguments.server)] if arguments.server else [*settings.servers]
        screen.show_rows(COLUMNS, domain_rows(settings, keys), json_wanted=arguments.json)
        return 0
    server = server_meant(settings, arguments.server)
    changed = change(file, *_request(arguments, server))
    if isinstance(changed, Problems):
        return refuse(changed, arguments)
    if arguments.json:
        print(screen.as_json({"file": str(file.path), "server": server, "domain": _name(arguments), **changed.facts}))
    else:
        screen.show(changed.told(file))
    return 0


def _request(arguments: argparse.Namespace, server: str) -> tuple[str, dict[str, object]]:
    """The operation that was typed, with its arguments."""
    given: dict[str, object] = {"name": arguments.name, "server": server}
    if arguments.word in ("add", "set"):
        given["options"] = _table(arguments.options)
    if arguments.word == "rename":
        given["new"] = arguments.new
    return f"domain.{'change' if arguments.word == 'set' else arguments.word}", given


def _table(typed: list[str]) -> object:
    """Options by their names, so that whoever records them sees which are secrets; what is none stays as typed."""
    pairs = [one.partition("=") for one in typed]
    return {name.strip(): value.strip() for name, _, value in pairs} if all(sign for _, sign, _ in pairs) else typed


def _name(arguments: argparse.Namespace) -> str:
    return str(arguments.new if arguments.word == "rename" else arguments.name)
