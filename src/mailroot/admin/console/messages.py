"""A message opened for people: its header, text and parts, as text; and as the file that it is."""

import base64
import binascii
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from fastapi.responses import Response, StreamingResponse

from mailroot.admin.console.visit import Visit

_SHOWN_APART = frozenset("headers text text_from html parts problems truncated message report envelope server".split())
_PART_COLUMNS = ("part", "type", "name", "size", "disposition", "encoding")


async def message_page(visit: Visit, title: str, shown: Mapping[str, Any], **around: Any) -> Response:
    """The page of a message. Nothing of it is markup: templates escape all of it."""
    content: Mapping[str, Any] = shown["message"] if isinstance(shown.get("message"), Mapping) else shown
    outer = shown if content is not shown else {}
    facts = [(name, value) for name, value in {**content, **outer}.items() if name not in _SHOWN_APART and value != ""]
    headers = [(row["name"], row["value"]) for row in content.get("headers", ())]
    parts = content.get("parts", ())
    columns = [name for name in _PART_COLUMNS if any(name in part for part in parts)]
    known = {
        "actions": [],
        "action_link": "",
        "key": "",
        "report": outer.get("report", ""),
        "text": content.get("text"),
        "text_from": content.get("text_from", ""),
        "html": content.get("html", ""),
        "told": content.get("problems", ()),
        **around,
    }
    return await visit.page(
        "message.html", title, facts=facts, headers=headers, parts=parts, part_columns=columns, **known
    )


async def raw_file(visit: Visit, operation: str, file: str, **arguments: Any) -> Response:
    """A message as a file: never shown by a browser, only saved."""
    first = await visit.ask(operation, **arguments)
    # What a header may hold of a name that somebody else may have chosen.
    plain = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-_.") else "_" for sign in file)[:120]
    headers = {
        "Content-Disposition": f'attachment; filename="{plain}"',
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
    }

    async def pieces() -> AsyncIterator[bytes]:
        piece = first
        while True:
            yield octets_of(piece)
            following = piece.get("next", "")
            if not following:
                return
            piece = await visit.ask(operation, **arguments, after=following)

    return StreamingResponse(pieces(), media_type="application/octet-stream", headers=headers)


def octets_of(piece: Mapping[str, Any]) -> bytes:
    """The octets of a piece."""
    try:
        return base64.b64decode(piece["data"], validate=True)
    except (binascii.Error, ValueError, KeyError, TypeError):
        return b""


Actions = Sequence[tuple[str, str, str, str]]
"""Word, label, what is asked before, and the kind of button."""
