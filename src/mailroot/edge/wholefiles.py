"""Files that appear whole and durable, or not at all: written under a hidden name, synced in groups, then renamed.

A program that looks at the folder never sees half a file, not after a power cut either. A name is made by the caller
from what the file holds, so that a name that exists tells that its file was delivered by a run that died.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from mailroot.edge.folder import Folder, Permissions
from mailroot.mail.faults import Unavailable

GROUP_LIMIT = 256  # open files of one group; each holds a descriptor
_FEW = 2  # up to here, syncing file by file is cheaper than a whole file system
_PART = ".part"
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to be: its folder, its final name, and its content in pieces, each a list of buffers for one write."""

    folder: str
    name: str
    pieces: Callable[[], Iterable[Sequence[bytes | memoryview]]]


@dataclass(slots=True)
class Staged:
    """A file that is written but not yet durable or visible. `descriptor` is -1 where the final name exists already."""

    folder: Folder
    name: str
    temporary: str
    descriptor: int


class WholeFiles:
    """Writes files into any number of folders. Used by one thread at a time.

    `writer` names this writer among all that may ever write into the same folders (a server's worker): what it left
    half written in a former life is swept when a folder is opened.
    """

    def __init__(self, writer: str, permissions: Permissions | None = None) -> None:
        self._prefix = f".{writer}-"
        self._permissions = permissions
        self._folders: dict[str, Folder] = {}

    def open(self, paths: Iterable[str]) -> None:
        """Make folders that are missing, and sweep them. Raises `OSError`."""
        for path in paths:
            self._folder(path)

    def refresh(self) -> None:
        """Let go of folders whose paths lead elsewhere by now (removed, replaced); they are opened again on demand."""
        for path in [path for path, folder in self._folders.items() if not folder.current]:
            self._folders.pop(path).close()

    def stage(self, new: NewFile) -> Staged:
        """Write a file under its hidden name.

        Raises `OSError`, or `Unavailable` where the content cannot be read; then nothing is left of it.
        """
        folder = self._folder(new.folder)
        staged = Staged(folder, new.name, f"{self._prefix}{new.name}{_PART}", -1)
        if os.access(new.name, os.F_OK, dir_fd=folder.descriptor, follow_symlinks=False):
            return staged
        staged.descriptor = _create(folder, staged.temporary)
        try:
            for buffers in new.pieces():
                _write(staged.descriptor, buffers)
            if self._permissions is not None:
                self._permissions.apply(staged.descriptor, self._permissions.mode)
        except (OSError, Unavailable):
            _discard(staged)
            raise
        return staged

    def publish(self, group: Sequence[Staged]) -> list[OSError | None]:
        """Make files durable, then visible, then their names durable; for each, None or why it could not be done.

        Files of one folder become visible in the order of the group. What failed is removed.
        """
        failed: dict[int, OSError] = {}
        written = [staged for staged in group if staged.descriptor != -1]
        _sync(written, failed)
        for staged in written:
            _close(staged, failed)
            if id(staged) not in failed:
                _rename(staged, failed)
        for staged in written:
            if id(staged) in failed:
                _unlink(staged.folder, staged.temporary)
        self._sync_names(group, failed)
        return [failed.get(id(staged)) for staged in group]

    def close(self) -> None:
        """Close the folders."""
        while self._folders:
            self._folders.popitem()[1].close()

    def _sync_names(self, group: Sequence[Staged], failed: dict[int, OSError]) -> None:
        for folder in {id(staged.folder): staged.folder for staged in group}.values():
            try:
                folder.sync()
            except OSError as fault:
                # The names may be lost: they are taken back, so that the next attempt writes and syncs them anew.
                for staged in group:
                    if staged.folder is folder and failed.setdefault(id(staged), fault) is fault:
                        _unlink(folder, staged.name)

    def _folder(self, path: str) -> Folder:
        folder = self._folders.get(path)
        if folder is None:
            folder = Folder(path, self._permissions)
            self._sweep(folder)
            self._folders[path] = folder
        return folder

    def _sweep(self, folder: Folder) -> None:
        for name in _names(folder):
            if name.startswith(self._prefix) and name.endswith(_PART):
                _unlink(folder, name)


def _names(folder: Folder) -> Iterator[str]:
    with os.scandir(folder.descriptor) as entries:
        for entry in entries:
            yield entry.name


def _create(folder: Folder, name: str) -> int:
    """A new file, never one that somebody else put or linked there."""
    try:
        return os.open(name, _FLAGS, 0o666, dir_fd=folder.descriptor)
    except FileExistsError:
        _unlink(folder, name)
        return os.open(name, _FLAGS, 0o666, dir_fd=folder.descriptor)


def _write(descriptor: int, buffers: Sequence[bytes | memoryview]) -> None:
    """Write all buffers, however often the system takes only a part of them (a disk that is getting full)."""
    size = sum(map(len, buffers))
    written = os.writev(descriptor, buffers)
    if written == size:
        return
    rest = memoryview(b"".join(buffers))[written:]
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync(written: Sequence[Staged], failed: dict[int, OSError]) -> None:
    """Make contents durable: one sync for all files of a file system where that can be trusted, else one for each."""
    shared: dict[int, list[Staged]] = {}  # by device
    for staged in written:
        if len(written) > _FEW and staged.folder.trusted:
            shared.setdefault(staged.folder.status.st_dev, []).append(staged)
            continue
        try:
            os.fsync(staged.descriptor)
        except OSError as fault:
            failed[id(staged)] = fault
    for members in shared.values():
        try:
            members[0].folder.sync_file_system()
        except OSError as fault:
            failed.update((id(staged), fault) for staged in members)


def _close(staged: Staged, failed: dict[int, OSError]) -> None:
    try:
        os.close(staged.descriptor)
    except OSError as fault:
        failed.setdefault(id(staged), fault)
    staged.descriptor = -1


def _rename(staged: Staged, failed: dict[int, OSError]) -> None:
    place = staged.folder.descriptor
    try:
        os.rename(staged.temporary, staged.name, src_dir_fd=place, dst_dir_fd=place)
    except OSError as fault:
        failed[id(staged)] = fault


def _discard(staged: Staged) -> None:
    os.close(staged.descriptor)
    _unlink(staged.folder, staged.temporary)


def _unlink(folder: Folder, name: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=folder.descriptor)
