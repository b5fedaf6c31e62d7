"""How many outgoing connections there may be, and who may have the next one."""

from collections import Counter
from collections.abc import Callable
from typing import Protocol


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


class Allotment:
    """Shares what the limit allows among destinations: who was denied a connection first has the next that ends."""

    def __init__(self, limit: ConnectionLimit) -> None:
        self._limit = limit
        self._denied: dict[str, Callable[[], None]] = {}

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
            self._denied.setdefault(destination, ask_again)
        return False

    def give(self, destination: str) -> None:
        """A connection has ended; the first of those who were denied one may ask again."""
        self._limit.give(destination)
        if self._denied:
            first = next(iter(self._denied))
            self._denied.pop(first)()
