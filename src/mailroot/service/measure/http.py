"""As much of HTTP/1.1 (RFC 9112) as one page of text needs: GET and HEAD, no body, one request a connection."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate

_LONGEST_HEAD = 8 * 1024
_PATIENCE = 10.0
_MOST_CLIENTS = 32
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


@dataclass(frozen=True, slots=True)
class Page:
    """An answer."""

    code: int
    body: bytes
    kind: str = "text/plain; charset=utf-8"

    def octets(self, head_only: bool) -> bytes:
        """The answer as it goes out."""
        allow = "Allow: GET, HEAD\r\n" if self.code == 405 else ""
        head = (
            f"HTTP/1.1 {self.code} {_REASONS[self.code]}\r\nDate: {formatdate(usegmt=True)}\r\n"
            f"Content-Type: {self.kind}\r\nContent-Length: {len(self.body)}\r\n{allow}"
            "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        return head.encode("ascii") + (b"" if head_only else self.body)


class Pages:
    """Serves pages by their paths. A client has ten seconds and 8 KB for its request; 32 are served at a time."""

    def __init__(self, pages: dict[str, Callable[[], Awaitable[Page]]]) -> None:
        self._pages = pages
        self._clients = 0

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client; for `asyncio.start_server`."""
        self._clients += 1
        try:
            async with asyncio.timeout(_PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
                crowded = Page(503, b"Too many clients.\n").octets(head_only=False)
                writer.write(await self._answer(head) if self._clients <= _MOST_CLIENTS else crowded)
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a client that is slow, talks too long or has gone is owed nothing
        finally:
            self._clients -= 1
            writer.close()

    async def _answer(self, head: bytes) -> bytes:
        words = head.partition(b"\r\n")[0].split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            return Page(400, b"This is no request.\n").octets(head_only=False)
        method, target, _ = words
        if method not in {b"GET", b"HEAD"}:
            return Page(405, b"Only GET and HEAD.\n").octets(head_only=False)
        make = self._pages.get(target.partition(b"?")[0].decode("ascii", "replace"))
        page = Page(404, b"There is no such page.\n") if make is None else await make()
        return page.octets(head_only=method == b"HEAD")


async def serve(pages: Pages, listener: socket.socket) -> asyncio.Server:
    """Serve on a listening socket."""
    return await asyncio.start_server(pages.client, sock=listener, limit=_LONGEST_HEAD)
