"""Ordered lists of what waits, over every worker and every shard: a page at a time, forwards and backwards.

Every shard gives its rows in order; a page is merged of them. The cursor has the position of each shard, so that a page
is found as fast in the middle of a million rows as at their beginning.
"""

import asyncio
import heapq
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mailroot.mail.faults import Misconfigured
from mailroot.queue.ordering import By, Ordering
from mailroot.service.life.queuecontrol import no_cursor, selection_of
from mailroot.service.life.shown import moment_text
from mailroot.service.life.state import State

Arguments = Mapping[str, Any]

AMONG = "among"
"""The argument that limits a list to some virtual servers; the administration adds it for those who may see no more."""
_MOST_ROWS = 1_000
# Recipients that one shard looks at in a step: a page of a usual length, and few enough that mail does not wait.
_LEAST, _STEP = 50, 500
# Seconds that one request works; who asks waits for 10 (`edge.control`), and comes again.
_TURN = 1.0
_SORTS = {by.value: by for by in By}

# What the rows of `queue.destinations` can be sorted by: the column, its place in a worker's rows, and whether the
# largest come first.
_RANKS: dict[str, tuple[str, int, bool]] = {
    "recipients": ("recipients", 1, True),
    "oldest": ("oldest", 3, False),
    "due": ("next", 4, False),
    "attempts": ("attempts", 5, True),
    "destination": ("destination", 0, False),
}
# Rows that each worker tells beyond the page, so that what several have of one destination adds up.
_BESIDE = 200


@dataclass(slots=True)
class _Shard:
    """Where the list of one shard stands: the rows that are known and come next, and from where on there may be more.

    `cursor` is the position behind which a page begins that has all of these rows; "" at the list's beginning.
    """

    cursor: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)
    more: bool = True


class QueueListing:
    """Serves `queue.list` and `queue.destinations`. `key_of` finds the virtual server that arguments name."""

    def __init__(self, state: State, key_of: Callable[[Arguments], str]) -> None:
        self._state = state
        self._key_of = key_of

    def _servers(self, arguments: Arguments) -> list[str]:
        if arguments.get("server"):
            return [self._key_of(arguments)]
        among = arguments.get(AMONG)
        return [key for key in self._state.settings.servers if among is None or key in among]

    async def page(self, arguments: Arguments) -> object:
        """One page, or, where nobody is meant for a while, the cursors to go on from."""
        selected, limit = selection_of(arguments), page_size(arguments.get("limit"), _MOST_ROWS)
        before = str(arguments.get("before") or "")
        ordering = _ordering(arguments, backwards=bool(before))
        walk = _Merge(self._state, self._servers(arguments), ordering)
        walk.begin("before" if before else "after", before or str(arguments.get("after") or ""))
        rows: list[dict[str, Any]] = []
        until = time.monotonic() + _TURN
        while len(rows) < limit and not walk.over and (not rows or time.monotonic() < until):
            await walk.read(selected, limit - len(rows))
            rows += walk.take(limit - len(rows))
            if time.monotonic() >= until:
                break
        reached = "" if walk.over else walk.cursor
        begun = before or str(arguments.get("after") or "")
        first, following = (reached, begun) if before else (begun, reached)
        everybody = selected.everything and ordering.by is By.ARRIVED
        whole = not first and not following
        return {
            "rows": rows[::-1] if before else rows,
            "next": following,
            "previous": first,
            "total": walk.depth if everybody else len(rows),
            "total_exact": everybody or whole,
        }

    async def destinations(self, arguments: Arguments) -> object:
        """What waits, by virtual server and destination, and whether everything was looked at."""
        text, rank = str(arguments.get("text") or "").lower(), str(arguments.get("sort") or "recipients")
        if rank not in _RANKS:
            raise Misconfigured(f"sort: one of {', '.join(_RANKS)} is wanted, not {rank!r}")
        after = str(arguments.get("after") or "")
        limit, first = page_size(arguments.get("limit"), _MOST_ROWS), number_of(after)
        if after and not first:
            raise no_cursor("after", after)
        column, place, largest = _RANKS[rank]
        reverse = largest != bool(arguments.get("descending"))
        told = _Told()
        for server in self._servers(arguments):
            asked = (server, text, place, reverse, first + limit + _BESIDE)
            told.add(server, await self._state.ask_all("queue.destinations", *asked))
        rows = sorted(told.found.values(), key=lambda row: (row["server"], row["destination"]))
        rows.sort(key=lambda row: row[column], reverse=reverse)
        following = first + limit if first + limit < len(rows) else 0
        return {
            "rows": [_shown(row) for row in rows[first : first + limit]],
            "next": str(following or ""),
            "previous": str(first - limit) if first > limit else "",
            "total": max(len(rows), told.count),
            "total_exact": told.whole,
            "seen": _moment(told.begun),
        }


class _Merge:
    """The lists of all shards, merged. A cursor is a JSON object: the position of each shard by SERVER/WORKER/SHARD."""

    def __init__(self, state: State, servers: list[str], ordering: Ordering) -> None:
        self._state = state
        self._ordering = ordering
        self._places = [(server, worker) for server in servers for worker in range(state.workers)]
        self._shards: dict[str, _Shard] = {}
        self._cursor = ("", "")
        self._read = False
        self._step = 0
        self.depth = 0

    def begin(self, name: str, cursor: str) -> None:
        """Go on from a cursor, which is the argument of this name. Raises `Unsound`."""
        self._cursor = name, cursor
        try:
            positions = {str(shard): str(position) for shard, position in json.loads(cursor or "{}").items()}
            for position in positions.values():
                self._ordering.start(position)
        except (ValueError, AttributeError, RecursionError) as fault:
            raise no_cursor(name, cursor) from fault
        if not all(any(shard.startswith(_name(place, "")) for place in self._places) for shard in positions):
            raise no_cursor(name, cursor)
        self._shards = {shard: self._begun(position) for shard, position in positions.items()}

    def _begun(self, position: str = "") -> _Shard:
        """A shard of which nothing was shown yet has nothing to go back to."""
        return _Shard(position, more=bool(position) or not self._ordering.backwards)

    @property
    def over(self) -> bool:
        """Whether all was seen."""
        return self._read and not any(one.rows or one.more for one in self._shards.values())

    @property
    def cursor(self) -> str:
        """From where to go on."""
        return json.dumps({name: one.cursor for name, one in self._shards.items()}, separators=(",", ":"))

    async def read(self, selected: object, wanted: int) -> None:
        """Have every shard whose rows are used up go on; where few are meant, with longer and longer steps."""
        step = self._step = min(_STEP, max(_LEAST, wanted, 2 * self._step))
        asked = [place for place in self._places if not self._read or self._wants(place)]
        answers = await asyncio.gather(*(self._ask(place, selected, step) for place in asked))
        self._read = True
        self.depth = max(self.depth, sum(answer["depth"] for answer in answers))
        for place, answer in zip(asked, answers, strict=True):
            there = {_name(place, part["shard"]) for part in answer["shards"]}
            if any(name.startswith(_name(place, "")) and name not in there for name in self._shards):
                raise no_cursor(*self._cursor)
            for part in answer["shards"]:
                self._take_in(self._shards.setdefault(_name(place, part["shard"]), self._begun()), part)

    async def _ask(self, place: tuple[str, int], selected: object, step: int) -> Any:
        server, worker = place
        start = _name(place, "")
        cursors = {name.removeprefix(start): one.cursor for name, one in self._shards.items() if name.startswith(start)}
        return await self._state.ask(worker, "queue.ordered", server, selected, self._ordering, cursors, step)

    def _wants(self, place: tuple[str, int]) -> bool:
        return any(one.more and not one.rows for name, one in self._shards.items() if name.startswith(_name(place, "")))

    def _take_in(self, shard: _Shard, part: Mapping[str, Any]) -> None:
        if shard.rows or not shard.more:
            return
        shard.rows, shard.more = list(part["rows"]), bool(part["end"])
        if not shard.rows and shard.more:
            shard.cursor = part["end"]
        elif shard.rows and shard.more:
            # What was looked at behind the last row is of nobody who is meant: it need not be looked at again.
            shard.rows[-1]["position" if not self._ordering.backwards else "before"] = part["end"]

    def take(self, limit: int) -> list[dict[str, Any]]:
        """The next rows, as far as every shard that may have more has told its own."""
        shards = sorted(self._shards.items())
        heap = [(*self._key(one.rows[0], rank), name) for rank, (name, one) in enumerate(shards) if one.rows]
        heapq.heapify(heap)
        taken: list[dict[str, Any]] = []
        while heap and len(taken) < limit and not any(one.more and not one.rows for one in self._shards.values()):
            _, rank, name = heapq.heappop(heap)
            shard = self._shards[name]
            row = shard.rows.pop(0)
            shard.cursor = row["before" if self._ordering.backwards else "position"]
            taken.append(row["row"])
            if shard.rows:
                heapq.heappush(heap, (*self._key(shard.rows[0], abs(rank)), name))
        return taken

    def _key(self, row: Mapping[str, Any], rank: int) -> tuple[float, int]:
        """What is equal comes in the order of the shards, which is turned round with everything else."""
        sign = 1 if self._ordering.upwards else -1
        return float(row["value"]) * sign, rank * sign


def _name(place: tuple[str, int], shard: str) -> str:
    return f"{place[0]}/{place[1]}/{shard}"


def _ordering(arguments: Arguments, *, backwards: bool) -> Ordering:
    word = str(arguments.get("sort") or By.ARRIVED.value)
    if word not in _SORTS:
        raise Misconfigured(f"sort: one of {', '.join(_SORTS)} is wanted, not {word!r}")
    return Ordering(_SORTS[word], bool(arguments.get("descending")), backwards)


def page_size(wanted: object, most: int) -> int:
    """How many rows a page has."""
    number = number_of(wanted)
    return min(number, most) if number > 0 else most


def number_of(wanted: object) -> int:
    """A number that came as one or as text; 0 for anything else."""
    text = str(wanted or "")
    return int(text) if text.isdecimal() and len(text) < 10 else 0


# --- destinations


@dataclass(slots=True)
class _Told:
    """What workers told of destinations: `count` is how many there are at least, `whole` whether that is all."""

    found: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    count: int = 0
    whole: bool = True
    begun: float = float("inf")

    def add(self, server: str, answers: list[Any]) -> None:
        """The answers of all workers about a virtual server."""
        for answer in answers:
            if answer is None:
                self.whole = False
                continue
            cut = len(answer["rows"]) < answer["count"] and len(answers) > 1
            self.whole = self.whole and answer["whole"] and not cut
            self.begun = min(self.begun, answer["begun"])
            for row in answer["rows"]:
                _merge(self.found.setdefault((server, row[0]), _nothing(server, row[0])), row)
        self.count += max((answer["count"] for answer in answers if answer is not None), default=0)


def _nothing(server: str, destination: str) -> dict[str, Any]:
    return {
        "server": server,
        "destination": destination,
        "recipients": 0,
        "messages": 0,
        "oldest": float("inf"),
        "next": float("inf"),
        "attempts": 0,
        "last": "",
        "held": 0,
    }


def _merge(one: dict[str, Any], row: list[Any]) -> None:
    """What another worker has for a destination."""
    _, depth, messages, oldest, due, attempts, said, held = row
    one["recipients"] += depth
    one["messages"] += messages
    one["oldest"] = min(one["oldest"], oldest)
    one["next"] = min(one["next"], due)
    one["attempts"] = max(one["attempts"], attempts)
    one["last"] = said or one["last"]
    one["held"] += held


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "oldest": _moment(row["oldest"]), "next": _moment(row["next"])}


def _moment(seconds: float) -> str:
    return "" if seconds == float("inf") else moment_text(datetime.fromtimestamp(seconds, UTC))
