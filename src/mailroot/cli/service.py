"""The service that commands ask: the one of a settings file on this machine, or one elsewhere by its address.

A word `--server` whose value has "://" in it is such an address, wherever it stands; every other one names a virtual
server. The token comes from the environment or from a file, never from the command line, where everybody sees it.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from mailroot.admin.operations import BY_NAME
from mailroot.mail.faults import Misconfigured

_TOKEN, _TOKEN_FILE, _AUTHORITIES = "MAILROOT_TOKEN", "MAILROOT_TOKEN_FILE", "MAILROOT_AUTHORITIES"
_LONGEST_TOKEN = 512
_WORD = "--server"


class Service(Protocol):
    """Carries out operations."""

    def ask(self, operation: str, arguments: Mapping[str, object]) -> Any:
        """The result. Raises `Fault`."""


class LocalService:
    """The service that runs for a settings file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def ask(self, operation: str, arguments: Mapping[str, object]) -> Any:
        """See `Service`."""
        from mailroot.edge.control import ask  # noqa: PLC0415

        return ask(self._file, operation, arguments, BY_NAME[operation].seconds)


class DistantService:
    """A service by its address."""

    def __init__(self, url: str) -> None:
        from mailroot.edge.remoteservice import RemoteService  # noqa: PLC0415 - slow to import, and seldom needed

        self._service = RemoteService(url, _token(), os.environ.get(_AUTHORITIES, ""))

    def ask(self, operation: str, arguments: Mapping[str, object]) -> Any:
        """See `Service`."""
        row = BY_NAME[operation]
        if row.local:
            words = " ".join(row.words)
            raise Misconfigured(f"mailroot {words} names a folder of the machine: use it there, without an address")
        return self._service.ask("/".join(row.words), arguments, changes=row.changes)


def service_for(address: str, file: Path) -> Service:
    """The service of that address, or where there is none, of that settings file."""
    return DistantService(address) if address else LocalService(file)


def address_in(argv: Sequence[str]) -> tuple[str, list[str]]:
    """The address of a service among the words of a command, "" for none; and the other words."""
    address, rest, words = "", [], iter(argv)
    for word in words:
        name, _, value = word.partition("=")
        following = next(words, None) if word == _WORD else None
        found = following or (value if name == _WORD else "")
        if "://" in found:
            address = found
        else:
            rest += [word] if following is None else [word, following]
    return address, rest


def _token() -> str:
    file = os.environ.get(_TOKEN_FILE, "")
    token = os.environ.get(_TOKEN, "")
    if not token and file:
        try:
            token = Path(file).read_text(encoding="ascii")[:_LONGEST_TOKEN]
        except (OSError, UnicodeDecodeError) as fault:
            raise Misconfigured(f"{file}: the token cannot be read: {fault}") from fault
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable():
        raise Misconfigured(f"no token: put it into ${_TOKEN}, or the name of a file with it into ${_TOKEN_FILE}")
    return token
