"""Files that appear whole and durable, or not at all: written without a name, synced in groups, then given their names.

A program that looks at the folder never sees half a file, not after a power cut either. A name is made by the caller
from what the file holds, so that a name that exists tells that its file was delivered by a run that died.
A nameless file (O_TMPFILE) costs a quarter less than a hidden one that is renamed, and a crash leaves nothing of it;
where a file system has none (NFS, CIFS), the file has a hidden name meanwhile.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from mailroot.edge.files.folder import Folder, Permissions

_FEW = 2  # up to here, syncing file by file is cheaper than a whole file system
_PART = ".part"
_NAMED = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NAMELESS = os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to be: its folder, its final name, and its content in pieces, each a list of buffers for one write."""

    folder: str
    name: str
    pieces: Callable[[], Iterable[Sequence[bytes | memoryview]]]


@dataclass(slots=True)
class Staged:
    """A file that is written but not yet durable or visible.

    `temporary` is its hidden name, "" where it has none. `descriptor` is -1 where the final name exists already, and
    once the file is closed. `fault` is why it cannot be delivered.
    """

    folder: Folder
    name: str
    temporary: str
    descriptor: int
    fault: OSError | None = None


class WholeFiles:
    """Writes files into any number of folders. Used by one thread at a time.

    `writer` names this writer among all that may ever write into the same folders (a server's worker): what it left
    half written in a former life is swept when a folder is opened.
    """

    def __init__(self, writer: str, permissions: Permissions | None = None) -> None:
        self._prefix = f".{writer}-"
        self.permissions = permissions
        self._folders: dict[str, Folder] = {}

    def open(self, paths: Iterable[str]) -> None:
        """Make folders that are missing, and sweep them. Raises `OSError`."""
        for path in paths:
            self._folder(path)

    def refresh(self) -> None:
        """Let go of folders whose paths lead elsewhere by now (removed, replaced); they are opened again on demand."""
        for path in [path for path, folder in self._folders.items() if not folder.current]:
            self._folders.pop(path).close()

    def quick(self, path: str) -> bool:
        """Whether the folder is open and local, so that writing a short file into it does not wait for a disk."""
        folder = self._folders.get(path)
        return folder is not None and folder.trusted

    def stage(self, new: NewFile) -> Staged:
        """Write a file under its hidden name.

        Raises `OSError`, or `Unavailable` where the content cannot be read; then nothing is left of it.
        """
        folder = self._folder(new.folder)
        staged = Staged(folder, new.name, "", -1)
        # A nameless file needs no look: giving it a name that exists already does nothing.
        if not folder.trusted and os.access(new.name, os.F_OK, dir_fd=folder.descriptor, follow_symlinks=False):
            return staged
        self._create(staged)
        try:
            for buffers in new.pieces():
                _write(staged.descriptor, buffers)
            if self.permissions is not None:
                self.permissions.apply(staged.descriptor, self.permissions.mode)
        except BaseException:
            discard(staged)
            raise
        return staged

    def publish(self, group: Sequence[Staged]) -> None:
        """Make files durable, then visible, then their names durable.

        Files of one folder become visible in the order of the group. `Staged.fault` tells what failed; nothing is left
        of such a file.
        """
        sync_contents(group)
        for staged in group:
            appear(staged)
        sync_names(group)

    def close(self) -> None:
        """Close the folders."""
        while self._folders:
            self._folders.popitem()[1].close()

    def _folder(self, path: str) -> Folder:
        folder = self._folders.get(path)
        if folder is None:
            folder = Folder(path, self.permissions)
            self._sweep(folder)
            self._folders[path] = folder
        return folder

    def _create(self, staged: Staged) -> None:
        """Open a new file, never one that somebody else put or linked there."""
        folder = staged.folder
        if folder.trusted:
            staged.descriptor = os.open(".", _NAMELESS, 0o666, dir_fd=folder.descriptor)
            return
        staged.temporary = f"{self._prefix}{staged.name}{_PART}"
        try:
            staged.descriptor = os.open(staged.temporary, _NAMED, 0o666, dir_fd=folder.descriptor)
        except FileExistsError:
            _unlink(folder, staged.temporary)
            staged.descriptor = os.open(staged.temporary, _NAMED, 0o666, dir_fd=folder.descriptor)

    def _sweep(self, folder: Folder) -> None:
        for name in _names(folder):
            if name.startswith(self._prefix) and name.endswith(_PART):
                _unlink(folder, name)


def sync_contents(group: Sequence[Staged]) -> None:
    """Make contents durable: one sync for all files of a file system where that can be trusted, else one for each."""
    written = [staged for staged in group if staged.descriptor != -1]
    shared: dict[int, list[Staged]] = {}  # by device
    for staged in written:
        if len(written) > _FEW and staged.folder.trusted:
            shared.setdefault(staged.folder.status.st_dev, []).append(staged)
            continue
        try:
            os.fsync(staged.descriptor)
        except OSError as fault:
            staged.fault = fault
    for members in shared.values():
        try:
            members[0].folder.sync_file_system()
        except OSError as fault:
            for staged in members:
                staged.fault = fault


def appear(staged: Staged) -> None:
    """Give a file that is durable its name, and close it."""
    if staged.descriptor == -1:
        return
    place = staged.folder.descriptor
    try:
        if staged.fault is not None:
            pass
        elif staged.temporary:
            os.rename(staged.temporary, staged.name, src_dir_fd=place, dst_dir_fd=place)
        else:
            with contextlib.suppress(FileExistsError):
                os.link(f"/proc/self/fd/{staged.descriptor}", staged.name, dst_dir_fd=place, follow_symlinks=True)
    except OSError as fault:
        staged.fault = fault
    discard(staged) if staged.fault else _close(staged)


def discard(staged: Staged) -> None:
    """Drop a file that is not to appear."""
    if staged.descriptor == -1:
        return
    with contextlib.suppress(OSError):
        os.close(staged.descriptor)
    staged.descriptor = -1
    if staged.temporary:
        _unlink(staged.folder, staged.temporary)


def sync_names(group: Sequence[Staged]) -> None:
    """Make the names durable.

    Where that fails, the names may be lost: they are taken back, so that the next attempt writes and syncs them anew.
    """
    for folder in {id(staged.folder): staged.folder for staged in group}.values():
        try:
            folder.sync()
        except OSError as fault:
            _take_back([staged for staged in group if staged.folder is folder and staged.fault is None], fault)


def _take_back(group: Iterable[Staged], fault: OSError) -> None:
    for staged in group:
        staged.fault = fault
        _unlink(staged.folder, staged.name)


def _names(folder: Folder) -> Iterator[str]:
    with os.scandir(folder.descriptor) as entries:
        for entry in entries:
            yield entry.name


def _write(descriptor: int, buffers: Sequence[bytes | memoryview]) -> None:
    """Write all buffers, however often the system takes only a part of them (a disk that is getting full)."""
    size = sum(map(len, buffers))
    written = os.writev(descriptor, buffers)
    if written == size:
        return
    rest = memoryview(b"".join(buffers))[written:]
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _close(staged: Staged) -> None:
    try:
        os.close(staged.descriptor)
    except OSError as fault:
        staged.fault = fault
    staged.descriptor = -1


def _unlink(folder: Folder, name: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=folder.descriptor)
