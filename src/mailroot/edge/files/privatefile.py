"""A private file of text: read only where it is trusted, replaced whole and durably.

Several programs may change it at the same time: each holds a lock of the folder meanwhile, for at most seconds.
"""

import contextlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mailroot.edge.files.durable import translated
from mailroot.edge.files.folderlock import alone
from mailroot.edge.files.keeper import give_to_keeper, keeper
from mailroot.edge.process import account_of
from mailroot.mail.faults import Misconfigured

_LOCK_SECONDS = 10.0
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

Stamp = tuple[int, int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class PrivateFile:
    """A file by its path. `what` names its content to people ("the accounts"), `largest` limits it, in octets.

    `owner` is the account that the service runs under; "" is ours, and for root that of the folder.
    """

    path: Path
    what: str
    largest: int
    owner: str = ""

    def stamp(self) -> Stamp | None:
        """What changes with the file; None where it is not there. Raises `Fault`."""
        with translated(f"{self.what} cannot be read"):
            try:
                return _stamp(self.path.lstat())
            except FileNotFoundError:
                return None

    def read(self) -> tuple[str, Stamp] | None:
        """What the file holds, and its stamp; None where it is not there. Raises `Fault`."""
        with translated(f"{self.what} cannot be read"):
            try:
                descriptor = os.open(self.path, _READ)
            except FileNotFoundError:
                return None
            with os.fdopen(descriptor, "rb") as file:
                status = os.fstat(file.fileno())
                self._check(status)
                octets = file.read(self.largest + 1)
        if len(octets) > self.largest:
            raise Misconfigured(f"{self.path}: larger than {self.largest} octets, so not {self.what}")
        try:
            return octets.decode(), _stamp(status)
        except UnicodeDecodeError as fault:
            raise Misconfigured(f"{self.path}: octet {fault.start} is not UTF-8") from None

    def change(self, change: Callable[[], str]) -> None:
        """Put what `change` makes in the file's place; after a power cut one or the other is there, whole.

        Nobody else changes the file meanwhile, so `change` may read it. What it raises leaves the file as it is. Raises
        `Fault`.
        """
        with alone(self.path, self.what, _LOCK_SECONDS) as folder:
            self._replace(folder, change().encode())

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
        if self.owner:
            return own | {account_of(self.owner)[0]}
        return own | {keeper(self.path.parent) or 0}

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
            if self.owner and os.geteuid() == 0:
                os.fchown(descriptor, *account_of(self.owner))
            elif not self.owner:
                give_to_keeper(descriptor, folder)
            os.fchmod(descriptor, 0o600)
            file.write(octets)
            file.flush()
            os.fsync(descriptor)


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode, status.st_uid


def _unlink(folder: int, name: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=folder)
