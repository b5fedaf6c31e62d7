"""The workers ask each other of held mail, by way of the supervisor; of its own, a worker asks itself."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mailroot.mail.faults import Unavailable
from mailroot.service.held.keeping import Keeper


class Workers:
    """All workers of the service (`keeping.Fellows`). `send` asks the supervisor; `keepers` are this worker's."""

    def __init__(
        self, number: int, count: int, keepers: Mapping[str, Keeper], send: Callable[..., Awaitable[Any]]
    ) -> None:
        self.number = number
        self.count = count
        self._keepers = keepers
        self._send = send

    async def ask(self, number: int, operation: str, *arguments: object) -> Any:
        """The answer of one. Raises `Unavailable` where it gives none."""
        if number == self.number:
            return await self.answer(operation, *arguments)
        answer = await self._send(operation, number, *arguments)
        if isinstance(answer, dict) and "fault" in answer:
            raise Unavailable(str(answer["fault"]))
        return answer

    async def answer(self, operation: str, *arguments: Any) -> object:
        """What this worker answers."""
        server, patterns, *more = arguments
        return await _OPERATIONS[operation](self._keepers[server], tuple(patterns), *more)


async def _count(keeper: Keeper, patterns: tuple[str, ...]) -> int:
    return await keeper.count_here(patterns)


async def _start(keeper: Keeper, patterns: tuple[str, ...]) -> int:
    return await keeper.start_here(patterns)


async def _serve(keeper: Keeper, patterns: tuple[str, ...], *where: str) -> int:
    return await keeper.serve_here(patterns, *where)


_OPERATIONS: dict[str, Callable[..., Awaitable[object]]] = {
    "held.count": _count,
    "held.start": _start,
    "held.serve": _serve,
}
HELD_OPERATIONS = frozenset(_OPERATIONS)
"""What one worker may ask of another."""
