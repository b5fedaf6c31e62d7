"""The return of a directory: what waited for it is due then."""

from collections.abc import Callable
from datetime import datetime

from mailroot.queue.store import QueueStore
from mailroot.service.deliver.resolving import Resolver


class Returns:
    """Watches the directory for one store. `wake` is called when there is something to look at."""

    def __init__(self, store: QueueStore, now: Callable[[], datetime], wake: Callable[[], None]) -> None:
        self._store = store
        self._now = now
        self._wake = wake
        self._watched: Resolver | None = None
        self._seen = -1

    async def look(self, directory: Resolver | None) -> None:
        """Thaw what waits where the directory has come back, is another one or none, or has not been looked at yet."""
        returns = 0 if directory is None else directory.returns
        if directory is self._watched and returns == self._seen:
            return
        if directory is not None and directory is not self._watched:
            directory.when_back(self._wake)
        self._watched, self._seen = directory, returns
        await self._store.thaw("", self._now())
