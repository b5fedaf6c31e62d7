"""What the gate does with a connection before anybody serves it."""

import asyncio
import contextlib
import socket

from mailroot.admin.gate import Gate
from mailroot.edge.listening import listen


class Served(asyncio.Protocol):
    """Stands behind the gate."""

    def __init__(self) -> None:
        self.transport: asyncio.BaseTransport | None = None
        self.lost, self.there = asyncio.Event(), asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.there.set()

    def connection_lost(self, _fault: Exception | None) -> None:
        self.lost.set()


async def _let_in(listener: socket.socket) -> int:
    """Whether a connection by way of this listener sends at once what is written."""
    served = Served()
    gate = asyncio.create_task(Gate(listener, lambda: served, None).run())  # type: ignore[arg-type, return-value]
    with socket.create_connection(listener.getsockname(), timeout=60):
        await asyncio.wait_for(served.there.wait(), 60)
        assert served.transport is not None
        given = served.transport.get_extra_info("socket")
        found = int(given.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
    await asyncio.wait_for(served.lost.wait(), 60)
    gate.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await gate
    return found


def test_the_body_of_an_answer_does_not_wait_for_its_head_to_be_acknowledged() -> None:
    with socket.create_server(("127.0.0.1", 0)) as inherited:  # as systemd hands one over
        assert not inherited.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert asyncio.run(_let_in(inherited))


def test_what_we_listen_on_gives_it_to_its_connections() -> None:
    with listen("127.0.0.1", 0) as ours, socket.create_connection(ours.getsockname(), timeout=60):
        ours.setblocking(True)
        accepted, _ = ours.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
