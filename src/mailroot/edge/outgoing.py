"""Connections that we open: octets out, replies in.

Not responsible for what is said (`wire.client`). A connection that is lost, too slow or no SMTP answers every question
with `NoReply`; nothing is raised.
"""

import asyncio
import os
import ssl
from pathlib import Path
from typing import cast

from mailroot.edge.control import reachable
from mailroot.edge.protocollog.call import Call
from mailroot.edge.tls.outgoing import Secured, TlsFailed, handshake_failed, secured
from mailroot.mail.faults import Unavailable
from mailroot.mail.reply import Reply
from mailroot.wire.echo import Echo
from mailroot.wire.replies import BrokenProtocol, NoReply, ReplyReader, no_reply

# How often a waiting connection looks at the time: one timer serves many steps, at the price of so much delay.
_TICK = 10.0
# What may be written before the writer has to wait; the content of most messages is one write.
_WRITE_LIMIT = 256 * 1024
# Seconds for the other side to answer the end of TLS; what is said there is of no use to anybody.
_TLS_END_WAIT = 5.0
_SIGNED_IN = 235


class Connection(asyncio.Protocol):
    """One connection. Its owner alone asks, one question at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._reader = ReplyReader()
        self._heard: list[Reply] = []
        # The greeting may come before anybody waits for it.
        self._wanted = 1
        self._end: NoReply | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._wait = 0.0
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._tick_at = 0.0
        self.octets_in = self.octets_out = 0
        """How many octets came and went, those of TLS itself left out."""
        self.log: Call | None = None
        """Where the protocol log notes what is said; None where none is kept."""
        self.echo: Echo | None = None
        """What hides secrets that the server says back; None before a sign-in."""

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        # uvloop's transports have the methods, not the base class.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_WRITE_LIMIT)

    def data_received(self, data: bytes) -> None:
        """Collect replies; more than were asked for end the connection."""
        self.octets_in += len(data)
        try:
            replies = self._reader.feed(data)
        except BrokenProtocol as fault:
            self._finish(no_reply("4.5.0", str(fault)))
            return
        if not replies:
            return
        self._heard += replies
        self._deadline = self._loop.time() + self._wait
        if len(self._heard) > self._wanted and self._heard[-1].code != 421:
            del self._heard[self._wanted :]
            self._finish(no_reply("4.5.0", "the server sent replies that nobody asked for"))
        elif self._wanted and len(self._heard) >= self._wanted:
            self._wake()

    def eof_received(self) -> None:
        """The server has nothing more to say: neither have we."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, for whatever reason."""
        self._finish(no_reply("4.4.2", "the connection was dropped" if exc is None else f"the connection broke: {exc}"))

    def pause_writing(self) -> None:
        """Enough is on its way."""
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        """More can be written."""
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    # What the owner calls.

    @property
    def usable(self) -> bool:
        """Whether it stands and the server has not spoken out of turn."""
        return self._end is None and not self._heard

    @property
    def interrupted(self) -> bool:
        """Whether the server has said something, or is gone, while we are still writing."""
        return bool(self._heard) or self._end is not None

    async def exchange(self, octets: bytes, replies: int, wait: float) -> list[Reply]:
        """Write, then wait for so many replies; no silence between them may be longer than `wait` seconds."""
        self._wanted = replies
        if self._end is None:
            assert self._transport is not None
            if self.log is not None:
                self.log.said(octets)
            if octets:
                self._transport.write(octets)
                self.octets_out += len(octets)
            if len(self._heard) < replies:
                self._waiter = self._loop.create_future()
                await self._guarded(self._waiter, wait)
        heard, self._heard, self._wanted = self._heard, [], 0
        if self.echo is not None:
            heard = [self.echo.hide(reply) if _may_repeat(reply) else reply for reply in heard]
        if self.log is not None:
            self.log.heard(heard)
        if len(heard) < replies:
            heard += [self._end or no_reply("4.4.2", "the connection was dropped")] * (replies - len(heard))
        elif len(heard) > replies:
            # A farewell that came together with the last reply: it is said again to the next question.
            del heard[replies:]
            self._finish(no_reply("4.4.2", "the server closed the connection"))
        return heard

    async def write(self, octets: bytes, wait: float) -> None:
        """Write a piece of content, and wait until there is room for the next. One reply may come before its end."""
        self._wanted = 1
        if self._end is not None or self._transport is None:
            return
        if self.log is not None:
            self.log.said(octets)
        self._transport.write(octets)
        self.octets_out += len(octets)
        if self._writable is not None:
            await self._guarded(self._writable, wait)

    async def secure(
        self, context: ssl.SSLContext, name: str, wait: float, greeting: bool = False
    ) -> Secured | TlsFailed | NoReply:
        """Make the handshake with the server `name`; everything after it is protected. `greeting`: one is to come.

        Whatever the server said in clear text besides the reply that invited us is a reason to go, not to go on: none
        of it is ever read as if it had come through TLS (CVE-2011-0411). After a failure the connection is of no use.
        """
        if self._end is None and not (self.usable and self._reader.at_rest):
            self._finish(no_reply("4.5.0", "the server said more in clear text than that TLS may begin"))
        if self._end is not None or self._transport is None:
            return self._end or no_reply("4.4.2", "the connection was dropped")
        # Inside TLS the server may speak before `start_tls` has returned; what it may say is settled before.
        self._wanted = 1 if greeting else 0
        try:
            transport = await self._loop.start_tls(
                self._transport,
                self,
                context,
                server_hostname=name,
                ssl_handshake_timeout=wait,
                ssl_shutdown_timeout=_TLS_END_WAIT,
            )
        except (
            OSError,
            ValueError,
        ) as fault:  # ssl.SSLError is an OSError; a name that no certificate has, a ValueError
            self._finish(no_reply("4.7.5", "the TLS handshake failed"))
            return handshake_failed(fault)
        if transport is None:
            self._finish(no_reply("4.4.2", "the connection was dropped"))
            return TlsFailed("the server closed the connection")
        self._transport = transport
        transport.set_write_buffer_limits(high=_WRITE_LIMIT)
        return secured(transport.get_extra_info("ssl_object"))

    def lend(self, protocol: asyncio.Protocol) -> asyncio.Transport | None:
        """Give what comes to somebody else until `take_back`; the transport, None where the connection is gone."""
        if self._transport is None or not self.usable:
            return None
        self._transport.set_protocol(protocol)
        return self._transport

    def take_back(self, lost: bool) -> None:
        """Listen again to what comes; `lost`: the connection ended meanwhile."""
        if lost:
            self._finish(no_reply("4.4.2", "the connection was dropped"))
        elif self._transport is not None:
            self._transport.set_protocol(self)

    def stop(self, enhanced: str, reason: str) -> None:
        """End the connection at once; whoever asks again is told the reason."""
        self._finish(no_reply(enhanced, reason))

    async def _guarded(self, waiter: asyncio.Future[None], wait: float) -> None:
        self._waiter = waiter
        self._wait = wait
        self._deadline = self._loop.time() + wait
        tick_at = self._deadline if wait < _TICK else self._deadline - wait + _TICK
        if self._timer is None or self._deadline < self._tick_at:
            self._set_timer(tick_at)
        try:
            await waiter
        finally:
            self._waiter = None

    def _set_timer(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._tick_at = at
        self._timer = self._loop.call_at(at, self._look_at_time)

    def _look_at_time(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        now = self._loop.time()
        if now >= self._deadline:
            self._finish(no_reply("4.4.2", f"no answer within {self._wait:.0f} seconds"))
        else:
            self._set_timer(min(self._deadline, now + _TICK))

    def _finish(self, end: NoReply) -> None:
        if self._end is not None:
            return
        self._end = end
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()
        self.resume_writing()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _may_repeat(reply: Reply) -> bool:
    """Whether a reply may have something in it that was shown before: refusals, and the end of a sign-in."""
    return reply.code >= 400 or reply.code == _SIGNED_IN


async def connect_inside(path: str, wait: float) -> Connection:
    """Open a connection over a Unix socket of our own service. Raises `Unavailable`."""
    loop = asyncio.get_running_loop()
    try:
        with reachable(Path(path)) as name:
            async with asyncio.timeout(wait):
                _, connection = await loop.create_unix_connection(lambda: Connection(loop), name)
    except (TimeoutError, OSError) as fault:
        raise Unavailable(f"the connection cannot be taken up: {fault}") from fault
    return connection


async def connect(address: str, port: int, wait: float) -> Connection:
    """Open a connection to an IP address. Raises `Unavailable` with a clause that says why not."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(wait):
            _, connection = await loop.create_connection(lambda: Connection(loop), address, port)
    except TimeoutError as fault:
        raise Unavailable(f"no connection within {wait:.0f} seconds") from fault
    except OSError as fault:
        # asyncio's own text repeats the address instead of saying what is wrong.
        why = os.strerror(fault.errno) if fault.errno and fault.errno > 0 else str(fault)
        raise Unavailable(why.lower()) from fault
    return connection
