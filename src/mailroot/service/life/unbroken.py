"""Steps that are carried out to their end, whatever becomes of who asked for them."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")
_UNDER_WAY: set["asyncio.Task[Any]"] = set()


async def to_its_end(step: Coroutine[Any, Any, _T]) -> _T:
    """The result of a step, which goes on where whoever waits for it is cancelled."""
    task = asyncio.ensure_future(step)
    _UNDER_WAY.add(task)
    task.add_done_callback(_done)
    return await asyncio.shield(task)


def _done(task: "asyncio.Task[Any]") -> None:
    _UNDER_WAY.discard(task)
    if not task.cancelled():
        task.exception()  # whoever asked has it, or is gone
