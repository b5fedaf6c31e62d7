"""The channel between the supervisor and a worker: framed messages over a pair of Unix sockets.

The supervisor is trusted by its workers, so what it sends may be any value (pickle); a worker may run under a lesser
account, so what it sends is JSON and nothing else. Listening sockets travel on a second pair, ahead of their message.
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
    """The supervisor's side: asks one worker, and gets its answers in any order."""

    def __init__(self, ends: ChannelEnds) -> None:
        self._ends = ends
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
        message = pickle.dumps((self._number, operation, arguments, len(sockets)))
        self._writer.write(_LENGTH.pack(len(message)) + message)
        return await asked

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


async def serve_line(
    ends: ChannelEnds, answer: Callable[[str, tuple[Any, ...], list[socket.socket]], Awaitable[object]]
) -> None:
    """The worker's side: answer each message, side by side; ends when the supervisor is gone."""
    reader, writer = await asyncio.open_unix_connection(sock=ends.theirs, limit=_LONGEST)
    tasks: set[asyncio.Task[None]] = set()

    async def respond(number: int, operation: str, arguments: tuple[Any, ...], taken: list[socket.socket]) -> None:
        result = await answer(operation, arguments, taken)
        message = json.dumps({"number": number, "result": result}).encode()
        writer.write(_LENGTH.pack(len(message)) + message)

    try:
        while True:
            number, operation, arguments, sockets = pickle.loads(await _frame(reader))  # noqa: S301 - from our supervisor
            taken = take_over(ends.their_sockets, sockets)
            task = asyncio.create_task(respond(number, operation, arguments, taken))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    except (asyncio.IncompleteReadError, OSError):
        return


async def _frame(reader: asyncio.StreamReader) -> bytes:
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    if length > _LONGEST:
        raise ConnectionLost("a frame that is too long")
    return await reader.readexactly(length)
