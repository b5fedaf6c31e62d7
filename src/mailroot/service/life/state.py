"""What the supervisor knows: settings, sockets, the state of each virtual server, the workers that run.

The state changes first, and then the workers are told: one that is forked meanwhile is born with what is true by then.
"""

import asyncio
import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mailroot.edge.channel import WorkerLine
from mailroot.edge.sharedboard import SharedBoard
from mailroot.edge.sharedcounts import SharedCounts
from mailroot.edge.systemd.inherited import Inherited
from mailroot.edge.tls.contexts import Presented, ServerTls
from mailroot.mail.faults import ConnectionLost, Unavailable
from mailroot.settings.service import Settings

# A change may wait for transactions under way; `service.shutdown_timeout` comes on top.
_CHANGE_PATIENCE = 30.0
# Who asks waits for 10 seconds (`edge.control`).
_QUESTION_PATIENCE = 8.0
_LOOK = 0.05
# What a worker may have another one do, and how long that may take, in seconds.
_FELLOWS = {"held.count": _QUESTION_PATIENCE, "held.start": _QUESTION_PATIENCE, "held.serve": 86_400.0}
_READING = {
    "counts",
    "ldap.status",
    "sessions",
    "queue.ordered",
    "queue.destinations",
    "queue.show",
    "queue.content",
    "refusals",
    "held.count",
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
    """The supervisor's memory. `listeners`: sockets of the servers that are not stopped, in their bindings' order.

    `inherited` opens them: some may have been opened for us before we began.

    `moments` are what servers are on the way from one state to another. `tls` are the contexts that workers are born
    with, `presented` what these present.
    """

    settings: Settings
    counts: SharedCounts
    board: SharedBoard
    workers: int
    inherited: Inherited = field(default_factory=Inherited)
    listeners: dict[str, list[socket.socket]] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    moments: dict[str, str] = field(default_factory=dict)
    running: dict[int, WorkerAtWork] = field(default_factory=dict)
    tls: dict[str, ServerTls] = field(default_factory=dict)
    presented: dict[str, Presented] = field(default_factory=dict)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def tell(self, operation: str, *arguments: object, sockets: tuple[socket.socket, ...] = ()) -> None:
        """Have all workers make a change.

        One that ends meanwhile is left out: its successor begins with the state that is then. Raises `Unavailable`
        with the sentence of a worker that could not do it, or where one does not answer in time.
        """
        workers = [self.running[number] for number in sorted(self.running)]
        told = (self.tell_one(worker, operation, *arguments, sockets=sockets) for worker in workers)
        faults = [fault for fault in await asyncio.gather(*told, return_exceptions=True) if fault is not None]
        if faults:
            raise faults[0]

    async def tell_one(
        self, worker: WorkerAtWork, operation: str, *arguments: object, sockets: tuple[socket.socket, ...] = ()
    ) -> None:
        """Have one worker make a change; see `tell`."""
        patience = _CHANGE_PATIENCE + self.settings.service.shutdown_timeout.total_seconds()
        try:
            async with asyncio.timeout(patience):
                _sound(await worker.line.ask(operation, *arguments, sockets=sockets))
        except ConnectionLost:
            return
        except TimeoutError as fault:
            raise Unavailable(f"worker {worker.number} (process {worker.pid}) does not answer") from fault

    async def ask_all(self, operation: str, *arguments: object) -> list[Any]:
        """The answer of every worker, in the order of their numbers; see `ask`."""
        return await asyncio.gather(*(self.ask(number, operation, *arguments) for number in range(self.workers)))

    async def serve(self, operation: str, arguments: list[Any]) -> object:
        """What a worker asks of another one, whose number comes first."""
        number, *rest = arguments or [None]
        patience = _FELLOWS.get(operation)
        if patience is None or not isinstance(number, int) or not 0 <= number < self.workers:
            return {"fault": f"{operation} is no question of a worker"}
        try:
            return await self.ask(number, operation, *rest, patience=patience)
        except Unavailable as fault:
            return {"fault": str(fault)}

    async def ask(self, number: int, operation: str, *arguments: object, patience: float = _QUESTION_PATIENCE) -> Any:
        """The answer of one worker; where it is being replaced, that of its successor.

        Raises `Unavailable` with its sentence where it cannot answer, or where it does not in time.
        """
        try:
            async with asyncio.timeout(patience):
                return _sound(await self._answer(number, operation, *arguments))
        except ConnectionLost as fault:
            raise Unavailable(f"worker {number} has just ended and is being replaced; try again") from fault
        except TimeoutError as fault:
            raise Unavailable(f"worker {number} does not answer (it may be starting); try again") from fault

    async def _answer(self, number: int, operation: str, *arguments: object) -> Any:
        """A question that changes nothing is asked again where a worker dies meanwhile."""
        while True:
            worker = await self._worker(number)
            try:
                return await worker.line.ask(operation, *arguments)
            except ConnectionLost:
                if operation not in _READING:
                    raise
            await asyncio.sleep(_LOOK)

    async def _worker(self, number: int) -> WorkerAtWork:
        while number not in self.running:
            await asyncio.sleep(_LOOK)
        return self.running[number]


def _sound(answer: Any) -> Any:
    if isinstance(answer, dict) and "fault" in answer:
        raise Unavailable(answer["fault"])
    return answer
