"""A connection that was turned round (ATRN, TURN): its server is the client on it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mailroot.edge.outgoing import Connection
from mailroot.service.receive.turned import TurnedConnection

QUICK = 60.0


class Greeted(asyncio.Protocol):
    """Our side before the connection is turned round."""

    def __init__(self) -> None:
        self.made: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.made.set_result(transport)


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[asyncio.Transport, asyncio.StreamReader, asyncio.StreamWriter]]:
    """Our end of a connection, which is not read at that moment, and both directions of the other's."""
    loop = asyncio.get_running_loop()
    ours = Greeted()
    server = await loop.create_server(lambda: ours, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    transport = await asyncio.wait_for(ours.made, QUICK)
    transport.pause_reading()
    try:
        yield transport, reader, writer
    finally:
        writer.close()
        server.close()


async def test_who_was_the_client_answers_now_though_reading_was_paused() -> None:
    async with connected() as (transport, reader, writer):
        heard: list[str] = []

        async def work(connection: Connection) -> None:
            for reply in await connection.exchange(b"", 1, QUICK) + await connection.exchange(b"EHLO a\r\n", 1, QUICK):
                heard.append(reply.text)

        turned = TurnedConnection(transport, work, asyncio.get_running_loop())
        writer.write(b"220 your turn\r\n")
        assert await asyncio.wait_for(reader.readline(), QUICK) == b"EHLO a\r\n"
        writer.write(b"250 go on\r\n")
        await asyncio.wait_for(turned.work, QUICK)
        assert heard == ["220 your turn", "250 go on"]
        assert turned.end() is None
        assert await asyncio.wait_for(reader.read(), QUICK) == b""


async def test_a_cut_ends_the_work_and_says_nothing_more() -> None:
    async with connected() as (transport, reader, _):
        heard: list[str] = []

        async def work(connection: Connection) -> None:
            heard.extend(reply.text for reply in await connection.exchange(b"NOOP\r\n", 1, QUICK))

        turned = TurnedConnection(transport, work, asyncio.get_running_loop())
        assert await asyncio.wait_for(reader.readline(), QUICK) == b"NOOP\r\n"
        turned.cut("the server stops")
        await asyncio.wait_for(turned.work, QUICK)
        assert heard == ["421 4.3.2 the server stops"]
        assert await asyncio.wait_for(reader.read(), QUICK) == b""
        assert turned.end() is None


async def test_the_end_tells_of_a_programming_mistake_and_closes_all_the_same() -> None:
    async with connected() as (transport, reader, _):

        async def work(_connection: Connection) -> None:
            raise ZeroDivisionError

        turned = TurnedConnection(transport, work, asyncio.get_running_loop())
        await asyncio.wait([turned.work], timeout=QUICK)
        assert isinstance(turned.end(), ZeroDivisionError)
        assert await asyncio.wait_for(reader.read(), QUICK) == b""


async def test_work_that_was_given_up_is_no_mistake() -> None:
    async with connected() as (transport, reader, _):

        async def work(connection: Connection) -> None:
            await connection.exchange(b"NOOP\r\n", 1, QUICK)

        turned = TurnedConnection(transport, work, asyncio.get_running_loop())
        assert await asyncio.wait_for(reader.readline(), QUICK) == b"NOOP\r\n"
        turned.work.cancel()
        await asyncio.wait([turned.work], timeout=QUICK)
        assert turned.end() is None
        assert await asyncio.wait_for(reader.read(), QUICK) == b""
