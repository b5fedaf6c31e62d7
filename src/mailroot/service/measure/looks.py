"""The looks through the queues of one worker (`service.measure.look`): at most one at a time for a virtual server."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

from mailroot.mail.faults import Unavailable
from mailroot.service.life.atwork import ServerAtWork
from mailroot.service.measure.look import Seen, look


class Looks:
    """Begins looks when somebody wants to know, and remembers what the last one saw."""

    def __init__(self, servers: Mapping[str, ServerAtWork], now: Callable[[], datetime]) -> None:
        self._servers = servers
        self._now = now
        self._seen: dict[str, Seen] = {}
        self._under_way: dict[str, tuple[asyncio.Task[None], Seen, float]] = {}

    async def seen(self, key: str, patience: float) -> Seen | None:
        """What is known of a virtual server: a look of this moment where it takes no longer than `patience` seconds.

        Else the last one that was finished, or, before there was one, what the first has seen so far. None where the
        queue cannot be read.
        """
        under_way = self._under_way.get(key)
        loop = asyncio.get_running_loop()
        if under_way is None or under_way[0].done():
            seen = Seen(self._now().timestamp())
            under_way = asyncio.create_task(self._look(key, seen)), seen, loop.time()
            self._under_way[key] = under_way
        left = patience - (loop.time() - under_way[2])  # nothing, where the look is known to be a long one
        if left > 0:
            await asyncio.wait([under_way[0]], timeout=left)
        return self._seen.get(key) or (None if under_way[0].done() else under_way[1])

    def known(self, key: str) -> Seen | None:
        """What the last look that was finished saw."""
        return self._seen.get(key)

    async def stop(self) -> None:
        """Look no more."""
        tasks = [task for task, *_ in self._under_way.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self, key: str, seen: Seen) -> None:
        parts = self._servers[key].parts
        try:
            await look([shard.store for shard in parts.shards], lambda: parts.current.rules.plan, self._now, seen)
        except Unavailable:
            self._seen.pop(key, None)
        else:
            self._seen[key] = seen
