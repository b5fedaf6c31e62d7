"""A look through the queue of one virtual server: how much waits for whom, and for how long.

It goes from page to page and rests between them, so that it takes a tenth of a worker's time at most. Nobody pays for
it while nobody wants to know.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mailroot.queue.entry import UNRESOLVED, Listed
from mailroot.queue.store import QueueStore
from mailroot.routing.plan import Plan
from mailroot.routing.route import DropRoute, RelayRoute

_PAGE = 500
_REST = 9  # seconds of rest for a second of work
# Destinations that are told apart; the others are added up. The first is for memory, the second for those who read.
_KNOWN, _TOLD = 10_000, 25
OTHERS = "(others)"


@dataclass(slots=True)
class Destination:
    """What waits for one next hop: how many recipients, and when the oldest of their messages arrived."""

    depth: int = 0
    oldest: float = float("inf")

    def add(self, arrived: float) -> None:
        """One recipient more."""
        self.depth += 1
        self.oldest = min(self.oldest, arrived)


@dataclass(slots=True)
class Seen:
    """What a look has seen: `levels` by the names of counters, and the destinations. `begun` in seconds since 1970."""

    begun: float
    levels: dict[str, int] = field(default_factory=dict)
    destinations: dict[str, Destination] = field(default_factory=dict)
    oldest: float = float("inf")

    def add(self, row: Listed, destination: str, local: bool) -> None:
        """One waiting recipient."""
        arrived = row.arrived.timestamp()
        self.oldest = min(self.oldest, arrived)
        place = "local" if local else "remote"
        if row.held == UNRESOLVED:
            self._one("categorizer_queue_length")
        elif row.held:
            self._one("held_current")
        elif row.leased and local:
            self._one("local_delivery_current")
        elif row.attempts and not row.leased:
            self._one(f"{place}_retry_queue_length")
            self._one("undeliverable_current")
        elif not row.leased:
            self._one(f"{place}_queue_length")
        if destination not in self.destinations and len(self.destinations) >= _KNOWN:
            destination = OTHERS
        self.destinations.setdefault(destination, Destination()).add(arrived)

    def _one(self, name: str) -> None:
        self.levels[name] = self.levels.get(name, 0) + 1

    def told(self, now: float) -> dict[str, Any]:
        """What others are told: the levels, and the deepest destinations with depth and age."""
        ranked = sorted(self.destinations.items(), key=lambda item: (item[0] == OTHERS, -item[1].depth))
        rows = [(name, one.depth, max(now - one.oldest, 0.0)) for name, one in ranked[:_TOLD]]
        rest = [one for _, one in ranked[_TOLD:]]
        if rest:
            oldest = min(one.oldest for one in rest)
            rows.append((OTHERS, sum(one.depth for one in rest), max(now - oldest, 0.0)))
        age = max(now - self.oldest, 0.0) if self.destinations else 0.0
        levels = {**self.levels, "queue_age_seconds": age, "queue_look_age_seconds": max(now - self.begun, 0.0)}
        return {"levels": levels, "destinations": rows}


async def look(stores: Sequence[QueueStore], plan: Callable[[], Plan], now: Callable[[], datetime]) -> Seen:
    """Look through all shards. Raises `Unavailable` where one cannot be read."""
    seen, places = Seen(now().timestamp()), _Places(plan)
    for store in stores:
        async for rows in _pages(store):
            for row in rows:
                seen.add(row, *places.of(row.recipient.rpartition("@")[2]))
    return seen


async def _pages(store: QueueStore) -> AsyncIterator[Sequence[Listed]]:
    """The pages of a shard, with a rest after each that is nine times as long as the work on it."""
    after = ""
    while True:
        rows = await store.page(after, _PAGE)
        begun = time.monotonic()
        yield rows
        if len(rows) < _PAGE:
            return
        after = f"{rows[-1].key}/{rows[-1].recipient_number}"
        await asyncio.sleep((time.monotonic() - begun) * _REST)


class _Places:
    """Where the recipients of a domain go: the name of the destination, and whether that is a Drop folder of ours."""

    def __init__(self, plan: Callable[[], Plan]) -> None:
        self._plan = plan
        self._known: dict[str, tuple[str, bool]] = {}

    def of(self, domain: str) -> tuple[str, bool]:
        """The place of a domain's recipients."""
        place = self._known.get(domain)
        if place is None:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            place = self._known[domain] = self._find(domain)
        return place

    def _find(self, domain: str) -> tuple[str, bool]:
        route = self._plan().route(domain)
        if isinstance(route, DropRoute):
            return route.domain, True
        return (route.destination if isinstance(route, RelayRoute) else domain), False
