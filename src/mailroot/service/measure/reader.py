"""Takes readings off what the processes of the service share. No process is asked: one that hangs holds up nobody."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mailroot.edge.sharedboard import SharedBoard
from mailroot.edge.sharedcounts import SharedCounts
from mailroot.service.life.slots import connection_levels
from mailroot.service.life.state import State
from mailroot.service.measure.reading import Reading, Waiting, merged
from mailroot.settings.service import Settings

# Seconds: notes of that age are good enough; and how long fresh ones are waited for.
_FRESH, _PATIENCE, _LOOK = 15.0, 1.5, 0.05


@dataclass(frozen=True, slots=True)
class Reader:
    """`settings` are those that the service began with: its virtual servers, and their order, are the same for its
    whole life. `started` is in seconds since 1970, `now` in monotonic ones.
    """

    board: SharedBoard
    counts: SharedCounts
    settings: Settings
    started: float
    now: Callable[[], float]

    async def read(self) -> Reading:
        """The figures of this moment. Waits up to a second and a half where no worker has been asked of late."""
        self.board.ask()
        until = self.now() + _PATIENCE
        while self.now() < until and not self._fresh():
            await asyncio.sleep(_LOOK)
        return self._reading()

    def _fresh(self) -> bool:
        notes = (self.board.read(worker) for worker in range(self.board.workers))
        return all(note is not None and note[0] < _FRESH for note in notes)

    def _reading(self) -> Reading:
        notes = [note for note in map(self._note, range(self.board.workers)) if note]
        levels: dict[str, Mapping[str, float]] = {
            "": {
                "workers": len(notes),
                "memory_bytes": sum(note.get("memory", 0) for note in notes),
                "start_time_seconds": self.started,
            }
        }
        waiting = {}
        for key in self.settings.servers:
            said = [note["servers"].get(key) or {} for note in notes]
            levels[key] = {**_levels(said), **connection_levels(self.counts, self.settings, key)}
            waiting[key] = _waiting(said)
        return Reading(self.now(), self.board.totals(), levels, waiting)

    def _note(self, worker: int) -> dict[str, Any]:
        found = self.board.read(worker)
        note: dict[str, Any] = {} if found is None else json.loads(found[1])
        return note


def reader_of(state: State) -> Reader:
    """What reads the figures of the service that this state is of."""
    return Reader(state.board, state.counts, state.settings, state.started.timestamp(), time.monotonic)


def _levels(said: list[dict[str, Any]]) -> dict[str, float]:
    names = {name for one in said for name in one.get("levels", ())}
    return {name: merged(name, [one.get("levels", {}).get(name, 0) for one in said]) for name in names}


def _waiting(said: list[dict[str, Any]]) -> list[Waiting]:
    """The destinations of all workers together, the deepest first."""
    together: dict[str, Waiting] = {}
    for destination, depth, age in (row for one in said for row in one.get("destinations", ())):
        known = together.get(destination, Waiting(destination, 0, 0.0))
        together[destination] = Waiting(destination, known.depth + depth, max(known.age, age))
    return sorted(together.values(), key=lambda one: -one.depth)
