"""TLS between a connection and a session, as the server: a protocol for the one below, a transport for the one above.

The event loops have this too. Theirs serves any protocol, with tasks, timers and large buffers for each connection;
this one needs a fraction of their CPU time. It waits for nobody: a peer that does not end TLS in good order is not
waited for, and nothing is read that is not handed on at once.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, cast

_RECORD = 16384  # RFC 8446 section 5.1: no record holds more, so that one reading takes a whole one
_NOBODY = asyncio.Protocol()


class TlsConnection(asyncio.Transport, asyncio.Protocol):
    """TLS on one connection. Its handshake begins with `connection_made`, and has `patience` seconds.

    `ended` is called once, when it ends: with "", or with what went wrong, and then the connection is closed and
    `above` hears no more of it. What the client says is given to `above` only after that.
    """

    __slots__ = ("_above", "_below", "_ended", "_incoming", "_outgoing", "_patience", "_timer", "_tls")

    _below: asyncio.Transport
    _timer: asyncio.TimerHandle

    def __init__(
        self, context: ssl.SSLContext, above: asyncio.Protocol, patience: float, ended: Callable[[str], None]
    ) -> None:
        self._above = above
        self._patience = patience
        self._ended: Callable[[str], None] | None = ended
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    # What the connection below tells.

    def connection_made(self, transport: Any) -> None:
        """Wait for the client's first octets of TLS."""
        self._below = transport
        self._timer = asyncio.get_running_loop().call_later(self._patience, self._too_late)

    def data_received(self, data: bytes) -> None:
        """Go on with the handshake, or hand on what was said."""
        self._incoming.write(data)
        if self._ended is None or self._shook_hands():
            self._read()

    def eof_received(self) -> bool:
        """The client sends no more: what it is owed is written, then the connection closes."""
        if self._ended is None:
            self._above.eof_received()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The end."""
        if self._ended is not None:
            self._end_handshake("was broken off by the client")
            return
        above, self._above = self._above, _NOBODY  # nothing keeps itself alive
        above.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read."""
        if self._ended is None:
            self._above.pause_writing()

    def resume_writing(self) -> None:
        """It reads again."""
        if self._ended is None:
            self._above.resume_writing()

    # What the session above asks for.

    def write(self, data: Any) -> None:
        """Say something to the client."""
        if data and not self._below.is_closing():
            try:
                self._tls.write(data)
            except ssl.SSLError:  # the client has ended TLS, or broke it
                self._below.abort()
                return
            self._flush()

    def close(self) -> None:
        """End TLS, then the connection; what was written goes before. Calling it twice does nothing."""
        if self._below.is_closing():
            return
        try:
            self._tls.unwrap()
        except ssl.SSLError:  # it would wait for the client to say the same; RFC 8446 section 6.1 does not ask for that
            pass
        self._flush()
        self._below.close()

    def abort(self) -> None:
        """End the connection at once."""
        self._below.abort()

    def is_closing(self) -> bool:
        """Whether it has ended, or is about to."""
        return self._below.is_closing()

    def is_reading(self) -> bool:
        """Whether the client is listened to."""
        return self._below.is_reading()

    def pause_reading(self) -> None:
        """Listen no more for now."""
        self._below.pause_reading()

    def resume_reading(self) -> None:
        """Listen again."""
        self._below.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Give what comes from now on to somebody else."""
        self._above = cast("asyncio.Protocol", protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who gets what comes."""
        return self._above

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """How much may wait to be written before the protocol is told to pause."""
        self._below.set_write_buffer_limits(high, low)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`ssl_object` is TLS itself; the rest is known below."""
        return self._tls if name == "ssl_object" else self._below.get_extra_info(name, default)

    # TLS itself.

    def _shook_hands(self) -> bool:
        """Go on with the handshake; whether it has ended well."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        except ssl.SSLError as fault:
            self._flush()  # the alert
            self._end_handshake(f"failed: {(fault.reason or str(fault)).lower().replace('_', ' ')}")
            self._below.close()
            return False
        # In TLS 1.3 only a ticket is left, which goes with the first reply: the client does not wait for it.
        if self._tls.version() != "TLSv1.3":
            self._flush()
        self._end_handshake("")
        return True

    def _too_late(self) -> None:
        self._end_handshake(f"took longer than {self._patience:g} s")
        self._below.abort()

    def _end_handshake(self, fault: str) -> None:
        ended, self._ended = self._ended, None
        self._timer.cancel()
        if fault:
            self._above = _NOBODY
        if ended is not None:
            ended(fault and f"the TLS handshake {fault}")

    def _read(self) -> None:
        """Hand on all that is there to be read."""
        tls, incoming = self._tls, self._incoming
        said: list[bytes] = []
        ended = False
        try:
            while incoming.pending and not ended:
                said.append(tls.read(_RECORD))
                ended = not said[-1]
        except ssl.SSLWantReadError:  # the rest of a record is still to come
            pass
        except ssl.SSLError:  # close() sends the alert
            ended = True
        if said and said[0]:
            self._above.data_received(said[0] if len(said) == 1 else b"".join(said))
        if ended and not self._below.is_closing():
            self._above.eof_received()
            self.close()
        elif self._outgoing.pending > _RECORD:
            # TLS itself answers: who sends KeyUpdates without end would have us keep as much (RFC 8446 section 4.6.3).
            self._flush()

    def _flush(self) -> None:
        octets = self._outgoing.read()
        if octets:
            self._below.write(octets)
