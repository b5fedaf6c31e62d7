"""A proxy before the console: every request is one to the public address, whatever the proxy says of it.

Nothing that a header tells is believed. So the origin of pages, cookies and what browsers are told of TLS are those of
the public address, also for somebody who comes by another way.
"""

from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlsplit

from mailroot.admin.limits import Application, Receive, Send


class Public:
    """An application whose requests all go to its public address."""

    def __init__(self, app: Application, url: str) -> None:
        place = urlsplit(url)
        self._app = app
        self._scheme, self._host = place.scheme, place.netloc.encode("ascii")

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            others = [(name, value) for name, value in scope["headers"] if name != b"host"]
            scope = {**scope, "scheme": self._scheme, "headers": [*others, (b"host", self._host)]}
        await self._app(scope, receive, send)
