"""Whole lines in a file into which several processes write.

Who appends holds the file's lock, so the header stands exactly once, and what one of them left half written is mended
by the next: after a full disk at once, after a crash with the next lines. Each file is opened for each batch, so that
it may be moved away at any time.
"""

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MODE = 0o640
_LOCK_PATIENCE, _LOCK_PAUSE = 2.0, 0.01
_CHUNK = 1 << 20
_FIELDS = b"\n#Fields: "
# Longer than any header and any line.
_LONGEST_LINE = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Known:
    """A file as we last left it: its identity, its size, and the directive that counts at its end."""

    device: int
    number: int
    size: int
    fields: bytes


class WholeLines:
    """Appends batches of whole lines. Used by one thread. Raises `OSError`, and nothing of the batch is there then."""

    def __init__(self) -> None:
        self._known: _Known | None = None

    def append(self, path: Path, header: bytes, lines: bytes, limit: int = 0) -> bool:
        """Append the lines, under the header where none like it counts there yet.

        False, and nothing done, where the file has lines already and would grow beyond `limit` octets (0: none).
        """
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
        try:
            with _locked(descriptor):
                return self._append(descriptor, path, header, lines, limit)
        finally:
            os.close(descriptor)

    def _append(self, descriptor: int, path: Path, header: bytes, lines: bytes, limit: int) -> bool:
        size = _mended(descriptor, os.fstat(descriptor).st_size)
        if limit and size > len(header) and size + len(lines) > limit:
            return False
        if not size and os.geteuid() == 0:  # processes of a lesser account, the folder's, write into the same file
            owner = path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        wanted = _directive(header)
        batch = lines if not wanted or (size and self._counting(descriptor, size) == wanted) else header + lines
        _write_all(descriptor, batch, size)
        status = os.fstat(descriptor)
        self._known = _Known(status.st_dev, status.st_ino, status.st_size, wanted)
        return True

    def _counting(self, descriptor: int, size: int) -> bytes:
        """The last directive that names fields; what others have appended since we wrote is looked through for it."""
        status, known = os.fstat(descriptor), self._known
        seen, fields = 0, b""
        if known is not None and (known.device, known.number) == (status.st_dev, status.st_ino) and known.size <= size:
            seen, fields = known.size, known.fields
        end = size
        while end > seen:
            start = max(seen, end - _CHUNK)
            # A little more on both sides: the line may lie across the border.
            chunk = b"\n" + os.pread(descriptor, end - start + _LONGEST_LINE, start)
            found = chunk.rfind(_FIELDS)
            if found >= 0:
                return chunk[found + 1 :].partition(b"\n")[0]
            end = start
        return fields


def _directive(header: bytes) -> bytes:
    """Its last line, which names the fields; b"" where the form has no header."""
    return header.removesuffix(b"\n").rpartition(b"\n")[2]


@contextlib.contextmanager
def _locked(descriptor: int) -> Iterator[None]:
    """Hold the file's lock. Raises `OSError` where somebody else keeps it for too long."""
    until = time.monotonic() + _LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > until:
                raise OSError(errno.EWOULDBLOCK, "another process keeps the file locked") from None
        time.sleep(_LOCK_PAUSE)
    yield  # closing the file gives the lock back


def _mended(descriptor: int, size: int) -> int:
    """The size without a line that was never finished, and without a header below which nothing stands then."""
    if not size or os.pread(descriptor, 1, size - 1) == b"\n":
        return size
    start = max(0, size - _LONGEST_LINE)
    tail = os.pread(descriptor, size - start, start)
    whole = start + tail.rfind(b"\n") + 1
    if whole <= _LONGEST_LINE and all(line.startswith(b"#") for line in os.pread(descriptor, whole, 0).splitlines()):
        whole = 0
    os.ftruncate(descriptor, whole)
    return whole


def _write_all(descriptor: int, batch: bytes, size: int) -> None:
    """Write all of the batch, or leave the file as it was. Raises `OSError`."""
    done = 0
    try:
        while done < len(batch):
            done += os.write(descriptor, batch[done:] if done else batch)
    except OSError:
        if done:
            os.ftruncate(descriptor, size)
        raise
