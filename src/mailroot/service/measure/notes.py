"""What a worker says of itself on the board: its memory, and how its queues stand.

Written often while somebody wants it, else now and then for the pictures of the past (`service.measure.past`).
"""

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from mailroot.edge.process import resident_octets
from mailroot.edge.sharedboard import SharedBoard
from mailroot.mail.faults import Unavailable
from mailroot.service.life.atwork import ServerAtWork
from mailroot.service.measure.looks import Looks

# Who wanted notes in the last minute and a half is expected to come again.
_WANTED = 90.0
# Seconds between looks at whether somebody wants one, between notes for one who has just asked, and between others.
_LOOK, _ASKED, _APART = 0.5, 1.0, 5.0
# And between notes, and looks through queues, that nobody asked for.
_UNASKED, _SELDOM = 10.0, 60.0
# Most queues are looked through in no time: the note waits so long for it.
_SOON = 0.25


class NoteWriter:
    """Writes the notes of one worker."""

    def __init__(
        self,
        board: SharedBoard,
        worker: int,
        servers: Mapping[str, ServerAtWork],
        looks: Looks,
        now: Callable[[], datetime],
    ) -> None:
        self._board = board
        self._worker = worker
        self._servers = servers
        self._looks = looks
        self._now = now
        self._writing: asyncio.Task[None] | None = None
        self._since_look = 0.0

    def start(self) -> None:
        """Write a note now, then every few seconds while notes are wanted."""
        self._writing = asyncio.create_task(self._write_on())

    async def stop(self) -> None:
        """Look and write no more."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        await self._looks.stop()

    async def _write_on(self) -> None:
        await self._write()
        rested = 0.0
        while True:
            await asyncio.sleep(_LOOK)
            rested += _LOOK
            asked = self._board.asked()
            wanted = asked < _WANTED
            if rested >= ((_ASKED if asked < 2 * _LOOK else _APART) if wanted else _UNASKED):
                self._since_look += rested
                await self._write(looking=wanted or self._since_look >= _SELDOM)
                rested = 0.0

    async def _write(self, *, looking: bool = True) -> None:
        if looking:
            self._since_look = 0.0
        servers = {key: await self._of(key, server, looking=looking) for key, server in self._servers.items()}
        note = {"pid": os.getpid(), "memory": resident_octets(), "servers": servers}
        self._board.note(self._worker, json.dumps(note).encode())

    async def _of(self, key: str, server: ServerAtWork, *, looking: bool) -> dict[str, Any]:
        """What is known of one virtual server: the last look that was finished, and the depth of this moment."""
        stores = [shard.store for shard in server.parts.shards]
        try:
            depth = sum([await store.depth() for store in stores])
        except Unavailable:
            return {}
        seen = await self._looks.seen(key, _SOON) if looking else self._looks.known(key)
        told: dict[str, Any] = {"levels": {}, "destinations": []}
        if seen is not None and seen.whole:
            told = seen.told(self._now().timestamp())
        told["levels"]["queue_depth"] = depth
        return told
