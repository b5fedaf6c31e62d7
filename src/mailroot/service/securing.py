"""TLS handshakes with clients: how many at once, for how long; and connections that begin with one."""

import asyncio
import socket
from collections import Counter
from collections.abc import Awaitable, Callable

from mailroot.edge.tls import Secured, ServerTls, accept_secured, secured_by, shake_hands
from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.faults import ConnectionLost
from mailroot.policy.client import client_address
from mailroot.policy.guesses import origin
from mailroot.service.session import Session

# A handshake is some hundred microseconds of work and some round trips: who needs longer than this is not a mail client
# but an attacker, or gone (attack case D18). The general limit counts where it is shorter.
_LONGEST = 30.0
# Handshakes under way in one worker. Each has buffers of its own, and one client may have but a part of them all.
_MOST = 512
_MOST_OF_ONE = 256
_AFTER_FAULT = 1.0


class Handshakes:
    """Those of one worker that are under way."""

    def __init__(self, most: int = _MOST, most_of_one: int = _MOST_OF_ONE) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._clients: Counter[str] = Counter()
        self._sum = 0

    def begin(self, address: str) -> bool:
        """Whether one more may begin; if so, it is counted."""
        client = origin(client_address(address))
        if self._sum >= self._most or self._clients[client] >= self._most_of_one:
            return False
        self._sum += 1
        self._clients[client] += 1
        return True

    def end(self, address: str) -> None:
        """One that was counted has ended."""
        client = origin(client_address(address))
        self._sum -= 1
        self._clients[client] -= 1
        if not self._clients[client]:
            del self._clients[client]


class Securing:
    """The handshakes of one virtual server."""

    def __init__(self, key: str, tls: ServerTls, handshakes: Handshakes, emit: Emit) -> None:
        self._key = key
        self._tls = tls
        self._handshakes = handshakes
        self._emit = emit

    def admit(self, address: str) -> bool:
        """Whether one more handshake may begin; if so, it is counted, and `secure` or `accept` must follow."""
        admitted = self._handshakes.begin(address)
        if not admitted:
            self._failed("", address, "too many TLS handshakes are under way")
        return admitted

    async def secure(self, session: Session, transport: asyncio.Transport, patience: float) -> Secured | None:
        """Shake hands on the session's connection; None where that failed, which is told."""
        try:
            if transport.is_closing():
                return None
            return await shake_hands(transport, session, self._tls, min(patience, _LONGEST))
        except ConnectionLost as fault:
            self._failed(session.ident, session.address, str(fault))
            return None
        finally:
            self._handshakes.end(session.address)

    async def accept(
        self, connection: socket.socket, address: str, make: Callable[[], Session], patience: float
    ) -> None:
        """Shake hands, then begin a session; where that fails, it is told."""
        if not self.admit(address):
            connection.close()
            return
        try:
            await accept_secured(connection, make, self._tls, min(patience, _LONGEST))
        except ConnectionLost as fault:
            self._failed("", address, str(fault))
        finally:
            self._handshakes.end(address)

    def _failed(self, session: str, address: str, cause: str) -> None:
        self._emit(EVENTS.tls_failed, server=self._key, session=session, address=address, cause=cause)


class SecuredSession(Session):
    """A session whose connection began with a handshake."""

    __slots__ = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the client inside TLS."""
        self.secured = secured_by(transport)
        super().connection_made(transport)


class TlsListener:
    """Accepts connections on which TLS is spoken from the first octet, and gives each to `take`.

    We accept ourselves: the loop's own servers begin handshakes without asking whether there are too many.
    """

    def __init__(self, listener: socket.socket, take: Callable[[socket.socket, str], Awaitable[None]]) -> None:
        self._listener = listener
        self._take = take
        self._taken: set[asyncio.Future[None]] = set()
        self._accepting = asyncio.get_running_loop().create_task(self._accept())
        self._accepting.add_done_callback(lambda _: listener.close())

    def close(self) -> None:
        """Accept no more; handshakes under way go on."""
        self._accepting.cancel()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(self._listener)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except ConnectionError:  # the client is gone already
                continue
            except OSError:  # no more descriptors
                await asyncio.sleep(_AFTER_FAULT)
                continue
            taking = asyncio.ensure_future(self._take(connection, peer[0]))
            self._taken.add(taking)
            taking.add_done_callback(self._taken.discard)
