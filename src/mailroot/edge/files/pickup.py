"""The Pickup folder: which files are complete and ours to take, and the claims on them.

A file is claimed by a rename into this worker's folder under SortTemp; its claim is unique over time and stays its name
until its message is committed. Half-written files are left alone: their writers have them open, which a lease on the
file tells, or they still grow.
"""

import contextlib
import errno
import fcntl
import heapq
import os
import signal
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mailroot.edge.files.folder import Folder, Permissions

WHOLE_LIMIT = 128 * 1024  # octets; a larger file is streamed
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PIECE = 1 << 18
_STANDING = 2.0  # seconds; where there are no leases
_NO_LEASES = {errno.EACCES, errno.EPERM, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOLCK}


@dataclass(frozen=True, slots=True)
class Claimed:
    """A file that is ours. `name` is what it was called in Pickup, or its claim where that is not known any more."""

    claim: str
    name: str
    size: int

    @property
    def large(self) -> bool:
        """Whether it is too large to be read whole."""
        return self.size > WHOLE_LIMIT


@dataclass(frozen=True, slots=True)
class Busy:
    """A file that cannot be taken yet: it is being written, or locked."""

    name: str
    cause: str


@dataclass(frozen=True, slots=True)
class Unfit:
    """Something that is no message file and never will be: it is left where it is."""

    name: str
    cause: str


class PickupFolder:
    """The Pickup folder and this worker's claims. Used by one thread at a time; methods raise `OSError`."""

    def __init__(self, pickup: str, claims: str, lock: str, permissions: Permissions | None = None) -> None:
        """Open the folders; `claims` and `lock` (a file) belong to this worker and to all workers of the server."""
        self.folder = Folder(pickup, permissions)
        self._claims = Folder(claims)
        self._lock_path = lock
        self._lock = -1
        self._sizes: dict[str, tuple[tuple[int, int], float]] = {}

    def own(self) -> bool:
        """Become the one owner of the Pickup folder, or stay it; False while another worker is."""
        if self._lock != -1:
            return True
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            os.close(descriptor)
            if fault.errno in {errno.EWOULDBLOCK, errno.EACCES}:
                return False
            raise
        self._lock = descriptor
        return True

    def oldest(self, limit: int, left_out: frozenset[str]) -> list[str]:
        """The names of up to `limit` things in Pickup that are not left out, those changed longest ago first."""
        return [name for _, name in heapq.nsmallest(limit, self._dated(left_out))]

    def take(self, names: Sequence[str]) -> list[Claimed | Busy | Unfit]:
        """Claim files; what is gone meanwhile is not in the result. `sync` comes before any commit."""
        outcomes = [outcome for name in names if (outcome := self._take(name)) is not None]
        for outcome in outcomes:
            if not isinstance(outcome, Busy):
                self._sizes.pop(outcome.name, None)
        return outcomes

    def sync(self) -> None:
        """Make claims and removals durable: a claim that a power cut takes back would be taken by another worker."""
        self._claims.sync()
        self.folder.sync()

    def unfinished(self) -> list[Claimed]:
        """The claims that a former run of this worker left."""
        found = []
        with os.scandir(self._claims.descriptor) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    claim = entry.name.removesuffix(".eml")
                    found.append(Claimed(claim, entry.name, entry.stat(follow_symlinks=False).st_size))
        return found

    def read(self, claim: str) -> bytes:
        """The whole of a claimed file."""
        return b"".join(self.pieces(claim))

    def pieces(self, claim: str) -> Iterator[bytes]:
        """A claimed file in pieces."""
        descriptor = os.open(f"{claim}.eml", _FLAGS, dir_fd=self._claims.descriptor)
        try:
            while piece := os.read(descriptor, _PIECE):
                yield piece
        finally:
            os.close(descriptor)

    def remove(self, claims: Iterable[str]) -> None:
        """Remove claimed files; after `sync` their claims may be forgotten."""
        for claim in claims:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{claim}.eml", dir_fd=self._claims.descriptor)

    def close(self) -> None:
        """Give the folders and the ownership back."""
        if self._lock != -1:
            os.close(self._lock)
            self._lock = -1
        self.folder.close()
        self._claims.close()

    def _dated(self, left_out: frozenset[str]) -> Iterator[tuple[int, str]]:
        with os.scandir(self.folder.descriptor) as entries:
            for entry in entries:
                if entry.name in left_out:
                    continue
                with contextlib.suppress(FileNotFoundError):
                    yield entry.stat(follow_symlinks=False).st_mtime_ns, entry.name

    def _take(self, name: str) -> Claimed | Busy | Unfit | None:
        try:
            descriptor = os.open(name, _FLAGS, dir_fd=self.folder.descriptor)
        except FileNotFoundError:
            return None
        except OSError as fault:
            if fault.errno in {errno.ELOOP, errno.ENXIO, errno.ENODEV}:
                return Unfit(name, "a symbolic link, a socket or a device")
            return Busy(name, fault.strerror or str(fault))
        try:
            return self._take_open(name, descriptor)
        except FileNotFoundError:
            return None
        finally:
            os.close(descriptor)

    def _take_open(self, name: str, descriptor: int) -> Claimed | Busy | Unfit:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return Unfit(name, "not a regular file")
        if found.st_nlink != 1:
            return Unfit(name, "it has another name elsewhere (a hard link)")
        if not self._complete(name, descriptor, found):
            return Busy(name, "it is being written")
        claim = f"{found.st_ctime_ns:x}-{found.st_ino:x}"
        here, there = self.folder.descriptor, self._claims.descriptor
        os.rename(name, f"{claim}.eml", src_dir_fd=here, dst_dir_fd=there)
        moved = os.stat(f"{claim}.eml", dir_fd=there, follow_symlinks=False)
        if (moved.st_ino, moved.st_nlink) != (found.st_ino, 1):  # swapped after we looked
            os.rename(f"{claim}.eml", name, src_dir_fd=there, dst_dir_fd=here)
            return Busy(name, "it was replaced meanwhile")
        return Claimed(claim, name, moved.st_size)

    def _complete(self, name: str, descriptor: int, found: os.stat_result) -> bool:
        try:
            # A writer that opens the file in this moment breaks the lease: by a signal that does nothing by itself.
            fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as fault:
            if fault.errno in {errno.EAGAIN, errno.EWOULDBLOCK}:
                return False
            if fault.errno not in _NO_LEASES:
                raise
            return self._stands_still(name, (found.st_size, found.st_mtime_ns))
        return True

    def _stands_still(self, name: str, seen: tuple[int, int]) -> bool:
        """Whether size and time of change are what they were `_STANDING` seconds ago, at least."""
        before, since = self._sizes.get(name, ((-1, -1), 0.0))
        if before == seen:
            return time.monotonic() - since >= _STANDING
        self._sizes[name] = (seen, time.monotonic())
        return False
