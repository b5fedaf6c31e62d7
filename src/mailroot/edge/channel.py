"""The channel between the supervisor and a worker: framed messages over a pair of Unix sockets.

The supervisor is trusted by its workers, so what it sends may be any value (pickle); a worker may run under a lesser
account, so what it sends is JSON and nothing else. Listening sockets travel on a second pair, ahead of their message.
Both may ask. An answer to a worker has its question's number, negative: the supervisor's own are positive.
"""

import asyncio
import copyreg
import json
import pickle
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from mailroot.edge.listening import hand_over, take_over
from mailroot.mail.faults import ConnectionLost

# Settings hold read-only mappings, which pickle does not know.
copyreg.pickle(MappingProxyType, lambda mapping: (MappingProxyType, (dict(mapping),)))

_LENGTH = struct.Struct("!I")
_LONGEST = 64 * 1024 * 1024
# Questions of one worker that are under way; no honest one has as many.
_MOST_ASKED = 256

Serve = Callable[[str, list[Any]], Awaitable[object]]
"""Answers a worker's question: an operation with its arguments, in values that JSON can hold."""


@dataclass(frozen=True, slots=True)
class ChannelEnds:
    """Two connected pairs: `messages` and `sockets`, the supervisor's and the worker's side of each."""

    ours: socket.socket
    theirs: socket.socket
    our_sockets: socket.socket
    their_sockets: socket.socket

    def close_theirs(self) -> None:
        """After the fork, the worker's side is the worker's alone."""
        self.theirs.close()
        self.their_sockets.close()


def open_channel() -> ChannelEnds:
    """A new channel."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    our_sockets, their_sockets = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return ChannelEnds(ours, theirs, our_sockets, their_sockets)


class WorkerLine:
    """The supervisor's side: asks one worker, and gets its answers in any order; has the worker's questions served."""

    def __init__(self, ends: ChannelEnds, serve: Serve) -> None:
        self._ends = ends
        self._serve = serve
        self._serving: set[asyncio.Task[None]] = set()
        self._connected = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._number = 0

    async def run(self) -> None:
        """Take answers until the worker is gone."""
        try:
            reader, self._writer = await asyncio.open_unix_connection(sock=self._ends.ours, limit=_LONGEST)
            self._connected.set()
            while True:
                answer = json.loads(await _frame(reader))
                if "asks" in answer:
                    self._begin(int(answer["asks"]), str(answer["operation"]), list(answer["arguments"]))
                    continue
                asked = self._asked.pop(answer["number"], None)
                if asked is not None and not asked.done():
                    asked.set_result(answer["result"])
        except (asyncio.IncompleteReadError, OSError, ConnectionLost):
            pass
        except (ValueError, KeyError, TypeError, RecursionError):
            pass  # what is none of our messages ends the line: the worker cannot be trusted any more
        finally:
            self.close()

    async def ask(self, operation: str, *arguments: object, sockets: tuple[socket.socket, ...] = ()) -> Any:
        """The worker's answer. Raises `ConnectionLost` where the worker ends before it."""
        await self._connected.wait()
        if self._writer is None or self._writer.is_closing():
            raise ConnectionLost("the worker is not connected")
        self._number += 1
        asked = asyncio.get_running_loop().create_future()
        try:
            hand_over(self._ends.our_sockets, sockets)
        except OSError as fault:
            raise ConnectionLost("the worker takes no sockets any more") from fault
        self._asked[self._number] = asked
        self._send(self._number, operation, arguments, len(sockets))
        return await asked

    def _begin(self, number: int, operation: str, arguments: list[Any]) -> None:
        """Serve a question of the worker; one that asks too much is not to be trusted."""
        if len(self._serving) >= _MOST_ASKED:
            raise ConnectionLost("a worker asks too much at once")
        task = asyncio.create_task(self._answer(number, operation, arguments))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _answer(self, number: int, operation: str, arguments: list[Any]) -> None:
        result = await self._serve(operation, arguments)
        if self._writer is not None and not self._writer.is_closing():
            self._send(-number, "", (result,), 0)

    def _send(self, number: int, operation: str, arguments: tuple[object, ...], sockets: int) -> None:
        assert self._writer is not None
        message = pickle.dumps((number, operation, arguments, sockets))
        self._writer.write(_LENGTH.pack(len(message)) + message)

    def close(self) -> None:
        """Give up: who still waits learns that the worker is gone."""
        self._connected.set()
        if self._writer is not None:
            self._writer.close()
        else:
            self._ends.ours.close()
        self._ends.our_sockets.close()
        for asked in self._asked.values():
            if not asked.done():
                asked.set_exception(ConnectionLost("the worker ended"))
        self._asked.clear()
        for task in self._serving:
            task.cancel()


class SupervisorLine:
    """The worker's side: answers each message, side by side, and may ask as well."""

    def __init__(self, ends: ChannelEnds) -> None:
        self._ends = ends
        self._writer: asyncio.StreamWriter | None = None
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._number = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, answer: Callable[[str, tuple[Any, ...], list[socket.socket]], Awaitable[object]]) -> None:
        """Take messages until the supervisor is gone."""
        reader, self._writer = await asyncio.open_unix_connection(sock=self._ends.theirs, limit=_LONGEST)

        async def respond(number: int, operation: str, arguments: tuple[Any, ...], taken: list[socket.socket]) -> None:
            self._send({"number": number, "result": await answer(operation, arguments, taken)})

        try:
            while True:
                frame = await _frame(reader)
                number, operation, arguments, sockets = pickle.loads(frame)  # noqa: S301 - from our supervisor
                if number < 0:
                    self._answered(-number, arguments[0])
                    continue
                taken = take_over(self._ends.their_sockets, sockets)
                task = asyncio.create_task(respond(number, operation, arguments, taken))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except (asyncio.IncompleteReadError, OSError):
            return

    async def ask(self, operation: str, *arguments: object) -> Any:
        """The supervisor's answer; whoever asks limits the wait. Without a supervisor the worker ends."""
        if self._writer is None:
            raise ConnectionLost("the supervisor is not connected")
        self._number += 1
        number = self._number
        asked = self._asked[number] = asyncio.get_running_loop().create_future()
        self._send({"asks": number, "operation": operation, "arguments": arguments})
        try:
            return await asked
        finally:
            self._asked.pop(number, None)

    def _answered(self, number: int, result: object) -> None:
        asked = self._asked.get(number)
        if asked is not None and not asked.done():
            asked.set_result(result)

    def _send(self, message: dict[str, object]) -> None:
        assert self._writer is not None
        octets = json.dumps(message).encode()
        self._writer.write(_LENGTH.pack(len(octets)) + octets)


async def _frame(reader: asyncio.StreamReader) -> bytes:
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    if length > _LONGEST:
        raise ConnectionLost("a frame that is too long")
    return await reader.readexactly(length)
