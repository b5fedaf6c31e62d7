"""The endpoint that Prometheus scrapes: a small process of its own under the workers' account.

It holds no privileged socket, takes no mail and reads what all processes share. If it ends, mail does not notice.
"""

import asyncio
import os
import signal
import socket
import sys
from dataclasses import dataclass

from mailroot import __version__
from mailroot.edge.process import become, fork_child, reap
from mailroot.mail.faults import Fault
from mailroot.service.measure.exposition import CONTENT_TYPE, exposition
from mailroot.service.measure.http import Page, Pages, serve
from mailroot.service.measure.reader import Reader

_AGAIN = 1.0
_HOME = b"Mailroot: the figures are at /metrics, the words for them in docs/counters.md.\n"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What the process is born with."""

    listener: socket.socket
    run_as: str
    reader: Reader

    def run(self) -> int:
        """The whole life of the process; its exit code."""
        try:
            become(self.run_as)
        except (Fault, OSError) as fault:
            print(f"metrics: service.run_as: {fault}", file=sys.stderr)
            return 1
        asyncio.run(self._serve())
        return 0

    async def _serve(self) -> None:
        async with await serve(Pages({"/metrics": self._metrics, "/": _home}), self.listener) as server:
            await server.serve_forever()

    async def _metrics(self) -> Page:
        return Page(200, exposition(await self.reader.read(), __version__), CONTENT_TYPE)


async def _home() -> Page:
    return Page(200, _HOME)


class EndpointProcess:
    """Keeps the process alive, for the supervisor."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._pid = 0
        self._ending = False
        self._again: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start it; where the system has no room, later."""
        loop = asyncio.get_running_loop()
        try:
            self._pid, ended = fork_child(self._endpoint.run, [self._endpoint.listener.fileno()])
        except OSError:
            self._again = loop.call_later(_AGAIN, self.start)
            return
        loop.add_reader(ended, self._ended, ended)

    def end(self) -> None:
        """End it at once: it holds nothing that could be lost."""
        self._ending = True
        if self._again is not None:
            self._again.cancel()
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
        self._endpoint.listener.close()

    def _ended(self, descriptor: int) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(descriptor)
        os.close(descriptor)
        reap(self._pid)
        self._pid = 0
        if not self._ending:
            self._again = loop.call_later(_AGAIN, self.start)
