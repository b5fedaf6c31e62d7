"""A lock per shard: no second process may work on it."""

import fcntl
import os
from pathlib import Path

from mailroot.edge.files.durable import translated
from mailroot.mail.faults import Misconfigured


class ShardLock:
    """An exclusive lock on a file that names its holder. It ends with `release`, and with the process at the latest."""

    def __init__(self, path: Path) -> None:
        """Take the lock. Raises `Misconfigured`, naming the holder, where another process has it."""
        with translated("locking the queue"):
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 200, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise Misconfigured(
                f"{path}: this queue is in use by the process with the id {holder or 'unknown'}; "
                "end it, or give this service another home"
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode("ascii"), 0)

    def release(self) -> None:
        """Let the next one in."""
        os.close(self._descriptor)
