"""The administration's end of the line to the supervisor: what it asks, many questions at a time."""

import asyncio
import itertools
import json
import socket
from collections.abc import Mapping
from typing import Any, Protocol

from mailroot.edge.control import Refused
from mailroot.mail.by import By
from mailroot.mail.faults import ConnectionLost, Unavailable

_LARGEST_ANSWER = 32 * 1024 * 1024
# A change of a virtual server's state waits for transactions under way (`service.life.state`).
_PATIENCE = 60.0


class Asker(Protocol):
    """Carries out operations of the service."""

    async def ask(self, operation: str, arguments: Mapping[str, object], by: By) -> Any:
        """The result of an operation that `by` is allowed.

        Raises `Refused` with the service's own sentence, or `Unavailable`.
        """


class Line:
    """Asks over a socket whose other end is the supervisor's (`service.life.adminline`)."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._writer: asyncio.StreamWriter | None = None

    async def run(self, end: socket.socket) -> None:
        """Take answers until the other end is closed."""
        end.setblocking(False)
        reader, self._writer = await asyncio.open_connection(sock=end, limit=_LARGEST_ANSWER)
        while (line := await reader.readline()).endswith(b"\n"):
            answer = json.loads(line)
            waiting = self._waiting.pop(answer.get("id") or 0, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(answer)

    async def ask(self, operation: str, arguments: Mapping[str, object], by: By) -> Any:
        """See `Asker`."""
        number = next(self._numbers)
        whole = {"name": by.name, "face": by.face, "address": by.address}
        request = {"id": number, "operation": operation, "arguments": dict(arguments), "by": whole}
        octets = json.dumps(request).encode() + b"\n"
        if self._writer is None:
            raise Unavailable("the administration is starting; try again")
        if len(octets) > self._longest:
            raise Refused(f"{operation}: the arguments are longer than {self._longest} octets", "request")
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(_PATIENCE):
                self._writer.write(octets)
                await self._writer.drain()
                answer = await waiting
        except TimeoutError as fault:
            raise Unavailable(f"the service did not answer within {_PATIENCE:g} s; try again") from fault
        except OSError as fault:
            raise ConnectionLost("the service has ended") from fault
        finally:
            self._waiting.pop(number, None)
        return result_of(answer)


def result_of(answer: Mapping[str, Any]) -> Any:
    """The result in an answer. Raises `Refused` or `Unavailable` where it is none."""
    if answer["ok"]:
        return answer["result"]
    text, kind = str(answer["error"]), str(answer.get("kind", ""))
    if kind == "unavailable":
        raise Unavailable(text)
    raise Refused(text, kind, answer.get("problems") or ())
