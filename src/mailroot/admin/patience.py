"""HTTP connections that are not waited for without end.

uvicorn waits for a request's head and body as long as the client likes; here each has a limit.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from mailroot.admin.problems import problem

_SILENCE = 10.0  # seconds until a new connection begins a request
_REQUEST = 20.0  # for one to come whole, from its first octets on
_ANSWER = 120.0  # and for its answer to be made and taken


def _nothing() -> None:
    """What is told to nobody."""


class PatientProtocol(H11Protocol):
    """One connection. It tells when an answer is due and when it is out; `lost` is set once it has ended."""

    _until: asyncio.TimerHandle | None = None
    _begun = False

    def __init__(self, *given: Any, **known: Any) -> None:
        super().__init__(*given, **known)
        self.lost = asyncio.Event()
        self.answering: Callable[[], None] = _nothing
        self.answered: Callable[[], None] = _nothing

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(transport)
        self._wait(_SILENCE)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._wait(None)
        super().connection_lost(exc)
        self.lost.set()

    def data_received(self, data: bytes) -> None:
        """Take octets; the first of a connection begin its first request."""
        if not self._begun:
            self._begun = True
            self._wait(_REQUEST)
        super().data_received(data)

    def handle_events(self) -> None:
        """Take what has come; the time for a request begins with its first octets and ends with its last."""
        before = self.conn.their_state
        super().handle_events()
        after = self.conn.their_state
        if after in (h11.DONE, h11.MUST_CLOSE) and before is not after:
            self._wait(_ANSWER)
            self.answering()

    def on_response_complete(self) -> None:
        """An answer is out: the next request may take its time again."""
        self._wait(_REQUEST)
        self.answered()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, as everything else is refused; then the connection ends."""
        body = problem(400, msg).body
        headers = [(b"content-type", b"application/problem+json"), (b"connection", b"close")]
        headers.append((b"content-length", str(len(body)).encode("ascii")))
        for part in (h11.Response(status_code=400, headers=headers), h11.Data(data=bytes(body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(part) or b"")
        self.transport.close()

    def _wait(self, seconds: float | None) -> None:
        if self._until is not None:
            self._until.cancel()
        self._until = None if seconds is None else self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        if self.transport is not None:
            self.transport.abort()
