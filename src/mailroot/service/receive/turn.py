"""One turn of the event loop: all that has come is read, then answered, then the replies leave together.

A connection that is read, answered and written to before the next one is read has the processor change between the
system's code and ours with each command, and neither stays in its caches: the same answers cost a tenth more. And a
reply that is written alone wakes the process that waits for it, which may cost more than the reply; of many that are
written at once, the first wakes it for all. That was 7 % of a message's price.
"""

import asyncio
from collections import deque
from typing import Protocol


class Answering(Protocol):
    """Somebody to whom something was said."""

    def answer(self) -> None:
        """Answer it, unless that has happened."""


class Turn:
    """Who has something to answer, and what is to be written to clients. Used in one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._heard: deque[Answering] = deque()
        self._said: list[tuple[asyncio.Transport, bytes, bool]] = []
        self._answering = False
        self.octets_in = self.octets_out = 0
        """How many octets came from clients and went to them since somebody last counted."""

    def hear(self, session: Answering) -> None:
        """Have the session answer once everything is read that has come."""
        if not self._heard:
            self._loop.call_soon(self._answer)
        self._heard.append(session)

    def say(self, transport: asyncio.Transport, octets: bytes, last: bool) -> None:
        """Write the octets when all have answered; with `last`, close the connection then."""
        if not self._said and not self._answering:
            self._loop.call_soon(self.send)
        self._said.append((transport, octets, last))
        self.octets_out += len(octets)

    def send(self) -> None:
        """Write what waits, now: before anything that must come after it."""
        said, self._said = self._said, []
        for transport, octets, last in said:
            if transport.is_closing():  # it was cut meanwhile; and a TLS transport must not be closed twice
                continue
            transport.write(octets)
            if last:
                transport.close()

    def _answer(self) -> None:
        self._answering = True
        try:
            for _ in range(len(self._heard)):
                self._heard.popleft().answer()
        finally:
            self._answering = False
            if self._heard:  # what went wrong with one must not silence the others
                self._loop.call_soon(self._answer)
            self.send()
