"""The file of the embedded accounts: read again when it has changed, replaced whole and durably, private always."""

import secrets
from collections.abc import Callable
from pathlib import Path

from mailroot.edge.files.privatefile import PrivateFile, Stamp
from mailroot.mail.faults import Fault, Misconfigured, Unavailable
from mailroot.policy.account import SECRET_OCTETS, AccountBook, book_text, read_book

# A hundred thousand accounts with all their keys have less.
_LARGEST = 64 * 1024 * 1024


class AccountFile:
    """A file of accounts by its path. `owner` is the account that the service runs under, "" for ours."""

    def __init__(self, path: str, owner: str = "") -> None:
        self.path = Path(path)
        self._file = PrivateFile(self.path, "the accounts", _LARGEST, owner)

    def stamp(self) -> Stamp | None:
        """What changes with the file; None where it is not there. Raises `Fault`."""
        return self._file.stamp()

    def read(self) -> tuple[AccountBook, Stamp | None]:
        """What the file holds, and its stamp; no accounts where it is not there. Raises `Fault`."""
        found = self._file.read()
        if found is None:
            return AccountBook(secrets.token_bytes(SECRET_OCTETS)), None
        text, stamp = found
        try:
            return read_book(text), stamp
        except ValueError as fault:
            raise Misconfigured(f"{self.path}: {fault}; put back a copy, or remove it and add the accounts") from None

    def change(self, change: Callable[[AccountBook], AccountBook]) -> None:
        """Put what `change` makes of the accounts in their place; after a power cut one or the other is there, whole.

        What it raises leaves the file as it is. Raises `Fault`.
        """
        self._file.change(lambda: book_text(change(self.read()[0])))


class LiveAccounts:
    """The accounts as the file has them now: looked at each time, read again only where it has changed."""

    def __init__(self, file: AccountFile) -> None:
        self.file = file
        self._known: tuple[AccountBook, Stamp | None] | None = None

    @property
    def current(self) -> AccountBook | None:
        """What was read last, where the file is still the same. Raises `Fault`."""
        known = self._known
        return known[0] if known is not None and self.file.stamp() == known[1] else None

    def read(self) -> AccountBook:
        """Read the file again. Blocks for as long as that takes; raises `Unavailable`, whatever is wrong with it."""
        try:
            book, stamp = self.file.read()
        except Fault as fault:
            raise Unavailable(str(fault)) from fault
        if stamp is None and self._known is not None and self._known[1] is None:
            book = self._known[0]  # with the same secret, so that what is made up stays the same
        self._known = book, stamp
        return book
