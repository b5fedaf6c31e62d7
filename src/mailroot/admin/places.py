"""Places for questions to the service: each operator or token has a share, so that nobody's questions hold up others'.

What finds no place waits, bounded in number and in time, and whose own holds the fewest places is served first.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from mailroot.admin.access.access import Refusal
from mailroot.admin.asking import Asker
from mailroot.mail.by import By

SHARE, MOST, QUEUE = 8, 56, 32
"""Questions under way of one asker and of all together, which the line to the service has room for; waiting of one."""
_PATIENCE = 10.0  # seconds for a place to be free
_AGAIN = 1.0  # seconds after which it is worth to try again


class Places:
    """Who has how many places, and who waits for one."""

    def __init__(self, share: int = SHARE, most: int = MOST, queue: int = QUEUE, patience: float = _PATIENCE) -> None:
        self._share, self._most, self._queue, self._patience = share, most, queue, patience
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def taken(self, name: str) -> AsyncIterator[None]:
        """A place of this asker's. Raises `Refusal` where too many wait already, or it takes too long."""
        await self._take(name)
        try:
            yield
        finally:
            self._give_back(name)

    async def _take(self, name: str) -> None:
        mine = self._waiting.setdefault(name, deque())
        if len(mine) >= self._queue:
            raise Refusal("Too many questions at once; wait for the answers to those before.", _AGAIN)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        mine.append(turn)
        self._serve()
        taken = False
        try:
            async with asyncio.timeout(self._patience):
                await turn
            taken = True
        except TimeoutError as fault:
            raise Refusal("The questions before this one take too long; try again.", _AGAIN) from fault
        finally:
            if not taken:
                self._give_up(name, turn)

    def _give_up(self, name: str, turn: "asyncio.Future[None]") -> None:
        """It waits no more; where it was given a place in this very moment, that is another's."""
        if turn.done() and not turn.cancelled():
            self._give_back(name)
        elif turn in self._waiting.get(name, ()):
            self._waiting[name].remove(turn)
            self._forget(name)

    def _give_back(self, name: str) -> None:
        self._held[name] -= 1
        if not self._held[name]:
            del self._held[name]
        self._serve()

    def _serve(self) -> None:
        """Give the places that are free."""
        while self._held.total() < self._most:
            able = [name for name in self._waiting if self._held[name] < self._share]
            if not able:
                return
            name = min(able, key=self._held.__getitem__)
            turn = self._waiting[name].popleft()
            self._forget(name)
            if not turn.done():  # it may have been given up in this very moment
                turn.set_result(None)
                self._held[name] += 1

    def _forget(self, name: str) -> None:
        if not self._waiting[name]:
            del self._waiting[name]


class Shared:
    """An asker whose questions take places."""

    def __init__(self, asker: Asker, places: Places) -> None:
        self._asker = asker
        self._places = places

    async def ask(self, operation: str, arguments: Mapping[str, object], by: By) -> Any:
        """See `Asker`. Raises `Refusal` too."""
        async with self._places.taken(by.name):
            return await self._asker.ask(operation, arguments, by)
