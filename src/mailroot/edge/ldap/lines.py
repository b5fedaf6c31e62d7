"""The connections to a directory: as few as serve, never more than so many, and to the next server where one fails.

Questions share connections. A server that failed is left alone for a while; a connection to one that was only the
second choice does not last long, so that the preferred one is gone back to.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from mailroot.edge.ldap.line import Line
from mailroot.edge.ldap.places import Approach, Place, call
from mailroot.mail.faults import ConnectionLost, Fault, Misconfigured, Unavailable
from mailroot.settings.places import DirectoryServer
from mailroot.wire.ldap.messages import Found, Result, Search

# Questions on one connection before another is opened; directories work on several at a time.
_CROWDED = 16
# More than these wait for room.
_MOST_ON_A_LINE = 100
# A connection may have been ended by the directory while it was idle: no fault of the question's.
_TRIES = 3
# Seconds that a server is left alone after a failure, and that connections last: to the first choice, and to others.
_LEFT_ALONE = 5.0
_LIFE, _SHORT_LIFE = 900.0, 60.0


class Lines:
    """Connections to the servers that `places` gives. Belongs to one event loop."""

    def __init__(
        self,
        places: Callable[[], Awaitable[Sequence[Place]]],
        approach: Approach,
        most: int,
        moment: Callable[[], float],
    ) -> None:
        self._places = places
        self._approach = approach
        self._most = most
        self._moment = moment
        self._lines: dict[Line, tuple[DirectoryServer, float]] = {}
        self._bad: dict[DirectoryServer, float] = {}
        self._opening: asyncio.Task[Line] | None = None
        self._room = asyncio.Semaphore(most * _MOST_ON_A_LINE)
        self._closed = False
        self.opened = 0
        """How many connections were opened."""

    @property
    def open(self) -> int:
        """How many connections stand."""
        return len(self._lines)

    @property
    def servers(self) -> tuple[str, ...]:
        """Those that we are connected to."""
        return tuple(sorted({str(server) for server, _ in self._lines.values()}))

    async def search(self, asked: Search) -> tuple[list[Found], Result, str]:
        """Entries, how the search ended, and the server. Raises `Unavailable` or `Misconfigured`.

        A search changes nothing, so it is asked again elsewhere where a connection breaks under it.
        """
        async with self._room:
            for _ in range(_TRIES):
                line = await self._line()
                server, _ = self._lines[line]
                try:
                    found, result = await line.search(asked, self._approach.wait)
                except ConnectionLost as fault:
                    self._drop(line)
                    lost = f"{server}: {fault}"
                    continue
                except Unavailable as fault:
                    self._late(line, server)
                    raise Unavailable(f"{server}: {fault}") from fault
                return found, result, str(server)
        raise Unavailable(lost)

    def _late(self, line: Line, server: DirectoryServer) -> None:
        """A server did not answer in time: the others are tried first now."""
        self._bad[server] = self._moment() + _LEFT_ALONE
        if line.end:
            self._drop(line)

    def close(self) -> None:
        """End all connections."""
        self._closed = True
        if self._opening is not None:
            self._opening.cancel()
        for line in list(self._lines):
            line.close()
        self._lines.clear()

    async def _line(self) -> Line:
        best = self._best()
        if best is None or (best.pending >= _CROWDED and len(self._lines) < self._most):
            opening = self._begin()
            if best is None:
                return await asyncio.shield(opening)
        return best

    def _best(self) -> Line | None:
        """The least busy connection; those that had their time end when they are idle."""
        now = self._moment()
        best: Line | None = None
        for line, (_, until) in list(self._lines.items()):
            if line.end or (now > until and not line.pending):
                self._drop(line)
            elif now <= until and (best is None or line.pending < best.pending):
                best = line
        return best

    def _drop(self, line: Line) -> None:
        self._lines.pop(line, None)
        line.close()

    def _begin(self) -> "asyncio.Task[Line]":
        """One connection is opened at a time, for whoever waits."""
        if self._opening is None or self._opening.done():
            self._opening = asyncio.get_running_loop().create_task(self._opened(), name="a line to a directory")
            self._opening.add_done_callback(_heard)
        return self._opening

    async def _opened(self) -> Line:
        if self._closed:
            raise Unavailable("the service stops")
        places, now = await self._places(), self._moment()
        fresh = [place for place in places if self._bad.get(place.server, 0.0) <= now]
        faults: list[Fault] = []
        for place in fresh or places:
            try:
                line = await call(place, self._approach)
            except (Unavailable, Misconfigured) as fault:
                self._bad[place.server] = self._moment() + _LEFT_ALONE
                faults.append(fault)
                continue
            life = _LIFE if place == places[0] else _SHORT_LIFE
            self._lines[line] = (place.server, self._moment() + life)
            self.opened += 1
            return line
        kind = Misconfigured if all(isinstance(fault, Misconfigured) for fault in faults) else Unavailable
        raise kind("; ".join(str(fault) for fault in faults))


def _heard(opening: "asyncio.Task[Line]") -> None:
    """What failed is told by whoever waited; where nobody did, the next one tries again."""
    if not opening.cancelled():
        opening.exception()
