"""Threads for calls that block: so many at once, so many that wait, and none that is waited for without end."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from mailroot.mail.faults import Unavailable

P = ParamSpec("P")
T = TypeVar("T")


class BoundedPool:
    """A pool of `threads`. A call that is given up after `patience` seconds keeps its thread until it returns.

    `what` names the calls in faults.
    """

    def __init__(self, what: str, threads: int, most: int, patience: float) -> None:
        self._what = what
        self._pool = ThreadPoolExecutor(threads, what)
        self._most = most
        self._patience = patience
        self._under_way = 0

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of a call in a thread, or what it raises; `Unavailable` where there are too many, or too slow."""
        if self._under_way >= self._most:
            raise Unavailable(f"{self._what}: {self._most} calls are under way")
        self._under_way += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, lambda: call(*args, **kwargs))
        future.add_done_callback(self._done)
        try:
            async with asyncio.timeout(self._patience):
                # What waits may be cancelled with its session; the thread cannot, so it goes on being counted.
                return await asyncio.shield(future)
        except TimeoutError as fault:
            raise Unavailable(f"{self._what}: no answer within {self._patience:g} s") from fault

    def _done(self, future: "asyncio.Future[T]") -> None:
        self._under_way -= 1
        if not future.cancelled():
            future.exception()  # whoever gave up is not told any more

    def close(self) -> None:
        """Begin no more calls; those under way are not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)
