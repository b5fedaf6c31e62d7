"""A proxy on loopback that cuts, delays and dribbles: each connection has a fault of its own."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat

PIECE = 65536


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one connection. It is cut after so many octets from the client, or to it; None: not there.

    `reset` cuts by RST instead of FIN. `silent` does not cut: nothing more passes that way, until the client gives up.
    `pause` seconds pass before each piece, of at most `piece` octets.
    """

    sent: int | None = None
    heard: int | None = None
    reset: bool = False
    silent: bool = False
    piece: int = PIECE
    pause: float = 0.0


SOUND = Fault()


@dataclass
class Passed:
    """What passed through one connection, in each direction. `cut` tells whether its fault struck."""

    fault: Fault
    sent: bytearray = field(default_factory=bytearray)
    heard: bytearray = field(default_factory=bytearray)
    cut: bool = False


@dataclass
class FaultProxy:
    """Passes connections on to `target`, a port of loopback. `faults` gives each its fault; none: they are sound."""

    target: int
    faults: Iterator[Fault] = field(default_factory=lambda: repeat(SOUND))
    address: str = "127.0.0.1"
    port: int = 0
    passed: list[Passed] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    async def __aenter__(self) -> "FaultProxy":
        self._server = await asyncio.start_server(self._serve, self.address, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._pass_on(reader, writer)
        finally:
            self._tasks.discard(task)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed = Passed(next(self.faults, SOUND))
        self.passed.append(passed)
        fault = passed.fault
        there, to_there = await asyncio.open_connection("127.0.0.1", self.target)
        ways = [
            asyncio.create_task(_carry(reader, to_there, fault, fault.sent, passed.sent)),
            asyncio.create_task(_carry(there, writer, fault, fault.heard, passed.heard)),
        ]
        try:
            while ways:
                done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                ways = [way for way in ways if way not in done]
                if any(way.result() for way in done):
                    passed.cut = True
                    if not fault.silent:
                        break
        finally:
            for way in ways:
                way.cancel()
            for one in (writer, to_there):
                _end(one, fault.reset and passed.cut)


async def _carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fault: Fault, limit: int | None, passed: bytearray
) -> bool:
    """Pass octets on up to the limit; whether that was reached, which is when the fault strikes."""
    with contextlib.suppress(ConnectionError):
        while limit is None or len(passed) < limit:
            octets = await reader.read(min(fault.piece, PIECE if limit is None else limit - len(passed)))
            if not octets:
                if writer.can_write_eof():
                    writer.write_eof()
                return False
            if fault.pause:
                await asyncio.sleep(fault.pause)
            writer.write(octets)
            await writer.drain()
            passed += octets
        return True
    return False


def _end(writer: asyncio.StreamWriter, reset: bool) -> None:
    if reset:
        connection = writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    else:
        writer.close()
