"""How many outgoing connections there may be, and who may have the next one."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Protocol

# Seconds that a server may take to answer a call while destinations without any connection wait for one.
PATIENCE = 10.0


def reserve(total: int) -> int:
    """How many of all connections are kept for destinations that have none: slow ones must not take them all."""
    return total // 10


def allows(total: int, every: int, most: int, own: int) -> bool:
    """Whether there may be `every` connections, `own` of them to one destination; 0 is no limit in `total`, `most`."""
    if total and every > total - (reserve(total) if own > 1 else 0):
        return False
    return not most or own <= most


class ConnectionLimit(Protocol):
    """Counts outgoing connections. Workers may share one count."""

    def take(self, destination: str, most: int) -> bool:
        """Whether one more connection may be opened to the destination, up to `most`; if so, it is counted."""

    def give(self, destination: str) -> None:
        """A connection that was taken has ended."""

    @property
    def full(self) -> bool:
        """Whether there are as many connections as may be, to all destinations together."""


class CountedLimit:
    """The limit of one process: `total` connections; 0 is no limit."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._open: Counter[str] = Counter()
        self._sum = 0

    def take(self, destination: str, most: int) -> bool:
        """Whether one more connection may be opened to the destination, up to `most`; if so, it is counted."""
        if not allows(self._total, self._sum + 1, most, self._open[destination] + 1):
            return False
        self._open[destination] += 1
        self._sum += 1
        return True

    def give(self, destination: str) -> None:
        """A connection that was taken has ended."""
        self._sum -= 1
        self._open[destination] -= 1
        if not self._open[destination]:
            del self._open[destination]

    @property
    def full(self) -> bool:
        """Whether there are as many connections as may be, to all destinations together."""
        return 0 < self._total <= self._sum


class Allotment:
    """Shares what the limit allows among destinations: who was denied a connection first has the next that ends.

    For a destination that has none, an idle connection of another one ends, or the call that a server has not answered
    for the longest time.
    """

    def __init__(self, limit: ConnectionLimit) -> None:
        self._limit = limit
        self._denied: dict[str, Callable[[], None]] = {}
        self._idle: dict[int, Callable[[], None]] = {}
        self._calls: dict[asyncio.Task[None], float] = {}

    @property
    def crowded(self) -> bool:
        """Whether a destination without any connection waits for one."""
        return bool(self._denied)

    def take(self, destination: str, most: int, ask_again: Callable[[], None] | None) -> bool:
        """Whether one more connection may be opened. If not, `ask_again` is called once when one may be free."""
        if self._limit.take(destination, most):
            self._denied.pop(destination, None)
            return True
        if ask_again is not None:
            new = destination not in self._denied
            self._denied.setdefault(destination, ask_again)
            if self._limit.full:
                self._make_way(new)
        return False

    def idles(self, line: object, end: Callable[[], None]) -> None:
        """A line has nothing to say; `end` is called where its connection is needed more elsewhere."""
        self._idle[id(line)] = end

    def resumes(self, line: object) -> None:
        """An idle line is used again, or has ended."""
        self._idle.pop(id(line), None)

    def calls(self, call: asyncio.Task[None]) -> None:
        """A server is called; `call` is cancelled where it is not answered and the connection is needed elsewhere."""
        self._calls[call] = asyncio.get_running_loop().time()
        call.add_done_callback(lambda _: self._calls.pop(call, None))

    def _make_way(self, new: bool) -> None:
        """End one connection of those that do nothing: an idle one for each newcomer, or a call that lasts too long."""
        if self._idle:
            if new:
                self._idle.pop(next(iter(self._idle)))()
            return
        oldest = next(iter(self._calls), None)
        if oldest is not None and asyncio.get_running_loop().time() > self._calls[oldest] + PATIENCE:
            del self._calls[oldest]
            oldest.cancel()

    def give(self, destination: str) -> None:
        """A connection has ended; the first of those who were denied one may ask again."""
        self._limit.give(destination)
        if self._denied:
            first = next(iter(self._denied))
            self._denied.pop(first)()
