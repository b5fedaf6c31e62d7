"""A question that many ask at the same time, asked as seldom as can be, and for everybody after he came."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class AskedOnce(Generic[_T]):
    """Whoever comes while the question is under way shares the next one with all who come until that is asked."""

    def __init__(self, ask: Callable[[], Awaitable[_T]]) -> None:
        self._ask = ask
        self._under_way: asyncio.Task[_T] | None = None
        self._coming: asyncio.Task[_T] | None = None

    async def answer(self) -> _T:
        """The answer to a question that is asked from now on. Raises what the question does."""
        if self._coming is None:
            self._coming = asyncio.create_task(self._after(self._under_way))
            self._coming.add_done_callback(_known)
        return await asyncio.shield(self._coming)

    async def _after(self, before: "asyncio.Task[_T] | None") -> _T:
        if before is not None:
            await asyncio.wait({before})
        self._under_way, self._coming = self._coming, None
        return await self._ask()


def _known(task: "asyncio.Task[_T]") -> None:
    """Whoever waited may have gone: that it failed then is nobody's loss."""
    if not task.cancelled():
        task.exception()
