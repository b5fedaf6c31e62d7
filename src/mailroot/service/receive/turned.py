"""A connection on which the sides have changed places (ATRN, TURN): what was its server is the client on it."""

import asyncio

from mailroot.edge.outgoing import Connection
from mailroot.service.receive.door import Work


class TurnedConnection:
    """The connection, with the `work` that is done on it."""

    def __init__(self, transport: asyncio.Transport, work: Work, loop: asyncio.AbstractEventLoop) -> None:
        self._connection = Connection(loop)
        transport.set_protocol(self._connection)
        self._connection.connection_made(transport)
        self.work = loop.create_task(work(self._connection))
        if not transport.is_reading():
            transport.resume_reading()

    def cut(self, reason: str) -> None:
        """End at once, without a word."""
        self._connection.stop("4.3.2", reason)

    def end(self) -> Exception | None:
        """Close the connection, now that the work is done; the programming mistake that ended it, if one did."""
        self._connection.stop("4.4.2", "the connection was closed")
        mistake = None if self.work.cancelled() else self.work.exception()
        return mistake if isinstance(mistake, Exception) else None
