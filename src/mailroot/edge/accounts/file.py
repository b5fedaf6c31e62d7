"""The file of the embedded accounts: read again when it has changed, replaced whole and durably, private always.

Several programs may change it at the same time: each holds a lock of the folder meanwhile, for at most seconds.
"""

import contextlib
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from mailroot.edge.files.durable import translated
from mailroot.edge.files.folderlock import alone
from mailroot.edge.process import account_of
from mailroot.mail.faults import Fault, Misconfigured, Unavailable
from mailroot.policy.account import SECRET_OCTETS, AccountBook, book_text, read_book

# A hundred thousand accounts with all their keys have less.
_LARGEST = 64 * 1024 * 1024
_LOCK_SECONDS = 10.0
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

Stamp = tuple[int, int, int, int, int, int]


class AccountFile:
    """A file of accounts by its path. `owner` is the account that the service runs under, "" for ours."""

    def __init__(self, path: str, owner: str = "") -> None:
        self.path = Path(path)
        self._owner = owner

    def stamp(self) -> Stamp | None:
        """What changes with the file; None where it is not there. Raises `Fault`."""
        with translated("the accounts cannot be read"):
            try:
                return _stamp(self.path.lstat())
            except FileNotFoundError:
                return None

    def read(self) -> tuple[AccountBook, Stamp | None]:
        """What the file holds, and its stamp; no accounts where it is not there. Raises `Fault`."""
        with translated("the accounts cannot be read"):
            try:
                descriptor = os.open(self.path, _READ)
            except FileNotFoundError:
                return AccountBook(secrets.token_bytes(SECRET_OCTETS)), None
            with os.fdopen(descriptor, "rb") as file:
                status = os.fstat(file.fileno())
                self._check(status)
                octets = file.read(_LARGEST + 1)
        if len(octets) > _LARGEST:
            raise Misconfigured(f"{self.path}: larger than {_LARGEST} octets, so not a file of accounts")
        try:
            return read_book(octets.decode()), _stamp(status)
        except UnicodeDecodeError as fault:
            raise Misconfigured(f"{self.path}: octet {fault.start} is not UTF-8") from None
        except ValueError as fault:
            raise Misconfigured(f"{self.path}: {fault}; put back a copy, or remove it and add the accounts") from None

    def change(self, change: Callable[[AccountBook], AccountBook]) -> None:
        """Put what `change` makes of the accounts in their place; after a power cut one or the other is there, whole.

        What it raises leaves the file as it is. Raises `Fault`.
        """
        with alone(self.path, "the accounts", _LOCK_SECONDS) as folder:
            book, _ = self.read()
            self._replace(folder, book_text(change(book)).encode())

    def _check(self, status: os.stat_result) -> None:
        """A file that others may read, write or choose is none that we trust with passwords."""
        if not stat.S_ISREG(status.st_mode):
            raise Misconfigured(f"{self.path}: not a file")
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise Misconfigured(f"{self.path}: others may read or write it; chmod 600 {self.path}")
        if status.st_uid not in self._owners():
            raise Misconfigured(f"{self.path}: it belongs to another account; give it to the one of the service")

    def _owners(self) -> set[int]:
        own = {0, os.geteuid()}
        return own | {account_of(self._owner)[0]} if self._owner else own

    def _replace(self, folder: int, octets: bytes) -> None:
        draft = f".{self.path.name}.new"
        with translated(f"writing {self.path}"):
            # What a program left that was killed; nobody else writes one while we have the lock.
            _unlink(folder, draft)
            try:
                self._write(folder, draft, octets)
                os.rename(draft, self.path.name, src_dir_fd=folder, dst_dir_fd=folder)
            except OSError:
                _unlink(folder, draft)
                raise
            os.fsync(folder)

    def _write(self, folder: int, name: str, octets: bytes) -> None:
        descriptor = os.open(name, _NEW, 0o600, dir_fd=folder)
        with os.fdopen(descriptor, "wb") as file:
            if self._owner and os.geteuid() == 0:
                os.fchown(descriptor, *account_of(self._owner))
            os.fchmod(descriptor, 0o600)
            file.write(octets)
            file.flush()
            os.fsync(descriptor)


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


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode, status.st_uid


def _unlink(folder: int, name: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=folder)
