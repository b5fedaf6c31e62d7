"""Refusals that all take the same time, where others look accounts up and are quicker with names that do not exist."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

# Longer than a hash of a password or a question to a domain controller takes.
EVEN_SECONDS = 2.0


async def even(answer: Awaitable[T], refuses: Callable[[T], bool], seconds: float = EVEN_SECONDS) -> T:
    """The answer; a refusal comes `seconds` after it was asked for, or later where it took longer."""
    now = asyncio.get_running_loop().time
    end = now() + seconds
    found = await answer
    if refuses(found):
        await asyncio.sleep(max(0.0, end - now()))
    return found
