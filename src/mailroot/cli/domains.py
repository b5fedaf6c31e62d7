"""Commands about domains. They change the settings file; a service that runs applies what they change."""

import argparse

from mailroot.cli import screen
from mailroot.cli.change import based_on, change
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
    operation, given = request(arguments)
    changed = change(file, operation, {**given, "server": server, **based_on(arguments)})
    if isinstance(changed, Problems):
        return refuse(changed, arguments)
    if arguments.json:
        print(screen.as_json({"file": str(file.path), "server": server, "domain": name_of(arguments), **changed.facts}))
    else:
        screen.show(changed.told(file))
    return 0


def request(arguments: argparse.Namespace) -> tuple[str, dict[str, object]]:
    """The operation that was typed, with its arguments but the virtual server."""
    given: dict[str, object] = {"name": arguments.name}
    if arguments.word in ("add", "set"):
        given["options"] = _table(arguments.options)
    if arguments.word == "rename":
        given["new"] = arguments.new
    return f"domain.{'change' if arguments.word == 'set' else arguments.word}", given


def _table(typed: list[str]) -> dict[str, str]:
    """Options by their names, so that whoever records them sees which are secrets. Raises `ValueError`."""
    pairs = [one.partition("=") for one in typed]
    for one, (name, sign, _) in zip(typed, pairs, strict=True):
        if not name or not sign:
            raise ValueError(f"{one}: an option is given as OPTION=VALUE, such as relay=true")
    return {name.strip(): value.strip() for name, _, value in pairs}


def name_of(arguments: argparse.Namespace) -> str:
    """The name that the domain has after the change."""
    return str(arguments.new if arguments.word == "rename" else arguments.name)
