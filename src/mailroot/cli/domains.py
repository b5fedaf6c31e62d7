"""Commands about domains. They change the settings file; a service that runs applies what they change."""

import argparse
from collections.abc import Iterator

from mailroot.cli import screen
from mailroot.cli.change import change
from mailroot.cli.commands import refuse
from mailroot.edge.settingsfile import SettingsFile
from mailroot.mail.faults import Misconfigured
from mailroot.settings.declared import Parts, key_text, values
from mailroot.settings.domainedits import DomainEdits
from mailroot.settings.domains import Domain, DomainType
from mailroot.settings.problem import Problems
from mailroot.settings.service import Settings
from mailroot.settings.spelling import toml_text
from mailroot.settings.virtualserver import VirtualServer

COLUMNS = ("server", "domain", "type", "goes_to", "options")
# What its own column tells, or the column "goes_to".
_TOLD = ("type", "drop", "route")


def run(arguments: argparse.Namespace, file: SettingsFile) -> int:
    """Carry out what was typed. Raises `Fault`, and `ValueError` where the domain is none for it."""
    settings = file.load()
    if isinstance(settings, Problems):
        return refuse(settings, arguments)
    if arguments.word == "list":
        keys = [_server(settings, arguments.server)] if arguments.server else [*settings.servers]
        screen.show_rows(COLUMNS, _rows(settings, keys), json_wanted=arguments.json)
        return 0
    server = _server(settings, arguments.server)
    changed = change(file, lambda text: _edited(arguments, file, text, server))
    if isinstance(changed, Problems):
        return refuse(changed, arguments)
    if arguments.json:
        print(screen.as_json({"file": str(file.path), "server": server, "domain": _name(arguments), **changed.facts}))
    else:
        screen.show(changed.told(file))
    return 0


def _server(settings: Settings, wanted: str) -> str:
    """The virtual server that is meant: by its short name, or by its display name."""
    for key, server in settings.servers.items():
        if wanted in {key, server.name}:
            return key
    known = ", ".join(settings.servers)
    if wanted:
        raise Misconfigured(f"--server {wanted}: there is no such virtual server; there are: {known}")
    if len(settings.servers) > 1:
        raise Misconfigured(f"there are several virtual servers; name one by --server: {known}")
    return next(iter(settings.servers))


def _edited(arguments: argparse.Namespace, file: SettingsFile, text: str, server: str) -> str:
    """The file's text with the change; its settings are read again, because they may have changed meanwhile."""
    settings = file.check(text)
    if isinstance(settings, Problems):
        raise Misconfigured(str(settings))
    edits = DomainEdits(text, settings, server)
    name = arguments.name
    match arguments.word:
        case "add":
            return edits.add(name, arguments.options)
        case "set":
            return edits.set(name, arguments.options)
        case "remove":
            return edits.remove(name)
        case "rename":
            return edits.rename(name, arguments.new)
    return edits.promote(name)


def _name(arguments: argparse.Namespace) -> str:
    return str(arguments.new if arguments.word == "rename" else arguments.name)


def _rows(settings: Settings, keys: list[str]) -> Iterator[dict[str, object]]:
    for key in keys:
        server = settings.servers[key]
        for name, domain in server.domains.items():
            options = [*_options(settings, ("servers", key, "domains", name))]
            yield {
                "server": key,
                "domain": name,
                "type": domain.type.value,
                "goes_to": _way(server, domain),
                "options": options,
            }


def _way(server: VirtualServer, domain: Domain) -> str:
    """Where mail for the domain goes, in a word or two."""
    if domain.type is not DomainType.REMOTE:
        return domain.drop
    hosts = domain.route or server.delivery.smart_host
    way = ", ".join(str(host) for host in hosts) if hosts else "MX"
    first = bool(hosts) and not domain.route and server.delivery.direct_first
    return f"MX, then {way}" if first else way


def _options(settings: Settings, above: Parts) -> Iterator[str]:
    """The domain's options that differ from their defaults, as they are typed."""
    for parts, found, value in values(settings):
        if parts[: len(above)] == above and parts[-1] not in _TOLD and value != found.default:
            yield f"{key_text(parts[len(above) :])}={_typed(found.text(value))}"


def _typed(value: object) -> str:
    return value if isinstance(value, str) else toml_text(value)
