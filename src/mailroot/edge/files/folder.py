"""A folder that is opened once and then used by its descriptor, so that no later swap of a path leads elsewhere.

Also who owns what is made in it, and whether its file system can be trusted with one sync for many files.
"""

import ctypes
import errno
import functools
import grp
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from mailroot.edge.files.durable import translated
from mailroot.mail.faults import Misconfigured

_LIBC = ctypes.CDLL(None, use_errno=True)

# Their syncfs waits for all data and reports what could not be written; on the others each file is synced alone.
_LOCAL_FILE_SYSTEMS = {"ext2", "ext3", "ext4", "xfs", "f2fs", "tmpfs"}


@dataclass(frozen=True, slots=True)
class Permissions:
    """Owner, group and mode of what is made; -1 and None leave them as the system sets them.

    `mode` is that of files; a folder also gets the right to be entered wherever its files may be read.
    """

    owner: int = -1
    group: int = -1
    mode: int | None = None

    @property
    def folder_mode(self) -> int | None:
        """The mode of folders; None as for files."""
        return None if self.mode is None else self.mode | (self.mode & 0o444) >> 2

    def apply(self, descriptor: int, mode: int | None) -> None:
        """Give an open file or folder its owner, group and mode. Raises `OSError`."""
        if self.owner != -1 or self.group != -1:
            os.fchown(descriptor, self.owner, self.group)
        if mode is not None:
            os.fchmod(descriptor, mode)


def permissions(owner: str, group: str, mode: str) -> Permissions:
    """The permissions that three settings name: account and group by name or number, mode in octal; "" for each: none.

    Raises `Misconfigured` for an account, a group or a mode that does not exist.
    """
    try:
        return Permissions(
            owner=-1 if not owner else int(owner) if owner.isdigit() else pwd.getpwnam(owner).pw_uid,
            group=-1 if not group else int(group) if group.isdigit() else grp.getgrnam(group).gr_gid,
            mode=int(mode, 8) & 0o7777 if mode else None,
        )
    except (KeyError, ValueError) as fault:
        raise Misconfigured(f"owner {owner!r}, group {group!r}, mode {mode!r}: {fault}") from fault


class Folder:
    """An open folder. Its methods raise `OSError`."""

    def __init__(self, path: str, permissions: Permissions | None = None) -> None:
        """Open the folder; where it is missing, it is made, its parents too, with the permissions."""
        self.path = path
        try:
            self.descriptor = _open(path)
        except FileNotFoundError:
            Path(path).mkdir(parents=True, exist_ok=True)
            self.descriptor = _open(path)
            if permissions is not None:
                permissions.apply(self.descriptor, permissions.folder_mode)
        self.status = os.fstat(self.descriptor)

    @functools.cached_property
    def trusted(self) -> bool:
        """Whether one syncfs makes every file of the group durable, or fails."""
        return _reports_errors() and _file_system(self.status.st_dev) in _LOCAL_FILE_SYSTEMS

    @property
    def current(self) -> bool:
        """Whether the path still leads to this folder."""
        try:
            found = Path(self.path).stat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == (self.status.st_dev, self.status.st_ino)

    @property
    def world_writable(self) -> bool:
        """Whether any account of the machine may put files here."""
        return bool(os.fstat(self.descriptor).st_mode & stat.S_IWOTH)

    def sync(self) -> None:
        """Make the folder's names durable. A failure is never answered by trying again."""
        os.fsync(self.descriptor)

    def sync_file_system(self) -> None:
        """Make everything written to the file system durable.

        Fails if anything failed to be written since this folder was opened (Linux 5.8, `syncfs(2)`).
        """
        if _LIBC.syncfs(self.descriptor) != 0:
            number = ctypes.get_errno() or errno.EIO
            raise OSError(number, os.strerror(number), self.path)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.descriptor)


def check_folder(path: str, permissions: Permissions) -> None:
    """Make a folder where it is missing, and see that files can be made there.

    Raises `Misconfigured` or `Unavailable`, naming the folder.
    """
    with translated("the folder cannot be used; choose another one, or let the service's account write there"):
        Folder(path, permissions).close()
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)


def _open(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


@functools.cache
def _reports_errors() -> bool:
    release = os.uname().release.split(".")
    return (int(release[0]), int(release[1])) >= (5, 8)


def _file_system(device: int) -> str:
    """The kind of the file system with this device number; "" where the system does not tell."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        if line.split(" ", 3)[2] == wanted:
            return line.partition(" - ")[2].split(" ", 1)[0]
    return ""
