"""The leases that a dispatcher holds: each ends with a settlement or a release, whatever happens to its work.

A lease of which neither came would last as long as the process, and its recipients would be stuck.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from mailroot.mail.faults import StoreFailed, Unavailable
from mailroot.queue.entry import Pending, QueueEntry, Settlement
from mailroot.queue.store import QueueStore

_PATIENCE = 1.0  # seconds between two tries

_Result = TypeVar("_Result")


class Leases:
    """What a store is told of leases. While its disk is full it is asked again; only `StoreFailed` is raised."""

    def __init__(self, store: QueueStore, now: Callable[[], datetime], wake: Callable[[], None]) -> None:
        """`wake` is called when recipients went back, so that their due is known to who claims them."""
        self._store = store
        self._now = now
        self._wake = wake
        self._abandoned: list[QueueEntry] = []

    async def settle(self, settlements: Sequence[Settlement], patient: bool = False) -> Sequence[QueueEntry]:
        """Apply settlements; the entries of their reports, leased. See `QueueStore.settle`."""
        return await self._insist(lambda: self._store.settle(*settlements, patient=patient))

    async def release(self, key: str, pending: Sequence[Pending], wait: timedelta) -> None:
        """Give recipients back unused; they are due again after `wait`."""
        numbers = [one.number for one in pending]
        await self._insist(lambda: self._store.release(key, numbers, self._now() + wait))
        self._wake()

    async def failed(self, key: str) -> int:
        """Count one more failure of the work on an entry; how many there were."""
        return await self._insist(lambda: self._store.failed(key))

    def abandon(self, *entries: QueueEntry) -> None:
        """Their work has been given up; `give_back` says so to the store."""
        self._abandoned += entries

    async def give_back(self) -> None:
        """Release what was abandoned. Of what was settled in the last moment nothing is leased any more."""
        abandoned, self._abandoned = self._abandoned, []
        for entry in abandoned:
            try:
                await self._store.release(entry.key, [one.number for one in entry.pending], self._now())
            except Unavailable:
                return  # the store has ended or is about to, and all leases with it

    async def _insist(self, call: Callable[[], Awaitable[_Result]]) -> _Result:
        while True:
            try:
                return await call()
            except StoreFailed:
                raise
            except Unavailable:
                await asyncio.sleep(_PATIENCE)
