"""The embedded queue: `queue.store.QueueStore` on SQLite, one shard with one owner.

A due recipient is found by an index, a lease is a mark in the due column; so a million entries cost nothing but disk.
What is promised is on the disk: the log is synced with each group (`edge.sqlite.writer`).

A damaged entry (its checksum does not fit) is set aside and told to `set_aside`; operators see it in lists, and
`retry` tries to read it again. A damaged database is not touched: opening says `Misconfigured`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mailroot.edge.files.contents import ContentFile, ContentFolder
from mailroot.edge.sqlite import operating
from mailroot.edge.sqlite.gathering import Request
from mailroot.edge.sqlite.listing import ordered, page, summed
from mailroot.edge.sqlite.opening import Opened, Recovered, Shard, open_shard
from mailroot.edge.sqlite.rows import draft_row
from mailroot.edge.sqlite.tables import Tables
from mailroot.edge.sqlite.writer import Writer
from mailroot.queue.entry import Lease, Listed, QueueEntry, SealedDraft, Settlement
from mailroot.queue.ordering import Ordered, Ordering
from mailroot.queue.selection import Change, Selection
from mailroot.queue.store import Changed, Taken
from mailroot.queue.summary import Summed

# A lease in the embedded queue ends with its owner's process, not at a time.
_UNTIL = datetime.max.replace(tzinfo=UTC)
_THAWED_AT_ONCE = 1_000


def _leases(entries: Sequence[QueueEntry]) -> list[Lease]:
    return [Lease(entry, _UNTIL) for entry in entries]


def _taken(page: tuple[list[QueueEntry], int, str]) -> Taken:
    entries, in_delivery, following = page
    return Taken(_leases(entries), in_delivery, following)


def _unheard(_key: str, _cause: str) -> None:
    """For those who do not want to hear of damaged entries."""


class SqliteQueue:
    """A durable queue in `HOME/Queue/SHARD.db`. Made by `open`; used in one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, shard: Shard) -> None:
        self._loop = loop
        self._shard = shard
        self._folder = ContentFolder(shard.home, shard.name)
        self._writer = Writer(loop, shard.now)
        self._opened: Opened | None = None

    @classmethod
    async def open(
        cls,
        home: Path,
        shard: str,
        *,
        now: Callable[[], datetime],
        longest_wait: timedelta = timedelta(hours=4),
        set_aside: Callable[[str, str], None] = _unheard,
        vfs: str | None = None,
    ) -> "SqliteQueue":
        """Open a shard, make it where there is none, recover and sweep what a dead process left.

        `longest_wait` is the longest retry interval: a due further ahead was set before the clock jumped back, and
        counts as now. `set_aside` hears the key of each damaged entry and the cause. Raises `Misconfigured` or
        `Unavailable`.
        """
        loop = asyncio.get_running_loop()

        def aside(key: str, cause: str) -> None:
            loop.call_soon_threadsafe(set_aside, key, cause)

        made = cls(loop, Shard(home, shard, now, aside, longest_wait, vfs))
        await made._writer.start(f"queue-{shard}", made._open)
        return made

    def _open(self) -> Opened:
        self._opened = open_shard(self._shard, self._folder)
        return self._opened

    @property
    def found(self) -> Recovered:
        """What opening the shard found."""
        assert self._opened is not None
        return self._opened.found

    def create_content(self) -> ContentFile:
        """A file for a draft's content that does not fit into a row (`contentfiles.ROW_LIMIT`). Blocks."""
        return self._folder.create()

    def commit(self, draft: SealedDraft) -> Awaitable[QueueEntry | None]:
        """See `QueueStore.commit`."""
        return self._writer.submit(Request(self._loop.create_future(), rows=(draft_row(draft),)))

    def settle(self, *settlements: Settlement, patient: bool = False) -> Awaitable[Sequence[QueueEntry]]:
        """See `QueueStore.settle`."""
        rows = tuple([draft_row(draft) for settlement in settlements for draft in settlement.reports])
        request = Request(self._loop.create_future(), rows=rows, settlements=settlements, patient=patient)
        return self._writer.submit(request)

    def claim(self, now: datetime, limit: int) -> Awaitable[Sequence[Lease]]:
        """See `QueueStore.claim`; it also stops at 8 MB of contents."""
        return self._call(lambda tables: _leases(tables.claim(now, limit)))

    def claim_held(self, domain: str, after: str, limit: int) -> Awaitable[Taken]:
        """See `QueueStore.claim_held`; a page also ends at 8 MB of contents."""
        return self._call(lambda tables: _taken(operating.claim_held(tables, domain, after, limit)))

    def count_held(self, domain: str) -> Awaitable[int]:
        """See `QueueStore.count_held`."""
        return self._call(lambda tables: operating.count_held(tables, domain))

    def held_domains(self) -> Awaitable[Sequence[str]]:
        """See `QueueStore.held_domains`."""
        return self._call(operating.held_domains)

    async def thaw(self, domain: str, now: datetime) -> int:
        """See `QueueStore.thaw`."""
        thawed = 0
        while True:
            count: int = await self._call(lambda tables: operating.thaw(tables, domain, now, _THAWED_AT_ONCE))
            thawed += count
            if count < _THAWED_AT_ONCE:
                return thawed

    def release(self, key: str, numbers: Sequence[int], due: datetime) -> Awaitable[None]:
        """See `QueueStore.release`."""
        return self._call(lambda tables: tables.release(key, numbers, due, self._shard.now()))

    def next_due(self) -> Awaitable[datetime | None]:
        """See `QueueStore.next_due`."""
        return self._call(lambda tables: tables.next_due(self._shard.now()))

    def failed(self, key: str) -> Awaitable[int]:
        """See `QueueStore.failed`; 0 where there is no such entry."""
        return self._call(lambda tables: tables.failed(key))

    def page(self, after: str, limit: int, key: str = "") -> Awaitable[Sequence[Listed]]:
        """See `QueueStore.page`."""
        return self._call(lambda tables: page(tables, after, limit, key))

    def ordered(self, ordering: Ordering, position: str, limit: int, key: str = "") -> Awaitable[Ordered]:
        """See `QueueStore.ordered`."""
        return self._call(lambda tables: ordered(tables, ordering, position, limit, key))

    def summed(self, after: str, limit: int) -> Awaitable[Summed]:
        """See `QueueStore.summed`."""
        return self._call(lambda tables: summed(tables, after, limit))

    def entry(self, key: str) -> Awaitable[QueueEntry | None]:
        """See `QueueStore.entry`."""
        return self._call(lambda tables: tables.entry(key))

    def change(self, selection: Selection, change: Change, after: str, limit: int) -> Awaitable[Changed]:
        """See `QueueStore.change`."""
        return self._call(lambda tables: operating.change(tables, selection, change, after, limit))

    def take(self, selection: Selection, after: str, limit: int) -> Awaitable[Taken]:
        """See `QueueStore.take`; a page also ends at 8 MB of contents."""
        return self._call(lambda tables: _taken(operating.take(tables, selection, after, limit)))

    def depth(self) -> Awaitable[int]:
        """See `QueueStore.depth`."""
        return self._call(lambda tables: tables.depth)

    def forget(self, claims: Sequence[str]) -> Awaitable[None]:
        """See `QueueStore.forget`."""
        return self._call(lambda tables: tables.forget(claims))

    async def close(self) -> None:
        """See `QueueStore.close`."""
        await self._writer.end()

    def _call(self, call: Callable[[Tables], object]) -> "asyncio.Future[Any]":
        return self._writer.submit(Request(self._loop.create_future(), call=call))
