"""Messages of the queue that operators open: a worker gives their octets, and they are read aside."""

import base64
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mailroot.edge.aside import Aside
from mailroot.mail.faults import Misconfigured, Unavailable
from mailroot.mail.opened import MOST_READ, opened
from mailroot.service.life.state import State
from mailroot.service.views.foldercontrol import piece_of
from mailroot.service.views.shelves import piece_facts

Arguments = Mapping[str, Any]


class MessageControl:
    """Serves `message.show` and `message.raw`."""

    def __init__(self, state: State, aside: Callable[[], Aside]) -> None:
        self._state = state
        self._aside = aside
        self.operations: dict[str, Callable[[Arguments], Awaitable[object]]] = {
            "message.show": self._show,
            "message.raw": self._raw,
        }

    async def _show(self, arguments: Arguments) -> object:
        octets, facts = await self._read(arguments, 0, MOST_READ)
        size = facts.pop("size")
        try:
            message = await self._aside().do(lambda: opened(octets, size))
        except Unavailable:
            # Taking it apart took too long; its header does not.
            message = await self._aside().do(lambda: opened(octets, size, header_only=True))
            message["problems"].append("The message takes too long to take apart; it can be saved and looked at.")
        return {**facts, "message": message}

    async def _raw(self, arguments: Arguments) -> object:
        offset, limit = piece_of(arguments)
        octets, facts = await self._read(arguments, offset, limit)
        return {"server": facts["server"], **piece_facts(octets, offset, facts["size"])}

    async def _read(self, arguments: Arguments, offset: int, limit: int) -> tuple[bytes, dict[str, Any]]:
        """A piece of the content of an entry, and whose it is."""
        key = str(arguments.get("key") or "")
        for answer in await self._state.ask_all("queue.content", key, offset, limit):
            if answer is not None:
                return base64.b64decode(answer.pop("data")), answer
        raise Misconfigured(f"there is no entry {key!r} in the queue (it may have been delivered)")
