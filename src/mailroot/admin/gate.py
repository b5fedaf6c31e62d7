"""The port of the administration: connections are counted from the moment when they are accepted, before any handshake.

What is behind the gate sees a connection only once TLS stands; whoever says nothing before that is known here alone.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from functools import partial

from mailroot.admin.crowd import Crowd, Guest, where_from
from mailroot.admin.patience import PatientProtocol

SHARE = 64
"""Connections of one origin; a browser opens six, a proxy as many as it has requests."""
MOST = 512
_HANDSHAKE = 10.0  # seconds for TLS to stand
_FAREWELL = 2.0  # and for it to be ended in good order
_NO_DESCRIPTORS = 0.1  # seconds until the next try, where the system has no room for one more connection


class Gate:
    """Lets connections in. `behind` makes what serves one."""

    def __init__(
        self,
        listener: socket.socket,
        behind: Callable[[], PatientProtocol],
        tls: ssl.SSLContext | None,
        crowd: Crowd | None = None,
    ) -> None:
        self._listener = listener
        self._behind = behind
        self._tls = tls
        self._crowd = Crowd(SHARE, MOST) if crowd is None else crowd
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Let in, without end; when it is cancelled, everybody goes."""
        loop = asyncio.get_running_loop()
        self._listener.setblocking(False)
        try:
            while True:
                try:
                    connection, peer = await loop.sock_accept(self._listener)
                except OSError:
                    await asyncio.sleep(_NO_DESCRIPTORS)
                    continue
                self._let_in(connection, where_from(str(peer[0])))
                await asyncio.sleep(0)  # who has a place is served before the next one is let in
        finally:
            for task in self._tasks:
                task.cancel()

    def _let_in(self, connection: socket.socket, origin: str) -> None:
        connection.setblocking(False)
        with contextlib.suppress(OSError):  # it may be over already
            # asyncio leaves it out here; without it the body of an answer waits 40 ms for the head to be acknowledged.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        protocol = self._behind()
        task = asyncio.create_task(self._serve(connection, protocol))
        guest = Guest(origin, task.cancel)
        self._tasks.add(task)
        task.add_done_callback(partial(self._gone, connection, guest))
        if self._crowd.enter(guest):
            protocol.answering = partial(self._crowd.answering, guest)
            protocol.answered = partial(self._crowd.answered, guest)
        else:
            task.cancel()

    async def _serve(self, connection: socket.socket, protocol: PatientProtocol) -> None:
        loop, secured = asyncio.get_running_loop(), self._tls is not None
        with contextlib.suppress(OSError):  # TLS's faults, and the ends of time limits, are such too
            await loop.connect_accepted_socket(
                lambda: protocol,
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=_HANDSHAKE if secured else None,
                ssl_shutdown_timeout=_FAREWELL if secured else None,
            )
            if protocol.transport is None:  # it ended within the handshake
                return
            try:
                await protocol.lost.wait()
            finally:
                protocol.transport.abort()

    def _gone(self, connection: socket.socket, guest: Guest, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._crowd.leave(guest)
        connection.close()
