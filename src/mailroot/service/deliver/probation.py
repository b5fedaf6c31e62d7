"""Guarantee G6: a suspect is worked on while nothing else is in flight in its worker, so that a death is its own fault.

Both waits have a limit, since an entry that is never tried would stay for ever, and one that takes its time must not
hold up the rest: after `patience` the suspect begins in company, or gets it.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator

_PATIENCE = 5.0  # seconds


class Probation:
    """One for all dispatchers of a worker. The common way costs no wait and no allocation."""

    def __init__(self, patience: float = _PATIENCE) -> None:
        self._patience = patience
        self._inside = 0
        self._shut = False
        self._outside: deque[asyncio.Future[None]] = deque()
        self._empty = asyncio.Event()
        self._turn = asyncio.Lock()

    async def enter(self) -> None:
        """Begin to work on an entry that is not suspect; `leave` ends it."""
        if not self._shut:
            self._inside += 1
            return
        entrance = asyncio.get_running_loop().create_future()
        self._outside.append(entrance)
        try:
            await entrance
        except asyncio.CancelledError:
            if entrance.done() and not entrance.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        """The work that `enter` began is over."""
        self._inside -= 1
        if not self._inside:
            self._empty.set()

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Work on a suspect alone; the next suspect comes after it, and after those who waited meanwhile."""
        async with self._turn:
            self._shut = True
            try:
                await self._be_alone()
                opening = asyncio.get_running_loop().call_later(self._patience, self._open)
                try:
                    yield
                finally:
                    opening.cancel()
            finally:
                self._open()

    async def _be_alone(self) -> None:
        if not self._inside:
            return
        self._empty.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                await self._empty.wait()

    def _open(self) -> None:
        """Let those in who wait; they count as inside at once, so that no next suspect overtakes them."""
        self._shut = False
        while self._outside:
            entrance = self._outside.popleft()
            if not entrance.done():
                entrance.set_result(None)
                self._inside += 1
