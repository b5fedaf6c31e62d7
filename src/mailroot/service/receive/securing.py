"""TLS handshakes with clients: how many at once, for how long; and connections that begin with one."""

import asyncio
import functools
from collections import Counter
from collections.abc import Callable
from typing import cast

from mailroot.edge.tls.contexts import Secured, ServerTls, begin_handshake
from mailroot.mail.events import EVENTS, Emit
from mailroot.policy.client import client_address
from mailroot.policy.guesses import origin
from mailroot.service.receive.session import Session

# A handshake is some hundred microseconds of work and some round trips: who needs longer than this is not a mail client
# but an attacker, or gone (attack case D18). The general limit counts where it is shorter.
_LONGEST = 30.0
# Handshakes under way in one worker. Each has buffers of its own, and one client may have but a part of them all.
_MOST = 512
_MOST_OF_ONE = 256


class Handshakes:
    """Those of one worker that are under way."""

    def __init__(self, most: int = _MOST, most_of_one: int = _MOST_OF_ONE) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._clients: Counter[str] = Counter()
        self._sum = 0

    def begin(self, address: str) -> bool:
        """Whether one more may begin; if so, it is counted."""
        client = _client(address)
        if self._sum >= self._most or self._clients[client] >= self._most_of_one:
            return False
        self._sum += 1
        self._clients[client] += 1
        return True

    def end(self, address: str) -> None:
        """One that was counted has ended."""
        client = _client(address)
        self._sum -= 1
        self._clients[client] -= 1
        if not self._clients[client]:
            del self._clients[client]


@functools.lru_cache(maxsize=4096)
def _client(address: str) -> str:
    return origin(client_address(address))


class Securing:
    """The handshakes of one virtual server."""

    def __init__(self, key: str, tls: ServerTls, handshakes: Handshakes, emit: Emit) -> None:
        self._key = key
        self._tls = tls
        self._handshakes = handshakes
        self._emit = emit

    def admit(self, address: str) -> bool:
        """Whether one more handshake may begin; if so, it is counted, and `secure` must follow."""
        admitted = self._handshakes.begin(address)
        if not admitted:
            self._failed("", address, "too many TLS handshakes are under way")
        return admitted

    def secure(
        self, session: Session, transport: asyncio.Transport, patience: float
    ) -> "asyncio.Future[Secured | None]":
        """Shake hands on the session's connection, which is paused; None where that failed, which is told."""
        found = asyncio.get_running_loop().create_future()

        def ended(how: Secured | str) -> None:
            self._handshakes.end(session.address)
            if isinstance(how, str):
                self._failed(session.ident, session.address, how)
            found.set_result(None if isinstance(how, str) else how)

        if transport.is_closing():
            self._handshakes.end(session.address)
            found.set_result(None)
        else:
            begin_handshake(transport, session, self._tls, min(patience, _LONGEST), ended)
            transport.resume_reading()
        return found

    def accept(self, transport: asyncio.Transport, address: str, session: Session, patience: float) -> None:
        """Shake hands, then begin the session; where that fails, it is told."""
        if not self.admit(address):
            transport.abort()
            return

        def ended(how: Secured | str) -> None:
            self._handshakes.end(address)
            if isinstance(how, str):
                self._failed("", address, how)
            else:
                session.secured = how
                session.connection_made(how.transport)

        begin_handshake(transport, session, self._tls, min(patience, _LONGEST), ended)

    def _failed(self, session: str, address: str, cause: str) -> None:
        self._emit(EVENTS.tls_failed, server=self._key, session=session, address=address, cause=cause)


class TlsFirst(asyncio.Protocol):
    """Stands where a connection begins on which TLS comes first, until the handshake begins.

    `take` begins it; who is not admitted has had nothing of us but this.
    """

    def __init__(self, take: Callable[[asyncio.Transport, str], None]) -> None:
        self._take = take

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake, or end the connection."""
        connected = cast("asyncio.Transport", transport)  # uvloop's are none by name
        peer = connected.get_extra_info("peername")
        if not peer:  # the client was gone before it was accepted
            connected.abort()
            return
        self._take(connected, peer[0])
