"""A reserve of disk space, so that a full disk can still be emptied: settling a delivery writes before it frees."""

import contextlib
import os
from pathlib import Path

# Room for the log of some thousand settlements.
RESERVE = 4 * 1024 * 1024


class DiskReserve:
    """A file of allocated but unused blocks that is given up when the disk is full, and taken again when it is not."""

    def __init__(self, path: Path, size: int = RESERVE) -> None:
        self._path = path
        self._size = size
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.there = False
        self.restore()

    def restore(self) -> bool:
        """Try to take the space again; whether it is there."""
        try:
            os.posix_fallocate(self._descriptor, 0, self._size)
        except OSError:
            self.release()
        else:
            self.there = True
        return self.there

    def release(self) -> None:
        """Give the space up."""
        self.there = False
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)

    def close(self) -> None:
        """Close the file; the space stays reserved for the next start."""
        os.close(self._descriptor)
