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

from mailroot.queue.store import QueueStore
from mailroot.queue.summary import Sum
from mailroot.routing.plan import Plan
from mailroot.service.deliver.destinations import Destinations

_PAGE = 250  # recipients; where each is of another domain, that is some milliseconds of work, else about one
_REST, _MOST_REST = 9, 0.05  # seconds of rest for a second of work; and at most, after one part
# Destinations that are told apart; the others are added up. The first is for memory, the second for those who read.
_KNOWN, _TOLD = 10_000, 25
OTHERS = "(others)"


@dataclass(slots=True)
class Destination:
    """What waits for one next hop: how many recipients, and when the oldest of their messages arrived.

    `messages` counts one that has recipients in several domains of this hop once for each of them. `due` is the
    earliest next attempt; all moments are in seconds since 1970. `said` is an outcome of an attempt, one of the latest.
    """

    depth: int = 0
    oldest: float = float("inf")
    messages: int = 0
    held: int = 0
    due: float = float("inf")
    attempts: int = 0
    said: str = ""

    def add(self, one: Sum, messages: int) -> None:
        """More recipients; `messages` are those of their messages that were not counted before."""
        self.depth += one.recipients
        self.oldest = min(self.oldest, one.oldest.timestamp())
        self.messages += messages
        self.held += one.held + one.unresolved
        self.due = self.due if one.due is None else min(self.due, one.due.timestamp())
        self.attempts = max(self.attempts, one.attempts)
        self.said = one.said or self.said


@dataclass(slots=True)
class Seen:
    """What a look has seen: `levels` by the names of counters, and the destinations. `begun` in seconds since 1970.

    `whole` once everything was looked at.
    """

    begun: float
    levels: dict[str, int] = field(default_factory=dict)
    destinations: dict[str, Destination] = field(default_factory=dict)
    oldest: float = float("inf")
    whole: bool = False
    _lasts: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, one: Sum, destination: str, local: bool) -> None:
        """Recipients of a domain in one part of the queue."""
        self.oldest = min(self.oldest, one.oldest.timestamp())
        place = "local" if local else "remote"
        self._more("categorizer_queue_length", one.unresolved)
        self._more("held_current", one.held)
        self._more("local_delivery_current", one.leased if local else 0)
        self._more(f"{place}_retry_queue_length", one.tried)
        self._more("undeliverable_current", one.tried)
        self._more(f"{place}_queue_length", one.untried)
        if destination not in self.destinations and len(self.destinations) >= _KNOWN:
            destination = OTHERS
        self.destinations.setdefault(destination, Destination()).add(one, one.messages - self._again(one))

    def _again(self, one: Sum) -> int:
        """1 where the first of these messages is the last of the part before, which ended amid its recipients."""
        again = int(self._lasts.get((one.domain, one.via)) == one.first)
        self._lasts[one.domain, one.via] = one.last
        return again

    def next_part(self, sums: Sequence[Sum]) -> None:
        """Only who was in the part before can go on in this one."""
        ways = {(one.domain, one.via) for one in sums}
        self._lasts = {way: key for way, key in self._lasts.items() if way in ways}

    def _more(self, name: str, count: int) -> None:
        if count:
            self.levels[name] = self.levels.get(name, 0) + count

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


async def look(
    stores: Sequence[QueueStore], plan: Callable[[], Plan], now: Callable[[], datetime], seen: Seen | None = None
) -> Seen:
    """Look through all shards, into `seen` where it is given. Raises `Unavailable` where one cannot be read."""
    seen, places = seen or Seen(now().timestamp()), Destinations(plan)
    for store in stores:
        async for sums in _parts(store):
            seen.next_part(sums)
            for one in sums:
                seen.add(one, *places.of(one.domain, one.via))
    seen.whole = True
    return seen


async def _parts(store: QueueStore) -> AsyncIterator[Sequence[Sum]]:
    """The sums of the parts of a shard, with a rest after each that is nine times as long as the work on it.

    On a busy machine the work takes longer than it is; the rest does not grow with that.
    """
    after = ""
    while True:
        begun = time.monotonic()
        part = await store.summed(after, _PAGE)
        yield part.sums
        if not part.next:
            return
        after = part.next
        await asyncio.sleep(min((time.monotonic() - begun) * _REST, _MOST_REST))
