"""What a client may take: octets of a body, and time. A token in an address is refused here, wherever it goes."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mailroot.admin.problems import problem
from mailroot.service.life.operatorcontrol import TOKEN_PREFIX

MOST_OCTETS = 1024 * 1024
"""Of a request's body."""
_SECONDS = 90.0
_TOO_LONG = f"a body has {MOST_OCTETS} octets at most"

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class TooLong(Exception):
    """A body went on beyond the limit, whatever it said of its length."""


class Limited:
    """An application whose requests have limits."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = _refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        begun = False

        async def told(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            async with asyncio.timeout(_SECONDS):
                await self._app(scope, _counted(receive), told)
        except TimeoutError:
            if begun:
                raise
            late = problem(503, "this took too long; try again", headers={"Connection": "close"})
            await late(scope, receive, send)


def _refusal(scope: MutableMapping[str, Any]) -> Any:
    if TOKEN_PREFIX.encode() in scope.get("query_string", b"") or TOKEN_PREFIX in scope.get("path", ""):
        return problem(400, "a token belongs into the header Authorization, never into an address; revoke this one")
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value[:20]) > MOST_OCTETS:
            return problem(413, _TOO_LONG, headers={"Connection": "close"})
    return None


def _counted(receive: Receive) -> Receive:
    octets = 0

    async def counted() -> Message:
        nonlocal octets
        message = await receive()
        octets += len(message.get("body") or b"")
        if octets > MOST_OCTETS:
            raise TooLong(_TOO_LONG)
        return message

    return counted
