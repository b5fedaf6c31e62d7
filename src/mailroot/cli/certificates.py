"""The commands about certificates. They work on files, whether the service runs or not."""

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mailroot.cli import screen
from mailroot.edge.settingsfile import SettingsFile
from mailroot.edge.tls import certificates as certificatefolder
from mailroot.edge.tls.certificates import FOLDER, Named
from mailroot.edge.tls.identity import Identity, read_identity
from mailroot.mail.address import domain_key
from mailroot.mail.faults import Fault
from mailroot.settings.places import is_name
from mailroot.settings.problem import Problems

_SOON = timedelta(days=30)
_COLUMNS = ("server", "name", "hosts", "issuer", "expires", "state", "file")


def run(arguments: argparse.Namespace, file: SettingsFile) -> int:
    """Carry out `certificate WHAT`."""
    return {"new": _new, "request": _request, "import": _import, "list": _list}[arguments.what](arguments, file)


def _hosts(arguments: argparse.Namespace) -> tuple[str, ...]:
    hosts = tuple(domain_key(host) for host in arguments.hosts)
    for host in hosts:
        if not is_name(host.removeprefix("*.")):
            raise ValueError(f'{host}: not the name of a host; write one such as "mail.example.com"')
    return hosts


def _new(arguments: argparse.Namespace, file: SettingsFile) -> int:
    path = certificatefolder.make(Path(file.folder, FOLDER), _hosts(arguments))
    return _say(arguments, {"file": str(path)}, f"{path} has the certificate and its key.\n{_how_to_set(path)}")


def _request(arguments: argparse.Namespace, file: SettingsFile) -> int:
    path = certificatefolder.request(Path(file.folder, FOLDER), _hosts(arguments))
    key = path.with_suffix(".key")
    said = f"{path} is the request: have it signed. {key} is the key: it stays here.\n"
    said += f"Then: ./mailroot certificate import {path.stem} FILE"
    return _say(arguments, {"request": str(path), "key": str(key)}, said)


def _import(arguments: argparse.Namespace, file: SettingsFile) -> int:
    name = domain_key(arguments.name)
    if not is_name(name.removeprefix("_.").removeprefix("*.")):
        raise ValueError(f"{name}: not the name of a host")
    key = Path(arguments.key) if arguments.key else None
    folder = Path(file.folder, FOLDER)
    path, identity = certificatefolder.take(folder, name.replace("*", "_"), Path(arguments.certificate), key)
    facts = {"file": str(path), "hosts": list(identity.names), "expires": _moment(identity)}
    until = f"for {', '.join(identity.names)}, until {identity.expires:%Y-%m-%d}"
    return _say(arguments, facts, f"{path} has the certificate {until}, and its key.\n{_how_to_set(path)}")


def _how_to_set(path: Path) -> str:
    return f"To present it: ./mailroot set servers.default.access.certificate {path.parent.name}/{path.name}"


def _say(arguments: argparse.Namespace, facts: Mapping[str, object], text: str) -> int:
    if arguments.json:
        print(screen.as_json(facts))
    else:
        screen.show(text)
    return 0


def _list(arguments: argparse.Namespace, file: SettingsFile) -> int:
    """List what is presented; 1 where a certificate cannot be used, or has expired."""
    settings = file.load()
    if isinstance(settings, Problems):
        screen.complain(str(settings))
        return 2
    rows = [_row(named) for named in certificatefolder.named_in(settings)]
    screen.show_rows(_COLUMNS, rows, json_wanted=arguments.json)
    return int(any(row["state"] not in {"good", "expires soon"} for row in rows))


def _row(named: Named) -> dict[str, object]:
    row: dict[str, object] = {"server": named.server, "name": named.asked, "file": named.certificate}
    try:
        identity = read_identity(named.certificate, named.key)
    except Fault as fault:
        return {**row, "hosts": [], "issuer": "", "expires": "", "state": str(fault)}
    now = datetime.now(UTC)
    state = "expired" if identity.expires < now else "expires soon" if identity.expires < now + _SOON else "good"
    facts = {"hosts": list(identity.names), "issuer": identity.issuer, "expires": _moment(identity), "state": state}
    return {**row, **facts}


def _moment(identity: Identity) -> str:
    return identity.expires.isoformat(timespec="seconds")
