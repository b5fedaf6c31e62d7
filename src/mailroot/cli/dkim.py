"""The commands about keys that sign mail. They change the settings file; a service that runs applies the change."""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mailroot.cli import screen
from mailroot.cli.change import Changed, change
from mailroot.cli.commands import refuse
from mailroot.edge.files.durable import translated
from mailroot.edge.files.keeper import make_folder
from mailroot.edge.settingsfile import SettingsFile
from mailroot.edge.signingkeys import ReadKey, make, read, zone_line
from mailroot.edge.tls.identity import keep_private
from mailroot.mail.address import domain_key
from mailroot.mail.faults import Misconfigured
from mailroot.settings.declared import Parts, key_text
from mailroot.settings.dkim import EARLIEST, MOMENT, DkimKey, in_order
from mailroot.settings.dkimchecks import keys_in
from mailroot.settings.places import is_name
from mailroot.settings.problem import Problems
from mailroot.settings.service import Settings
from mailroot.settings.spelling import duration

FOLDER = "Dkim"
COLUMNS = ("server", "domain", "selector", "algorithm", "state", "active_from", "file")
# A record is in every cache that matters within two days; until then an older key signs.
_SPREADS = timedelta(days=2)


def run(arguments: argparse.Namespace, file: SettingsFile) -> int:
    """Carry out `dkim WHAT`. Raises `Fault`, and `ValueError` where the domain is none."""
    settings = file.load()
    if isinstance(settings, Problems):
        return refuse(settings, arguments)
    return {"new": _new, "list": _list, "record": _record}[arguments.word](arguments, file, settings)


# -- a new key


def _new(arguments: argparse.Namespace, file: SettingsFile, settings: Settings) -> int:
    domain = domain_key(arguments.name)
    if not is_name(domain):
        raise ValueError(f'{arguments.name}: not the name of a domain; write one such as "example.com"')
    server = _server(settings, arguments.server, domain)
    known = _keys(settings, server, domain)
    selector = arguments.selector or _free_selector(arguments.algorithm, known)
    if selector in known:
        raise ValueError(f"{selector}: {domain} has a key by that selector; name another")
    since = _since(arguments, known)
    path, pem = Path(file.folder, FOLDER, f"{domain}.{selector}.pem"), make(arguments.algorithm)
    _keep(path, pem)
    key: Parts = ("servers", server, "domains", domain, "dkim", selector)
    try:
        changed = change(file, "settings.change", {"values": _values(key, f"{FOLDER}/{path.name}", since)})
    except BaseException:
        path.unlink()
        raise
    if isinstance(changed, Problems):
        path.unlink()
        return refuse(changed, arguments)
    _say(arguments, changed, file, (domain, selector, str(path), since, read(pem.decode())))
    return 0


def _server(settings: Settings, wanted: str, domain: str) -> str:
    """The virtual server that is meant: the one that is named, the only one, or the only one with the domain."""
    if wanted:
        found = [key for key, server in settings.servers.items() if wanted in {key, server.name}]
    else:
        having = [key for key, server in settings.servers.items() if domain in server.domains]
        found = having if len(having) == 1 else [*settings.servers]
    if len(found) != 1:
        raise Misconfigured(f"name a virtual server by --server; there are: {', '.join(settings.servers)}")
    return found[0]


def _keys(settings: Settings, server: str, domain: str) -> dict[str, DkimKey]:
    known = settings.servers[server].domains.get(domain)
    return dict(known.dkim) if known is not None else {}


def _free_selector(algorithm: str, known: dict[str, DkimKey]) -> str:
    """A selector that tells the kind and the month: r202611, and r202611b where that is taken."""
    name = f"{algorithm[0]}{datetime.now(UTC):%Y%m}"
    names = [name, *(f"{name}{letter}" for letter in "bcdefghijklmnopqrstuvwxyz")]
    return next((free for free in names if free not in known), f"{name}-{len(known)}")


