"""The control socket: who connects, how many at a time and for how long; a JSON object a line.

The system says which account is at the other end. The service's own and root are always served. Others can connect only
while groups of the machine are operators; they share a few connections, so that none of them keeps our own out.
"""

import asyncio
import contextlib
import json
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from mailroot.edge.control import user_at
from mailroot.edge.listening import open_private

_LONGEST_REQUEST = 2 * 1024 * 1024  # a configuration of thousands of domains has a tenth of this
_PATIENCE, _PATIENCE_WITH_STRANGERS = 60.0, 10.0
# Each look for somebody's groups takes a process: who is let in nowhere shall not have one after the other made.
_STRANGERS_WAIT = 1.0
_MOST_OF_OTHERS, _MOST_OF_ONE = 16, 4
_OURS_ALONE, _EVERYBODYS = 0o600, 0o666

Answer = Callable[[bytes, int], Awaitable[dict[str, object]]]
"""Gives the answer to a request of an account, by its number."""
Admits = Callable[[int], Awaitable[bool]]
"""Tells whether an account may ask for anything at all."""


class ControlSocket:
    """Serves it. `ours` answers to the service's account and root, `others` to all accounts that are admitted."""

    def __init__(self, path: Path, ours: Answer, others: Answer, admits: Admits) -> None:
        self._path = path
        self._ours = ours
        self._others = others
        self._admits = admits
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}
        self._connected: Counter[int] = Counter()

    async def open(self) -> None:
        """Make it, and serve from now on. Raises `Misconfigured`."""
        listener = open_private(self._path)
        self._server = await asyncio.start_unix_server(self._client, sock=listener, limit=_LONGEST_REQUEST)

    def let_others_connect(self, let: bool) -> None:
        """Whether accounts that are not ours may connect; what they may do is asked for each request."""
        with contextlib.suppress(OSError):
            self._path.chmod(_EVERYBODYS if let else _OURS_ALONE)

    async def close(self) -> None:
        """Serve no more."""
        if self._server is not None:
            self._server.close()
        for writer in self._clients.values():
            writer.transport.abort()
        tasks = [task for task in self._clients if task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)
        self._path.unlink(missing_ok=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task, user = asyncio.current_task(), user_at(writer.get_extra_info("socket"))
        own = user in (0, os.geteuid())
        if not own and (self._connected.total() >= _MOST_OF_OTHERS or self._connected[user] >= _MOST_OF_ONE):
            writer.transport.abort()
            return
        self._clients[task] = writer
        self._connected.update([] if own else [user])
        try:
            await (_converse(reader, writer, self._ours, user) if own else self._serve_other(reader, writer, user))
        except (TimeoutError, ValueError, OSError):
            writer.transport.abort()  # a client that is slow, talks too long or has gone is owed nothing
        finally:
            writer.close()
            self._clients.pop(task, None)
            self._connected.subtract([] if own else [user])
            self._connected += Counter()  # those that have none are forgotten

    async def _serve_other(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, user: int) -> None:
        if await self._admits(user):
            await _converse(reader, writer, self._others, user)
            return
        await asyncio.sleep(_STRANGERS_WAIT)
        async with asyncio.timeout(_PATIENCE_WITH_STRANGERS):
            await _one(reader, writer, self._others, user)


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer, user: int) -> None:
    async with asyncio.timeout(_PATIENCE):
        while await _one(reader, writer, answer, user):
            pass


async def _one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer, user: int) -> bool:
    line = await reader.readline()
    if not line.endswith(b"\n"):
        return False
    writer.write(json.dumps(await answer(line, user)).encode() + b"\n")
    await writer.drain()
    return True
