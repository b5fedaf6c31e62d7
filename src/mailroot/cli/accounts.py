"""Commands about the accounts of the embedded store. They need no service; one that runs sees what they change."""

import argparse
from collections.abc import Iterable, Mapping

from mailroot.cli import screen
from mailroot.cli.typed import typed_password
from mailroot.edge.accounts.embedded import new_account
from mailroot.edge.accounts.file import AccountFile
from mailroot.edge.accounts.passwords import PasswordHashes
from mailroot.edge.settingsfile import SettingsFile
from mailroot.mail.faults import Misconfigured
from mailroot.policy.account import (
    AccountBook,
    KeptKeys,
    kept_keys,
    name_fault,
)
from mailroot.settings.access import Access, AccountSource
from mailroot.settings.problem import Problems
from mailroot.settings.service import Settings
from mailroot.wire.sasl.server import MECHANISMS, Need

COLUMNS = ("name", "mechanisms", "missing")


def run(arguments: argparse.Namespace, file: SettingsFile) -> int:
    """Carry out what was typed. Raises `Fault`."""
    settings = file.load()
    if isinstance(settings, Problems):
        screen.complain(str(settings))
        return 2
    path, kept = _store(settings, arguments.server)
    accounts = AccountFile(path, settings.service.run_as)
    if arguments.word == "list":
        screen.show_rows(COLUMNS, _rows(accounts.read()[0], kept), json_wanted=arguments.json)
        return 0
    try:
        said = _change(arguments, accounts, kept)
    except LookupError as fault:
        screen.complain(f"mailroot: {fault.args[0]} in {path}")
        return 1
    if arguments.json:
        print(screen.as_json({"file": path, **said}))
    else:
        mechanisms = said.get("mechanisms")
        signs_in = f"; it can sign in by {screen.cell(mechanisms)}" if mechanisms else ""
        screen.show(f"{said['account']}: {said['done']}{signs_in}")
        closed = _closed(settings, path)
        if mechanisms and closed:
            screen.show(f"But no server lets anybody sign in yet: ./mailroot set servers.{closed}.access.basic true")
    return 0


def _store(settings: Settings, wanted: str | None) -> tuple[str, KeptKeys]:
    """The file of accounts that is meant, and the keys that its servers need. Raises `Misconfigured`."""
    servers = settings.servers
    if wanted is not None and wanted not in servers:
        raise Misconfigured(f"--server {wanted}: there is no such virtual server; there are: {', '.join(servers)}")
    embedded = {key: one.access for key, one in servers.items() if one.access.accounts is AccountSource.EMBEDDED}
    meant = embedded if wanted is None else {key: access for key, access in embedded.items() if key == wanted}
    files = {access.account_file for access in meant.values()}
    if not files:
        key = wanted or next(iter(servers))
        source = servers[key].access.accounts.value
        raise Misconfigured(f'servers.{key}.access.accounts is "{source}": these accounts are changed elsewhere')
    if len(files) > 1:
        raise Misconfigured(f"the servers have accounts of their own: name one by --server {' or '.join(meant)}")
    path = files.pop()
    return path, kept_keys(_sharing(embedded, path))


def _sharing(embedded: Mapping[str, Access], path: str) -> Iterable[Access]:
    return (access for access in embedded.values() if access.account_file == path)


def _closed(settings: Settings, path: str) -> str:
    """The first server that has these accounts, where none of those lets anybody sign in; "" where one does."""
    having = {
        key: one.access
        for key, one in settings.servers.items()
        if one.access.accounts is AccountSource.EMBEDDED and one.access.account_file == path
    }
    return "" if any(one.basic or one.integrated for one in having.values()) else next(iter(having))


def _rows(book: AccountBook, kept: KeptKeys) -> Iterable[dict[str, object]]:
    for _, account in sorted(book.accounts.items()):
        missing = _mechanisms(kept.serve - account.serves)
        yield {"name": account.name, "mechanisms": _mechanisms(account.serves), "missing": missing}


def _mechanisms(needs: Iterable[Need]) -> list[str]:
    served = set(needs)
    return [row.name for row in MECHANISMS if row.needs in served]


def _change(arguments: argparse.Namespace, accounts: AccountFile, kept: KeptKeys) -> dict[str, object]:
    """Make the change; what was done. Raises `LookupError` where the account is there already, or is not."""
    name, word = arguments.name, arguments.word
    if word == "remove":
        accounts.change(lambda book: book.without(name))
        return {"account": name, "done": "removed"}
    fault = name_fault(name)
    if fault:
        raise Misconfigured(f"{name!r}: {fault}")
    book, _ = accounts.read()
    # Asked before the password is: nobody likes to type it twice for nothing.
    book.free(name) if word == "add" else book.known(name)
    account = new_account(name, typed_password(), kept, PasswordHashes())
    accounts.change(lambda now: now.added(account) if word == "add" else now.renewed(account))
    return {"account": name, "done": _done(word), "mechanisms": _mechanisms(account.serves)}


def _done(word: str) -> str:
    return "added" if word == "add" else "has its new password"