def _since(arguments: argparse.Namespace, known: dict[str, DkimKey]) -> datetime | None:
    """When the key begins to sign; None is at once. A successor waits until its record has spread."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    if arguments.after:
        after: timedelta = duration(timedelta(0)).parse(arguments.after)
        return now + after if after else now
    return now + _SPREADS if any(_algorithm(key) == arguments.algorithm for key in known.values()) else None


def _keep(path: Path, pem: bytes) -> None:
    if path.exists():
        raise Misconfigured(f"{path} is there already; move it away first, or name another selector")
    with translated(f"making the folder {path.parent}"):
        make_folder(path.parent, 0o700)
    keep_private(path, pem, by_hand=True)


def _values(key: Parts, path: str, since: datetime | None) -> dict[str, str]:
    values = {key_text((*key, "key_file")): path}
    return values if since is None else {**values, key_text((*key, "active_from")): MOMENT.text(since)}


def _say(
    arguments: argparse.Namespace,
    changed: Changed,
    file: SettingsFile,
    made: tuple[str, str, str, datetime | None, ReadKey],
) -> None:
    domain, selector, path, since, key = made
    line = zone_line(domain, selector, key.record)
    facts = {"domain": domain, "selector": selector, "file": path, "active_from": MOMENT.text(since), "record": line}
    if arguments.json:
        print(screen.as_json({**facts, **changed.facts}))
        return
    when = f"from {MOMENT.text(since)} on" if since is not None else "from now on"
    print(f"{path} has the private key. It signs mail from {domain} {when}.\nPut this record into DNS:\n{line}")
    screen.show(changed.told(file))


# -- what is there


def _list(arguments: argparse.Namespace, _file: SettingsFile, settings: Settings) -> int:
    """List the keys; 1 where one cannot be used."""
    rows = [row for row in _rows(settings) if arguments.server in {"", row["server"]}]
    screen.show_rows(COLUMNS, rows, json_wanted=arguments.json)
    return int(any(row["algorithm"] == "" for row in rows))


def _rows(settings: Settings) -> Iterator[dict[str, object]]:
    for server, name, selector, key in keys_in(settings):
        yield {
            "server": server,
            "domain": name,
            "selector": selector,
            "algorithm": _algorithm(key),
            "state": _state(selector, _keys(settings, server, name)),
            "active_from": MOMENT.text(key.active_from),
            "file": key.key_file,
        }


def _state(selector: str, keys: dict[str, DkimKey]) -> str:
    """Whether the key signs, waits for its moment, or rests because a later one of its kind signs."""
    key, now = keys[selector], datetime.now(UTC)
    try:
        read(key.key)
    except Misconfigured as fault:
        return str(fault)
    active = [name for name, one in in_order(keys) if (one.active_from or EARLIEST) <= now]
    if selector not in active:
        return "waits"
    last = [name for name in active if _algorithm(keys[name]) == _algorithm(key)][-1]
    return "signs" if selector == last else "rests"


def _algorithm(key: DkimKey) -> str:
    """ "rsa" or "ed25519"; "" for what is no key."""
    try:
        return read(key.key).algorithm.partition("-")[0]
    except Misconfigured:
        return ""


def _record(arguments: argparse.Namespace, _file: SettingsFile, settings: Settings) -> int:
    """Print the records of a domain as lines of a zone file."""
    domain = domain_key(arguments.name)
    server = _server(settings, arguments.server, domain)
    keys = {
        selector: key
        for selector, key in _keys(settings, server, domain).items()
        if arguments.selector in {"", selector}
    }
    if not keys:
        raise Misconfigured(f"{domain} has no such key; make one: ./mailroot dkim new {domain}")
    lines = [zone_line(domain, selector, read(key.key).record) for selector, key in keys.items()]
    print(screen.as_json(lines) if arguments.json else "\n".join(lines))
    return 0
