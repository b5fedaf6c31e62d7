"""Daily caps over an end of the service: what was counted is written every few seconds and at each worker's end.

No message waits for it. What a kill of the whole service takes is what was counted since the last writing; what a
message costs the destination's cap is otherwise never forgotten. Turns are not kept: a rate begins anew.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

from mailroot.edge.dailycounts import DailyCounts, keep_counts, read_counts
from mailroot.edge.sharedcounts import SharedCounts
from mailroot.edge.sharedturns import TURN_SLOTS, SharedTurns, begin
from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.faults import Fault
from mailroot.service.life.slots import turns_slot
from mailroot.settings.service import Settings

EVERY = 2.0  # seconds between looks at whether something was counted
_DAY = 86_400


def turns_of(settings: Settings, counts: SharedCounts, worker: int) -> SharedTurns:
    """The turns of one worker."""
    return SharedTurns(counts, worker, turns_slot(settings), time.monotonic, time.time)


class DayCounts:
    """Keeps what `turns` count, for all workers, in the home of the first virtual server. `pool` is for the file."""

    def __init__(
        self,
        settings: Settings,
        turns: SharedTurns,
        pool: Executor,
        emit: Emit,
        epoch: Callable[[], int] = time.time_ns,
    ) -> None:
        self._home = _homes(settings)[0]
        self.turns = turns
        self._pool = pool
        self._emit = emit
        self._epoch = epoch
        self._kept = b""
        self._failing = False
        self._keeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Write from now on, whenever something was counted. One worker does it for all."""
        self._kept = self.turns.look()
        self._keeping = asyncio.create_task(self._keep_on())

    async def stop(self) -> None:
        """Write a last time: every worker does it at its end, so the last of them writes what all have counted."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        await self._keep()

    async def _keep_on(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            await self._keep()

    async def _keep(self) -> None:
        look = self.turns.look()
        if look == self._kept or not self.turns.counted()[1]:
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._pool, keep_counts, self._home, self._current)
        except Fault as fault:
            if not self._failing:
                self._emit(EVENTS.daily_counts_not_kept, cause=str(fault))
            self._failing = True
            return
        self._kept, self._failing = look, False

    def _current(self) -> DailyCounts:
        day, counts = self.turns.counted()
        return DailyCounts(self._epoch(), self.turns.salt, day, counts)


def recall(settings: Settings, counts: SharedCounts, emit: Emit, now: Callable[[], float] = time.time) -> None:
    """Go on with what was counted today, before any worker is born. What cannot be read is told, and begins anew."""
    found: list[DailyCounts] = []
    for home in _homes(settings):
        try:
            kept = read_counts(home)
        except Fault as fault:
            emit(EVENTS.daily_counts_lost, cause=str(fault))
            continue
        if kept is not None:
            found.append(kept)
    # A home that was once the first has a file too, an older one.
    latest = max(found, key=lambda one: one.written, default=DailyCounts(0, 0, 0, {}))
    today = int(now()) // _DAY
    ours = latest.day == today and all(place < TURN_SLOTS for place in latest.counts)
    begin(counts, turns_slot(settings), latest.salt if ours else 0, today, latest.counts if ours else {})


def _homes(settings: Settings) -> list[Path]:
    return [Path(settings.servers[key].home) for key in sorted(settings.servers)]
