"""Claims: what the queue holds is taken up when it is due, or when a domain's server asks, and there is room for it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from mailroot.mail.faults import StoreFailed, Unavailable
from mailroot.queue.entry import QueueEntry
from mailroot.queue.store import QueueStore
from mailroot.service.deliver.room import Room
from mailroot.service.report.ends import Ends

_CLAIM_AT_ONCE = 500
_LONGEST_SLEEP = 60.0
_STORE_PATIENCE = 1.0


class Claims:
    """Claims for one dispatcher: `begin` tries an entry, `hold` tells the senders of one that is held what is due."""

    def __init__(
        self,
        store: QueueStore,
        ends: Ends,
        room: Room,
        begin: Callable[[QueueEntry], None],
        hold: Callable[[QueueEntry], None],
    ) -> None:
        self._store = store
        self._ends = ends
        self._room = room
        self._begin = begin
        self._hold = hold
        self._wake = asyncio.Event()
        self.stopping = False

    def wake(self) -> None:
        """Something may be due: a hint, never needed for correctness."""
        self._wake.set()

    def stop(self) -> None:
        """Claim nothing more."""
        self.stopping = True
        self._wake.set()

    async def run(self, look: Callable[[], Awaitable[None]]) -> None:
        """Claim what is due, until it is stopped; `look` is what is to be seen to before each look."""
        while not self.stopping:
            self._wake.clear()
            try:
                await look()
                claimed = await self.claim()
                pause = 0.0 if claimed else await self._until_next()
            except StoreFailed as fault:
                self._ends.store_failed(fault)
                return
            except Unavailable:
                pause = _STORE_PATIENCE
            if pause:
                await self._sleep(pause)

    async def claim(self) -> bool:
        """Take up some of what is due; whether to look again at once."""
        limit = min(_CLAIM_AT_ONCE, self._room.left)
        if limit <= 0:
            await self._sleep(_STORE_PATIENCE)
            return True
        leases = await self._store.claim(self._ends.now(), limit)
        for lease in leases:
            self._take_up(lease.entry)
        return bool(leases)

    def _take_up(self, entry: QueueEntry) -> None:
        """Of those who are held, something is due to their senders; the others are tried."""
        held = tuple([one for one in entry.pending if one.held])
        if not held:
            self._begin(entry)
            return
        self._hold(replace(entry, pending=held))
        if len(held) < len(entry.pending):
            self._begin(replace(entry, pending=tuple([one for one in entry.pending if not one.held])))

    async def serve_held(self, domain: str) -> int:
        """Try what is held for a domain; see `Dispatcher.serve_held`."""
        served, after = 0, ""
        while not self.stopping:
            limit = min(_CLAIM_AT_ONCE, self._room.left)
            if limit <= 0:
                await self._sleep(_STORE_PATIENCE)
                continue
            page = await self._store.claim_held(domain, after, limit)
            for lease in page.leases:
                served += len(lease.entry.pending)
                self._begin(lease.entry)
            after = page.next
            if not after:
                break
        return served

    async def _until_next(self) -> float:
        due = await self._store.next_due()
        if due is None:
            return _LONGEST_SLEEP
        return min(max((due - self._ends.now()).total_seconds(), 0.01), _LONGEST_SLEEP)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass
