"""Tells when something new may be in a folder.

Only a hint: what is in the folder is learnt by looking. So events that the system dropped cost nothing, and a folder
that cannot be watched (a network share, no watches left) is looked at every now and then instead.
"""

import asyncio
import contextlib
import os

from asyncinotify import Inotify, Mask

_DRAIN = 1 << 16


class FolderWatch:
    """Watches a folder for files that are closed after writing or moved in."""

    def __init__(self, path: str) -> None:
        """Begin to watch. Needs the running event loop."""
        self._changed = asyncio.Event()
        self._inotify: Inotify | None = None
        with contextlib.suppress(OSError):
            self._inotify = Inotify()
            self._inotify.add_watch(path, Mask.CLOSE_WRITE | Mask.MOVED_TO | Mask.ONLYDIR)
            asyncio.get_running_loop().add_reader(self._inotify.fd, self._drain)

    async def wait(self, limit: float) -> bool:
        """Return True when something may be new since the last call returned, False after `limit` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._changed.wait()
        changed = self._changed.is_set()
        self._changed.clear()
        return changed

    def close(self) -> None:
        """Stop watching."""
        if self._inotify is not None:
            asyncio.get_running_loop().remove_reader(self._inotify.fd)
            self._inotify.close()
            self._inotify = None

    def _drain(self) -> None:
        # Which files it were does not matter: reading the bytes away costs a hundredth of making events of them.
        if self._inotify is not None:
            with contextlib.suppress(BlockingIOError):
                os.read(self._inotify.fd, _DRAIN)
            self._changed.set()
