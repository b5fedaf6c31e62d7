"""The life of the administration's process: imports first, then privileges are laid down, then it serves."""

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Iterator

import uvicorn

from mailroot.admin.access.access import Access
from mailroot.admin.application import Pages, application
from mailroot.admin.asking import Line
from mailroot.admin.console.door import door
from mailroot.admin.console.router import router
from mailroot.admin.console.visiting import lost
from mailroot.admin.gate import MOST, Gate
from mailroot.admin.patience import PatientProtocol
from mailroot.mail.faults import Fault
from mailroot.service.life.adminprocess import AdminBirth

_LONGEST_HEAD = 320 * 1024  # two cursors of signs that an address has twelve octets for, and further texts
_KEPT_ALIVE = 15  # seconds
# Requests, with those that nobody waits for any more; connections alone never reach it.
_MOST_AT_ONCE = 2 * MOST


class _Server(uvicorn.Server):
    """A server that leaves signals to the process, and the port to the gate."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        """Listen nowhere."""
        self.servers = []
        self.started = True

    def connection(self) -> PatientProtocol:
        """What serves one more connection."""
        return PatientProtocol(config=self.config, server_state=self.server_state, app_state={})


def run(birth: AdminBirth) -> int:
    """The whole life of the process; its exit code."""
    logging.getLogger("uvicorn").setLevel(
        logging.CRITICAL
    )  # what clients do wrong is not ours to tell on standard error
    os.environ.setdefault("OTEL_SDK_DISABLED", "true")
    line = Line(birth.longest_request)
    access = Access(line, birth.idle, birth.longest)
    served = application(line, access, Pages([router], lost, door), birth.public_url)
    try:
        birth.become()
    except Fault as fault:
        print(f"administration: {fault}", file=sys.stderr)
        return 1
    asyncio.run(_serve(birth, line, served))
    return 0


async def _serve(birth: AdminBirth, line: Line, served: object) -> None:
    config = uvicorn.Config(
        served,  # type: ignore[arg-type]
        loop="none",
        http=PatientProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_MOST_AT_ONCE,
        timeout_keep_alive=_KEPT_ALIVE,
        h11_max_incomplete_event_size=_LONGEST_HEAD,
    )
    config.load()
    server, tls = _Server(config), birth.tls.context if birth.tls is not None else None
    gate = Gate(birth.listener, server.connection, tls)
    tasks = {asyncio.ensure_future(one) for one in (line.run(birth.line), server.serve(), gate.run())}
    # Without the supervisor there is nobody to ask.
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    os._exit(0)
