"""One connection to a directory: many questions under way at once, each with an end in bounded time.

Not responsible for which server it is, for signing in, or for what answers mean. What breaks the protocol ends the
connection, and every question on it with `ConnectionLost`.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, cast

from mailroot.edge.tls.outgoing import Secured, TlsFailed, handshake_failed, secured
from mailroot.mail.faults import ConnectionLost, Unavailable
from mailroot.wire.ldap import messages
from mailroot.wire.ldap.ber import BadBer, Splitter
from mailroot.wire.ldap.messages import Elsewhere, Farewell, Found, Result, Search

# A group of 100,000 names of 100 octets fits; a value of a megabyte is a stranger's, but does no harm.
_LONGEST = 16 * 1024 * 1024
# Who was asked for five entries and sends more than these is not to be listened to.
_MOST_ENTRIES = 1_000
_TLS_END_WAIT = 2.0


class Layer(Protocol):
    """A security layer of SASL (RFC 4422 section 3.7): what goes over the connection once a binding agreed on it."""

    def wrap(self, octets: bytes) -> bytes:
        """Octets as they go out."""

    def unwrap(self, octets: bytes) -> bytes:
        """Octets as they came in; raises `ConnectionLost` for what the other side did not seal."""


@dataclass(slots=True)
class _Asked:
    """A question under way. `heard` counts what the connection had brought when it was asked."""

    answer: "asyncio.Future[tuple[list[Found], Result]]"
    deadline: float
    heard: int
    entries: list[Found] = field(default_factory=list)
    octets: int = 0


class Line(asyncio.Protocol):
    """A connection. `end` is why it is of no more use, "" while it stands."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._splitter = Splitter(_LONGEST)
        self._kept = b""
        self._layer: Layer | None = None
        self._asked: dict[int, _Asked] = {}
        self._number = 0
        self._heard = 0
        self._timer: asyncio.TimerHandle | None = None
        self.since = loop.time()
        self.end = ""
        self.secured: Secured | None = None

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Give each message to the question that it answers."""
        self._heard += 1
        try:
            if self._layer is not None:
                data = self._opened(self._layer, data)
            for message in self._splitter.feed(data):
                self._take(message)
        except BadBer as fault:
            self.finish(f"it does not speak LDAP: {fault}")
        except ConnectionLost as fault:
            self.finish(str(fault))

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, for whatever reason."""
        self.finish("the connection was dropped" if exc is None else f"the connection broke: {exc}")

    # What its owner calls.

    @property
    def pending(self) -> int:
        """How many questions are under way."""
        return len(self._asked)

    async def request(self, make: Callable[[int], bytes], wait: float) -> Result:
        """Make a request that has one result; see `search` for what it raises."""
        _, result = await self._ask(make, wait)
        return result

    async def search(self, asked: Search, wait: float) -> tuple[list[Found], Result]:
        """Entries, and how the search ended. Raises `ConnectionLost`, or `Unavailable` after `wait` seconds."""
        return await self._ask(lambda number: messages.search(number, asked), wait)

    async def secure(self, context: ssl.SSLContext, name: str, wait: float) -> TlsFailed | None:
        """Make the handshake; what was said in clear text is never read as if it had come through TLS."""
        if self.end or self._transport is None or not self._splitter.at_rest or self._asked:
            return TlsFailed("the server said more in clear text than that TLS may begin")
        try:
            transport = await self._loop.start_tls(
                self._transport,
                self,
                context,
                server_hostname=name,
                ssl_handshake_timeout=wait,
                ssl_shutdown_timeout=_TLS_END_WAIT,
            )
        except (OSError, ValueError) as fault:
            self.finish("the TLS handshake failed")
            return handshake_failed(fault)
        if transport is None:
            self.finish("the connection was dropped")
            return TlsFailed("the server closed the connection")
        self._transport = transport
        self.secured = secured(transport.get_extra_info("ssl_object"))
        return None

    def protect(self, layer: Layer) -> None:
        """Go on within a security layer that a binding has agreed on."""
        self._layer = layer

    def finish(self, end: str) -> None:
        """End the connection; questions under way end with `ConnectionLost`."""
        if self.end:
            return
        self.end = end
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        asked, self._asked = self._asked, {}
        for one in asked.values():
            if not one.answer.done():
                one.answer.set_exception(ConnectionLost(end))

    def close(self) -> None:
        """Say goodbye, and end the connection."""
        if not self.end and self._transport is not None:
            self._write(messages.unbind(self._next()))
            self._transport.close()
            self._transport = None
        self.finish("closed")

    # Inside.

    async def _ask(self, make: Callable[[int], bytes], wait: float) -> tuple[list[Found], Result]:
        if self.end:
            raise ConnectionLost(self.end)
        number = self._next()
        asked = _Asked(self._loop.create_future(), self._loop.time() + wait, self._heard)
        self._asked[number] = asked
        self._write(make(number))
        if self._timer is None:
            self._timer = self._loop.call_later(wait / 4, self._look_at_time, wait / 4)
        try:
            return await asked.answer
        finally:
            if self._asked.pop(number, None) is not None and not self.end:
                self._write(messages.abandon(self._next(), number))

    def _next(self) -> int:
        self._number = self._number % 0x7FFF_FFFF + 1
        return self._number

    def _write(self, octets: bytes) -> None:
        if self._transport is None:
            return
        if self._layer is not None:
            sealed = self._layer.wrap(octets)
            octets = len(sealed).to_bytes(4, "big") + sealed
        self._transport.write(octets)

    def _opened(self, layer: Layer, data: bytes) -> bytes:
        """What came in sealed pieces, each with its length before it."""
        self._kept += data
        found = []
        while len(self._kept) >= 4:
            length = int.from_bytes(self._kept[:4], "big")
            if length > _LONGEST:
                raise ConnectionLost("a sealed piece that is too long")
            if len(self._kept) < 4 + length:
                break
            found.append(layer.unwrap(self._kept[4 : 4 + length]))
            self._kept = self._kept[4 + length :]
        return b"".join(found)

    def _take(self, message: bytes) -> None:
        number, said = messages.read(message)
        if isinstance(said, Farewell):
            raise ConnectionLost(f"the directory said goodbye: {said.text}")
        asked = self._asked.get(number)
        if asked is None or asked.answer.done():
            return  # nobody waits for it any more
        if isinstance(said, Found):
            asked.entries.append(said)
            asked.octets += len(message)
            if len(asked.entries) > _MOST_ENTRIES or asked.octets > _LONGEST:
                raise ConnectionLost(f"it sends more than was asked for: {len(asked.entries)} entries")
        elif isinstance(said, Result):
            del self._asked[number]
            asked.answer.set_result((asked.entries, said))
        elif not isinstance(said, Elsewhere):
            raise BadBer("an answer that was not asked for")

    def _look_at_time(self, pause: float) -> None:
        """Questions have the same patience, so the first is the next to be given up."""
        self._timer = None
        now = self._loop.time()
        late = [number for number, one in self._asked.items() if one.deadline <= now]
        stalled = any(self._asked[number].heard == self._heard for number in late)
        for number in late:
            one = self._asked[number]
            if not one.answer.done():
                one.answer.set_exception(Unavailable("the directory did not answer in time"))
        if stalled:  # not a word since then: the connection is of no use, whatever TCP thinks
            self.finish("the directory did not answer in time")
        elif self._asked:
            self._timer = self._loop.call_later(pause, self._look_at_time, pause)
