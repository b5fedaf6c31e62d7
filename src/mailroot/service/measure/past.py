"""Keeps past figures: every ten seconds what has grown since, and how things stand, goes into the rings of each server.

One worker of the service does it, from the board that all share, in a thread for the files: it costs no message
anything. Where figures cannot be written they are missing later, and mail goes on.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from functools import partial

from mailroot.edge.history import MOST, RINGS, HistoryFile, Ring
from mailroot.edge.sharedboard import SharedBoard
from mailroot.edge.sharedcounts import SharedCounts
from mailroot.mail.faults import Fault
from mailroot.service.life.slots import connection_levels
from mailroot.service.measure.reading import merged
from mailroot.service.measure.samples import Sample, grown, looked, unpacked
from mailroot.settings.service import Settings

_EVERY = RINGS[0].step
_OLDEST = 60.0  # seconds; what a worker said of itself before is not so any more


class Past:
    """Keeps the past of virtual servers, each in its file. `connections` gives levels that no note has.

    `epoch` is in seconds since 1970, `now` in monotonic ones.
    """

    def __init__(
        self,
        files: Mapping[str, HistoryFile],
        board: SharedBoard,
        connections: Callable[[str], dict[str, float]],
        pool: Executor,
        *,
        epoch: Callable[[], float] = time.time,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._files = files
        self._board = board
        self._connections = connections
        self._pool = pool
        self._epoch = epoch
        self._now = now
        self._before, self._at = board.totals(), now()
        self._keeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Keep figures from now on."""
        self._keeping = asyncio.create_task(self._keep_on())

    async def stop(self) -> None:
        """Keep no more; what was not written is lost."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)

    async def _keep_on(self) -> None:
        while True:
            await asyncio.sleep(_EVERY - self._epoch() % _EVERY)
            await self.keep()

    async def keep(self) -> None:
        """Keep the figures of this moment."""
        samples = self._samples()
        moment = int(self._epoch()) - 1  # the step that has just ended
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._pool, _write, self._files, samples, moment)

    def _samples(self) -> dict[str, Sample]:
        totals, at = self._board.totals(), self._now()
        samples = {server: grown(self._before[server], totals[server], at - self._at) for server in self._files}
        self._before, self._at = totals, at
        for server, sample in samples.items():
            said = [self._said(worker, server) for worker in range(self._board.workers)]
            names = {name for one in said for name in one[0]}
            levels = {name: merged(name, [one[0].get(name, 0) for one in said]) for name in names}
            depths: dict[str, float] = {}
            for name, depth in (row for one in said for row in one[1].items()):
                depths[name] = depths.get(name, 0) + depth
            looked(sample, {**levels, **self._connections(server)}, depths)
        return samples

    def _said(self, worker: int, server: str) -> tuple[dict[str, float], dict[str, float]]:
        """What a worker says of a virtual server: levels, and what waits for whom."""
        note = self._board.read(worker)
        if note is None or note[0] > _OLDEST:
            return {}, {}
        told = json.loads(note[1])["servers"].get(server) or {}
        return told.get("levels", {}), {name: depth for name, depth, _ in told.get("destinations", ())}


def _write(files: Mapping[str, HistoryFile], samples: dict[str, Sample], moment: int) -> None:
    for server, file in files.items():
        try:
            file.write([_record(file, ring, moment // ring.step, samples[server]) for ring in RINGS])
        except (Fault, OSError):
            continue  # a disk that is full or gone: the figures of this moment are missing


def _record(file: HistoryFile, ring: Ring, step: int, sample: Sample) -> tuple[Ring, int, bytes]:
    """The record of a step, with what was kept in it before."""
    whole = Sample()
    for _, octets in file.read(ring, step, step):
        whole = unpacked(octets)
    whole.join(sample)
    return ring, step, whole.packed(MOST)


def past_of(settings: Settings, counts: SharedCounts, board: SharedBoard, pool: Executor) -> Past | None:
    """What keeps the past as these settings have it; None where none is kept."""
    folder = settings.service.history
    connections = partial(connection_levels, counts, settings)
    files = {server: HistoryFile(folder, server) for server in settings.servers}
    return Past(files, board, connections, pool) if folder else None
