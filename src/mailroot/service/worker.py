"""A worker process: runs every role over its own shards, and does what the supervisor asks.

Started by a fork of the supervisor, it inherits settings, listening sockets and shared counts.
"""

import asyncio
import gc
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mailroot.edge.channel import ChannelEnds, serve_line
from mailroot.edge.process import become
from mailroot.edge.sharedcounts import SharedCounts
from mailroot.mail.faults import Fault
from mailroot.service.inquiry import QUEUE_INQUIRIES, session_rows
from mailroot.service.world import World
from mailroot.settings.service import Settings

FAILED = 75  # EX_TEMPFAIL: the supervisor starts another worker, which recovers the shard


@dataclass(frozen=True, slots=True)
class Birth:
    """What a worker inherits. `sockets` are the listening sockets of the virtual servers that run."""

    number: int
    settings: Settings
    counts: SharedCounts
    ends: ChannelEnds
    sockets: Mapping[str, list[socket.socket]]
    paused: frozenset[str]


def run_worker(birth: Birth) -> int:
    """The whole life of a worker; its exit code."""
    become(birth.settings.service.run_as)
    # What was made so far lives as long as the process; the rest is nearly always freed by its count.
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    try:
        import uvloop  # noqa: PLC0415 - optional: the standard loop works too, more slowly
    except ImportError:
        return asyncio.run(_work(birth))
    return uvloop.run(_work(birth))


async def _work(birth: Birth) -> int:
    worker = Worker(birth)
    try:
        await worker.open()
    except Fault as fault:
        print(f"worker {birth.number}: {fault}", file=sys.stderr)
        return FAILED
    line = asyncio.create_task(serve_line(birth.ends, worker.answer))
    line.add_done_callback(lambda _: worker.end(0))  # without its supervisor a worker ends
    await worker.over
    return await worker.close()


class Worker:
    """What the supervisor asks, one method each; `answer` finds it by the name of the operation."""

    def __init__(self, birth: Birth) -> None:
        self._birth = birth
        self.over: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._world: World = World(birth.number, birth.settings, birth.counts, self._fail)

    async def open(self) -> None:
        """Open the queue, begin to work, and say so."""
        await self._world.open()
        for key, sockets in self._birth.sockets.items():
            server = self._world.servers[key]
            await server.start([one.dup() for one in sockets])
            if key in self._birth.paused:
                server.pause()

    async def answer(self, operation: str, arguments: tuple[Any, ...], sockets: list[socket.socket]) -> object:
        """Do what the supervisor asks. A fault is an answer: {"fault": sentence}."""
        try:
            if operation in _WITH_SOCKETS:
                return await _WITH_SOCKETS[operation](self, *arguments, sockets)
            if operation in QUEUE_INQUIRIES:
                return await QUEUE_INQUIRIES[operation](self._world, *arguments)
            return await _OPERATIONS[operation](self, *arguments)
        except Fault as fault:
            return {"fault": str(fault)}

    async def ready(self) -> dict[str, object]:
        """Answered once the worker works."""
        return {"number": self._birth.number}

    async def start(self, key: str, sockets: list[socket.socket]) -> dict[str, object]:
        """Start a virtual server on these sockets."""
        await self._world.servers[key].start(sockets)
        return {}

    async def rebind(self, key: str, sockets: list[socket.socket]) -> dict[str, object]:
        """Listen on these sockets from now on instead of the former ones; open sessions go on."""
        self._world.servers[key].unlisten()
        await self._world.servers[key].listen(sockets)
        return {}

    async def pause(self, key: str) -> dict[str, object]:
        """Pause a virtual server."""
        self._world.servers[key].pause()
        return {}

    async def resume(self, key: str) -> dict[str, object]:
        """Let a paused virtual server go on."""
        self._world.servers[key].resume()
        return {}

    async def stop(self, key: str) -> dict[str, object]:
        """Stop a virtual server: its connections are closed."""
        await self._world.servers[key].stop(self._patience)
        return {}

    async def prepare(self, settings: Settings) -> dict[str, object]:
        """Make everything that new settings need, without putting them in force."""
        await self._world.prepare(settings)
        return {}

    async def swap(self) -> dict[str, object]:
        """Put the prepared settings in force."""
        await self._world.swap()
        return {}

    async def counts(self) -> dict[str, dict[str, int]]:
        """Sessions and waiting recipients by virtual server."""
        return {
            key: {
                "sessions": len(server.parts.sessions),
                "waiting": sum([await shard.store.depth() for shard in server.parts.shards]),
            }
            for key, server in self._world.servers.items()
        }

    async def sessions(self) -> list[dict[str, object]]:
        """The open sessions."""
        return session_rows(self._world, self._birth.number)

    async def end_session(self, ident: str) -> int:
        """End a session; how many there were of that name."""
        return sum(server.parts.sessions.end(ident, "ended by an operator") for server in self._world.servers.values())

    async def shutdown(self) -> dict[str, object]:
        """End in good order; the answer comes before the end."""
        self.end(0)
        return {}

    def end(self, code: int) -> None:
        """Begin to end; the first call decides the exit code."""
        if not self.over.done():
            self.over.set_result(code)

    async def close(self) -> int:
        """End all roles within the time that settings give."""
        await self._world.close(self._patience)
        return self.over.result() if self.over.done() else 0

    @property
    def _patience(self) -> float:
        return self._birth.settings.service.shutdown_timeout.total_seconds()

    def _fail(self, _cause: str) -> None:
        """The queue cannot be trusted any more: another process recovers it."""
        self.end(FAILED)


_Operation = Callable[..., Awaitable[object]]
_WITH_SOCKETS: dict[str, _Operation] = {"start": Worker.start, "rebind": Worker.rebind}
_OPERATIONS: dict[str, _Operation] = {
    "ready": Worker.ready,
    "pause": Worker.pause,
    "resume": Worker.resume,
    "stop": Worker.stop,
    "prepare": Worker.prepare,
    "swap": Worker.swap,
    "counts": Worker.counts,
    "sessions": Worker.sessions,
    "end_session": Worker.end_session,
    "shutdown": Worker.shutdown,
}
