"""A worker process: runs every role over its own shards, and does what the supervisor asks.

Started by a fork of the supervisor, it inherits settings, listening sockets and shared counts.
"""

import asyncio
import gc
import itertools
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mailroot.edge.channel import ChannelEnds, SupervisorLine
from mailroot.edge.process import become
from mailroot.edge.sharedboard import SharedBoard
from mailroot.edge.sharedcounts import SharedCounts
from mailroot.edge.tls.contexts import Presented, ServerTls, ignore_odd_names
from mailroot.mail.events import EVENTS
from mailroot.mail.faults import Fault, Misconfigured
from mailroot.service.held.fellows import HELD_OPERATIONS
from mailroot.service.life.directories import DIRECTORY_INQUIRIES
from mailroot.service.life.inquiry import QUEUE_INQUIRIES, session_rows
from mailroot.service.life.world import Shared, World
from mailroot.service.receive.sessions import Sessions
from mailroot.settings.service import Settings

FAILED = 75  # EX_TEMPFAIL: the supervisor starts another worker, which recovers the shard
_FAILED_PATIENCE = 1.0
_SOON_KNOWN = 6.0  # seconds; who asks waits for 8


@dataclass(frozen=True, slots=True)
class Birth:
    """What a worker inherits. `sockets` are the listening sockets of the virtual servers that run."""

    number: int
    settings: Settings
    counts: SharedCounts
    board: SharedBoard
    ends: ChannelEnds
    sockets: Mapping[str, list[socket.socket]]
    paused: frozenset[str]
    tls: Mapping[str, ServerTls]


def run_worker(birth: Birth) -> int:
    """The whole life of a worker; its exit code."""
    try:
        become(birth.settings.service.run_as)
    except (Fault, OSError) as fault:
        print(f"worker {birth.number}: service.run_as: {fault}", file=sys.stderr)
        return FAILED
    ignore_odd_names()
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
    # A service manager tells all processes of the service, not the supervisor alone.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.end, 0)
    try:
        await worker.open()
    except Fault as fault:
        print(f"worker {birth.number}: {fault}", file=sys.stderr)
        return FAILED
    line = asyncio.create_task(worker.line.run(worker.answer))
    line.add_done_callback(lambda _: worker.end(0))  # without its supervisor a worker ends
    await worker.over
    return await worker.close()


