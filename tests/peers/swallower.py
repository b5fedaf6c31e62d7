"""An SMTP server on loopback that takes messages of any size and keeps their beginnings alone."""

import asyncio
import contextlib
from dataclasses import dataclass, field

from tests.peers.smtp import EXTENSIONS

_PIECE = 1 << 18
_HEAD = 4096
_END = b"\r\n.\r\n"


@dataclass
class Taken:
    """A message: how it began, and how many octets it had on the wire. `mail` and `way` are the commands."""

    mail: str
    way: str = ""
    head: bytes = b""
    size: int = 0

    def add(self, octets: bytes) -> None:
        self.size += len(octets)
        if len(self.head) < _HEAD:
            self.head += octets[: _HEAD - len(self.head)]


@dataclass
class Swallower:
    """`messages` are those that came whole."""

    extensions: tuple[str, ...] = EXTENSIONS
    address: str = "127.0.0.1"
    port: int = 0
    messages: list[Taken] = field(default_factory=list)
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> "Swallower":
        self._server = await asyncio.start_server(self._serve, self.address, self.port, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._talk(reader, writer)
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken = Taken("")
        writer.write(b"220 swallower.example\r\n")
        while line := (await reader.readline()).decode():
            verb = line.split()[0].upper()
            reply = "250 2.0.0 ok"
            if verb == "EHLO":
                lines = ("swallower.example", *self.extensions)
                reply = "\r\n".join(f"250{'-' if each is not lines[-1] else ' '}{each}" for each in lines)
            elif verb == "MAIL":
                taken = Taken(line.strip())
            elif verb in ("DATA", "BDAT"):
                taken.way = line.strip()
                if verb == "DATA":
                    writer.write(b"354 go on\r\n")
                    await _lines(reader, taken)
                else:
                    await _chunk(reader, int(line.split()[1]), taken)
                self.messages.append(taken)
            writer.write(f"{reply}\r\n".encode())
            if verb == "QUIT":
                return


async def _chunk(reader: asyncio.StreamReader, size: int, taken: Taken) -> None:
    while size:
        octets = await reader.readexactly(min(size, _PIECE))
        taken.add(octets)
        size -= len(octets)


async def _lines(reader: asyncio.StreamReader, taken: Taken) -> None:
    """Up to the end of the content; the client sends nothing behind it before it has its reply."""
    tail = b"\r\n"
    while not tail.endswith(_END):
        octets = await reader.read(_PIECE)
        if not octets:
            raise asyncio.IncompleteReadError(b"", None)
        taken.add(octets)
        tail = (tail + octets)[-len(_END) :]
