"""What the supervisor knows: settings, sockets, the state of each virtual server, the workers that run."""

import asyncio
import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mailroot.edge.channel import WorkerLine
from mailroot.edge.sharedcounts import SharedCounts
from mailroot.mail.faults import ConnectionLost, Unavailable
from mailroot.settings.service import Settings

_ANSWER_PATIENCE = 30.0
_FIRST_PAUSE, _LONGEST_PAUSE, _SOUND_AFTER = 0.05, 2.0, 10.0

# The state of a virtual server after an operation; what is not here changes nothing (facts 9: states).
AFTER = {
    ("stopped", "start"): "started",
    ("paused", "start"): "started",
    ("paused", "continue"): "started",
    ("started", "pause"): "paused",
    ("started", "stop"): "stopped",
    ("paused", "stop"): "stopped",
}


@dataclass(slots=True)
class WorkerAtWork:
    """A worker process that runs. `gone` is its exit code, once it has ended; `since` is in loop time, seconds."""

    number: int
    pid: int
    line: WorkerLine
    gone: "asyncio.Future[int]"
    since: float
    answers: "asyncio.Task[None] | None" = None


@dataclass(slots=True)
class State:
    """The supervisor's memory."""

    settings: Settings
    counts: SharedCounts
    workers: int
    listeners: dict[str, list[socket.socket]] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    running: dict[int, WorkerAtWork] = field(default_factory=dict)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    _pauses: dict[int, float] = field(default_factory=dict)

    def restart_pause(self, number: int, lived: float) -> float:
        """Seconds before a worker is replaced: next to none at first, more while its successors die young."""
        before = self._pauses.get(number, 0.0)
        pause = 0.0 if lived > _SOUND_AFTER else min(max(before * 2, _FIRST_PAUSE), _LONGEST_PAUSE)
        self._pauses[number] = pause
        return pause

    async def tell(self, operation: str, *arguments: object, sockets: tuple[socket.socket, ...] = ()) -> list[Any]:
        """Ask all workers the same; their answers in order of their numbers.

        A worker that ends meanwhile has no answer: its successor begins with the state that is then. Raises
        `Unavailable` with the sentence of a worker that could not do it, or where one does not answer in time.
        """
        workers = [self.running[number] for number in sorted(self.running)]
        asked = (_answer(worker, operation, arguments, sockets) for worker in workers)
        answers = [answer for answer in await asyncio.gather(*asked) if answer is not None]
        for answer in answers:
            if isinstance(answer, dict) and "fault" in answer:
                raise Unavailable(answer["fault"])
        return answers


async def _answer(
    worker: WorkerAtWork, operation: str, arguments: tuple[object, ...], sockets: tuple[socket.socket, ...]
) -> Any:
    try:
        async with asyncio.timeout(_ANSWER_PATIENCE):
            return await worker.line.ask(operation, *arguments, sockets=sockets)
    except ConnectionLost:
        return None
    except TimeoutError as fault:
        raise Unavailable(f"worker {worker.number} (process {worker.pid}) does not answer") from fault
