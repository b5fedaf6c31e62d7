"""A connection of ours lent to another process of the service: octets go to and fro over a Unix socket, unread.

What protects the connection stays here, and so it can be lent although TLS cannot change hands.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

from mailroot.edge.listening import open_private
from mailroot.edge.outgoing import Connection

# Seconds for the other process to come.
_COMING = 10.0
_MOST_EARLY = 16


class _End(asyncio.Protocol):
    """One side: what it hears, the other one says; one that does not read stops the other one."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _End | None = None
        self._early: list[bytes] = []
        self.gone = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The side stands."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are none by name

    def data_received(self, data: bytes) -> None:
        """Pass it on; what comes before there is another side is kept: it is one command at most."""
        other = self.other
        if other is None or other.transport is None:
            self._early.append(data)
            if len(self._early) > _MOST_EARLY and self.transport is not None:
                self.transport.abort()
        elif not other.transport.is_closing():
            other.transport.write(data)

    def join(self, other: "_End") -> None:
        """From now on this is the other side."""
        self.other = other
        early, self._early = self._early, []
        for data in early:
            self.data_received(data)

    def pause_writing(self) -> None:
        """This side does not read."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        if self.other is not None and self.other.transport is not None and not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    def connection_lost(self, _exc: Exception | None) -> None:
        """The side is gone."""
        if not self.gone.done():
            self.gone.set_result(None)


class _Coming(_End):
    """The side of the other process: the first one that comes is the one."""

    def __init__(self, came: "asyncio.Future[_End]") -> None:
        super().__init__()
        self._came = came

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It has come."""
        super().connection_made(transport)
        assert self.transport is not None
        if self._came.done():
            self.transport.abort()
            return
        self._came.set_result(self)


class Bridge:
    """The place where the other process takes the connection up: `path`, which only our account may open."""

    def __init__(self, path: Path, came: "asyncio.Future[_End]") -> None:
        self.path = path
        self._came = came

    async def lend(self, connection: Connection) -> None:
        """Pass octets on until the other process, or the connection, is gone. Nothing may be owed on it meanwhile."""
        try:
            async with asyncio.timeout(_COMING):
                theirs = await self._came
        except TimeoutError:
            connection.stop("4.3.2", "the process that was to take it over did not come")
            return
        ours = _End()
        ours.transport = connection.lend(ours)
        assert theirs.transport is not None
        if ours.transport is not None:
            ours.join(theirs)
            theirs.join(ours)
            await asyncio.wait([ours.gone, theirs.gone], return_when=asyncio.FIRST_COMPLETED)
        theirs.transport.abort()
        connection.take_back(lost=ours.gone.done())


@contextlib.asynccontextmanager
async def bridge_in(folder: Path) -> AsyncIterator[Bridge]:
    """A bridge with its socket in `folder`, while it is entered. Raises `Misconfigured` where there can be none."""
    loop = asyncio.get_running_loop()
    came: asyncio.Future[_End] = loop.create_future()
    path = folder / f".turned-{secrets.token_hex(8)}"

    def come() -> _End:
        return _Coming(came)

    listener = open_private(path)
    server = await loop.create_unix_server(come, sock=listener)
    try:
        yield Bridge(path, came)
    finally:
        server.close()
        came.cancel()
        path.unlink(missing_ok=True)
