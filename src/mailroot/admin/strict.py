"""The headers of every answer: what a browser may load, and who may show us."""

from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders

from mailroot.admin.limits import Application, Message, Receive, Send

# No inline script or style, nothing from elsewhere, no frames; forms go to ourselves (CSP level 3).
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With "no-referrer" browsers would hide the origin of our own forms too, and we look at it (Fetch, section 3.1).
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_STATIC = "/static/"
_TRANSPORT = "max-age=31536000"


class Strict:
    """An application whose answers have them all; what an answer says itself stays."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def strict(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add(MutableHeaders(scope=message), scope)
            await send(message)

        await self._app(scope, receive, strict)


def _add(headers: MutableHeaders, scope: MutableMapping[str, Any]) -> None:
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    if not scope["path"].startswith(_STATIC):
        headers.setdefault("Cache-Control", "no-store")
    if scope["scheme"] == "https":
        headers.setdefault("Strict-Transport-Security", _TRANSPORT)