class Worker:
    """What the supervisor asks, one method each; `answer` finds it by the name of the operation."""

    def __init__(self, birth: Birth) -> None:
        self._birth = birth
        self.over: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.line = SupervisorLine(birth.ends)
        shared = Shared(birth.counts, birth.board)
        self._world: World = World(birth.number, birth.settings, shared, birth.tls, self._fail, self.line.ask)

    async def open(self) -> None:
        """Open the queue, begin to work, and say so."""
        await self._world.open()
        for key, sockets in self._birth.sockets.items():
            server = self._world.servers[key]
            await server.start(sockets)
            if key in self._birth.paused:
                server.pause()

    async def answer(self, operation: str, arguments: tuple[Any, ...], sockets: list[socket.socket]) -> object:
        """Do what the supervisor asks. A fault is an answer: {"fault": sentence}."""
        try:
            if operation in _WITH_SOCKETS:
                return await _WITH_SOCKETS[operation](self, *arguments, sockets)
            if operation in _INQUIRIES:
                return await _INQUIRIES[operation](self._world, *arguments)
            if operation in HELD_OPERATIONS:
                return await self._world.household.fellows.answer(operation, *arguments)
            return await _OPERATIONS[operation](self, *arguments)
        except Fault as fault:
            return {"fault": str(fault)}
        except Exception as mistake:  # the outermost frame of a question: who asks must not wait for ever
            self._world.emit(EVENTS.task_failed, server="", task=operation, cause=repr(mistake))
            return {"fault": f"worker {self._birth.number} could not do it: {mistake!r}"}

    async def ready(self) -> dict[str, object]:
        """Answered once the worker works."""
        return {"number": self._birth.number}

    async def start(self, key: str, sockets: list[socket.socket]) -> dict[str, object]:
        """Start a virtual server on these sockets."""
        await self._world.servers[key].start(sockets)
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
        await self._world.servers[key].stop(self._world.patience)
        return {}

    async def prepare(self, settings: Settings) -> dict[str, object]:
        """Make everything that new settings need, without putting them in force."""
        await self._world.prepare(settings)
        return {}

    async def forget(self) -> dict[str, object]:
        """The prepared settings will not come: another worker could not prepare them."""
        self._world.forget()
        return {}

    async def swap(self, settings: Settings, counts: dict[str, int], sockets: list[socket.socket]) -> dict[str, object]:
        """Put settings in force, and listen on new sockets, so many for each virtual server in `counts`.

        There is no way back: where that fails, this worker ends, and its successor is born with the new settings.
        """
        try:
            await self._world.swap(settings)
            await self._rebind(counts, sockets)
        except Exception:
            self.end(FAILED)
            raise
        return {}

    async def _rebind(self, counts: dict[str, int], sockets: list[socket.socket]) -> None:
        """Open sessions go on. All that is left is left first, as a socket may change hands."""
        for key in counts:
            self._world.servers[key].unlisten()
        coming = iter(sockets)
        for key, count in counts.items():
            await self._world.servers[key].listen(list(itertools.islice(coming, count)))

    async def present(self, presented: Mapping[str, Presented]) -> dict[str, object]:
        """Present these certificates from now on, on terms that come with them, by virtual server."""
        for key, (terms, identities) in presented.items():
            self._world.tls[key].apply(terms, identities)
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

    async def end_sessions(self, ident: str, server: str) -> int:
        """End the sessions of this name, "" for all, of a virtual server, "" for any; how many there were."""
        meant = [one.parts.sessions for key, one in self._world.servers.items() if not server or key == server]
        named = [(sessions, one) for sessions in meant for one in ([ident] if ident else _idents(sessions))]
        return sum(sessions.end(one, "ended by an operator") for sessions, one in named)

    async def collect(self, server: str, name: str) -> dict[str, object]:
        """Ask a server that holds our mail for it; what came of it, where that is known soon."""
        collector = self._world.servers[server].parts.collector
        if name not in collector.sources:
            known = ", ".join(collector.sources) or "none"
            raise Misconfigured(f"the server {server} collects from nobody named {name!r}; there are: {known}")
        try:
            async with asyncio.timeout(_SOON_KNOWN):
                found = await collector.collect(name)
        except TimeoutError:
            return {"source": name, "state": "under way", "messages": 0, "said": "", "cause": ""}
        return {
            "source": name,
            "state": "failed" if found.cause else "done",
            "messages": found.messages,
            "said": found.said,
            "cause": found.cause,
        }

    async def shutdown(self) -> dict[str, object]:
        """End in good order; the answer comes before the end."""
        self.end(0)
        return {}

    def end(self, code: int) -> None:
        """Begin to end; the first call decides the exit code."""
        if not self.over.done():
            self.over.set_result(code)

    async def close(self) -> int:
        """End all roles within the time that settings give; soon where the queue failed and nothing can be settled."""
        code = self.over.result() if self.over.done() else 0
        await self._world.close(_FAILED_PATIENCE if code == FAILED else self._world.patience)
        return code

    def _fail(self, _cause: str) -> None:
        """The queue cannot be trusted any more: another process recovers it."""
        self.end(FAILED)


def _idents(sessions: Sessions) -> list[str]:
    return [session.ident for session in sessions]


_Operation = Callable[..., Awaitable[object]]
_WITH_SOCKETS: dict[str, _Operation] = {"start": Worker.start, "swap": Worker.swap}
_INQUIRIES: dict[str, _Operation] = {**QUEUE_INQUIRIES, **DIRECTORY_INQUIRIES}
_OPERATIONS: dict[str, _Operation] = {
    "ready": Worker.ready,
    "pause": Worker.pause,
    "resume": Worker.resume,
    "stop": Worker.stop,
    "prepare": Worker.prepare,
    "forget": Worker.forget,
    "present": Worker.present,
    "counts": Worker.counts,
    "sessions": Worker.sessions,
    "end_sessions": Worker.end_sessions,
    "collect": Worker.collect,
    "shutdown": Worker.shutdown,
}
