"""Large contents: files that are written while a message arrives, and belong to the queue once it is committed.

A draft's file lies in SortTemp/SHARD, the file of an entry in Queue/SHARD; both are on one file system, so that a
rename carries the one to the other.
"""

import itertools
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mailroot.edge.files.durable import fault_of, sync_folder, translated
from mailroot.mail.faults import StoreFailed, Unavailable

# Contents up to this size are kept in the database row (design: speed).
ROW_LIMIT = 128 * 1024
PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class FileContent:
    """Content that is a file. `checksum` is the CRC-32 of its octets; None where it is not known."""

    path: Path
    size: int
    checksum: int | None = None

    @property
    def in_memory(self) -> bool:
        """Always false."""
        return False

    def pieces(self) -> Iterator[bytes]:
        """The content from its beginning. Raises `Unavailable` before the last piece where the file is damaged."""
        left, checksum = self.size, 0
        with translated("reading a message's content"), self.path.open("rb", buffering=0) as file:
            while left > 0:
                piece = file.read(min(PIECE, left))
                if not piece:
                    raise Unavailable(f"{self.path}: shorter than the message that it holds")
                left -= len(piece)
                checksum = zlib.crc32(piece, checksum)
                if left == 0 and self.checksum is not None and checksum != self.checksum:
                    raise Unavailable(f"{self.path}: its checksum does not fit; the file is damaged")
                yield piece


class ContentFile:
    """A draft's content as it is being written. Its methods block: call them in a thread.

    What is not sealed goes with `discard`; what a dead process left behind is swept when the store is opened.
    """

    def __init__(self, path: Path) -> None:
        """Create the file; `path` must not exist yet. Raises `DiskFull`, `Misconfigured` or `Unavailable`."""
        self._path = path
        self._size = 0
        self._checksum = 0
        with translated("creating a message's content"):
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(self, data: bytes) -> None:
        """Append to the content. Raises `DiskFull` or `Unavailable`; then only `discard` is left."""
        view = memoryview(data)
        with translated(f"writing {self._path}"):
            while view:
                view = view[os.write(self._descriptor, view) :]
        self._size += len(data)
        self._checksum = zlib.crc32(data, self._checksum)

    def seal(self) -> FileContent:
        """Make the content durable. Raises `StoreFailed` where the sync fails; the file is then gone."""
        try:
            os.fsync(self._descriptor)
        except OSError as fault:
            self.discard()
            raise StoreFailed(str(fault_of(fault, f"syncing {self._path}"))) from fault
        os.close(self._descriptor)
        self._descriptor = -1
        return FileContent(self._path, self._size, self._checksum)

    def discard(self) -> None:
        """Remove the file; what cannot be removed is swept at the next start."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        remove(self._path)


def remove(path: Path) -> bool:
    """Remove a file; whether it is gone. What stays is an orphan, which is swept when the store is opened."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True


class ContentFolder:
    """The files of one shard: drafts in SortTemp, entries' contents in Queue."""

    def __init__(self, home: Path, shard: str) -> None:
        self.drafts = home / "SortTemp" / shard
        self.entries = home / "Queue" / shard
        self._created = itertools.count(1)  # drafts are created in several threads

    def make(self) -> None:
        """Make the folders durably."""
        with translated("making the queue's folders"):
            for folder in (self.entries, self.drafts):
                folder.mkdir(parents=True, exist_ok=True)
                sync_folder(folder.parent)
            sync_folder(self.entries.parent.parent)

    def create(self) -> ContentFile:
        """A new draft's content."""
        return ContentFile(self.drafts / f"{os.getpid()}-{next(self._created)}.tmp")

    def entry_file(self, key: str) -> Path:
        """Where the content of the entry with this key is."""
        return self.entries / f"{key}.msg"

    def adopt(self, content: FileContent, key: str) -> FileContent:
        """Give a draft's file to an entry; durable with the next `sync_entries`."""
        path = self.entry_file(key)
        with translated(f"moving {content.path} into the queue"):
            content.path.rename(path)
        return FileContent(path, content.size, content.checksum)

    def sync_entries(self) -> None:
        """Make the names of all adopted files durable."""
        sync_folder(self.entries)

    def entry_keys(self) -> list[str]:
        """The keys that files exist for."""
        return [path.stem for path in self.entries.iterdir() if path.suffix == ".msg"]

    def sweep_drafts(self) -> int:
        """Remove the drafts of a process that has ended; how many there were."""
        return sum(remove(path) for path in self.drafts.iterdir())
