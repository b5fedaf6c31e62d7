"""Replies of one turn of the event loop, written together at its end.

A reply that is written alone wakes the process that waits for it, which may cost more than the reply: 7 % of a
message's price was measured so. Of many that are written at once, the first wakes it for all.
"""

import asyncio


class Outbox:
    """What is to be written to clients. Used in one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[tuple[asyncio.Transport, bytes, bool]] = []
        self.octets_in = self.octets_out = 0
        """How many octets came from clients and went to them since somebody last counted."""

    def put(self, transport: asyncio.Transport, octets: bytes, last: bool) -> None:
        """Write the octets when this turn of the loop ends; with `last`, close the connection then."""
        if not self._waiting:
            self._loop.call_soon(self.send)
        self._waiting.append((transport, octets, last))
        self.octets_out += len(octets)

    def send(self) -> None:
        """Write what waits, now: before anything that must come after it."""
        waiting, self._waiting = self._waiting, []
        for transport, octets, last in waiting:
            if transport.is_closing():  # it was cut meanwhile; and a TLS transport must not be closed twice
                continue
            transport.write(octets)
            if last:
                transport.close()
