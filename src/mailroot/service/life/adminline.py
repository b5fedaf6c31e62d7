"""The supervisor's end of the line to the administration: its requests, many at a time, each with who asks.

The other end is a process that faces browsers. It has checked who asks, and what that one may do, by what it is told of
the operators here; what it asks for is carried out and recorded like all else. It cannot ask for more than operations.
"""

import asyncio
import contextlib
import hmac
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from mailroot.edge.operators import SetupCode
from mailroot.mail.by import By
from mailroot.mail.events import EVENTS
from mailroot.mail.faults import Conflict, Fault
from mailroot.policy.operators import book_text
from mailroot.service.life.audit import Audit
from mailroot.service.life.control import Control
from mailroot.service.life.dispatch import refusal

LONGEST_REQUEST = 2 * 1024 * 1024
_MOST_AT_ONCE = 64
# What the administration may tell the events of.
_TOLD = {row.name: row for row in (EVENTS.operator_signed_in, EVENTS.operator_refused)}


class AdminLine:
    """Serves one line for as long as its other end is open."""

    def __init__(self, control: Control, audit: Audit, setup: SetupCode) -> None:
        self._control = control
        self._audit = audit
        self._setup = setup
        self._dispatch = control.dispatch()
        self._room = asyncio.Semaphore(_MOST_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._own: dict[str, Callable[[Mapping[str, Any], By], Awaitable[object]]] = {
            "access.book": self._book,
            "access.claim": self._claim,
            "access.told": self._told,
        }

    async def run(self, ours: socket.socket) -> None:
        """Answer until the other end is closed, or says what is no request."""
        reader, writer = await asyncio.open_connection(sock=ours, limit=LONGEST_REQUEST)
        try:
            while (line := await reader.readline()).endswith(b"\n"):
                await self._room.acquire()
                task = asyncio.create_task(self._one(line, writer))
                self._tasks.add(task)
                task.add_done_callback(self._done)
        except (ValueError, OSError):
            pass
        finally:
            for task in self._tasks:
                task.cancel()
            writer.transport.abort()

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._room.release()
        if not task.cancelled():
            task.exception()

    async def _one(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        number, answer = await self._answer(line)
        with contextlib.suppress(OSError):
            writer.write(json.dumps({**answer, "id": number}).encode() + b"\n")
            await writer.drain()

    async def _answer(self, line: bytes) -> tuple[object, dict[str, object]]:
        try:
            request = json.loads(line)
            by = By(*(str(request["by"][name]) for name in ("name", "face", "address")))
            number, operation = int(request["id"]), str(request["operation"])
            arguments = dict(request.get("arguments") or {})
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None, refusal("this is no request of the administration", "request")
        own = self._own.get(operation)
        if own is None:
            return number, await self._dispatch.perform(operation, arguments, by)
        try:
            return number, {"ok": True, "result": await own(arguments, by)}
        except Fault as fault:
            return number, refusal(str(fault), "conflict" if isinstance(fault, Conflict) else "unsound")

    # -- what only the administration asks

    async def _book(self, _arguments: Mapping[str, Any], _by: By) -> object:
        """Who may administer, and the virtual servers by their short names."""
        book = await asyncio.to_thread(self._control.operator_file().book)
        if book.unclaimed:
            await asyncio.to_thread(self._setup.made)
        servers = self._control.server_names()
        return {"book": book_text(book), "servers": servers, "setup": str(self._setup.path)}

    async def _claim(self, arguments: Mapping[str, Any], by: By) -> object:
        """Make the first administrator, for whoever has read the set-up code."""
        code, given = self._setup.current(), str(arguments.get("code") or "")
        if not code or not hmac.compare_digest(code.encode(), given.encode("utf-8", "replace")):
            raise Conflict("this is not the set-up code")
        name = str(arguments.get("name") or "")
        await self._control.operators.claim(name, str(arguments.get("password") or ""))
        self._setup.used_up()
        await self._audit.record("operator.add", {"name": name, "role": "administrator"}, by, "done")
        return {"operator": name}

    async def _told(self, arguments: Mapping[str, Any], by: By) -> object:
        """Tell an event of the administration."""
        row = _TOLD.get(str(arguments.get("event")))
        if row is not None:
            more = {"cause": str(arguments.get("cause", ""))[:500]} if "cause" in row.fields else {}
            self._control.emit(row, who=by.name[:200], face=by.face, address=by.address, **more)
        return {"at": datetime.now(UTC).isoformat()}
