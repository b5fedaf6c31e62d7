"""What goes wrong with a request, as an HTTP answer: problem+json (RFC 9457) for programs."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse

from mailroot.edge.control import Refused

STATUS_OF: Mapping[str, int] = {
    "request": 400,
    "unknown": 404,
    "missing": 404,
    "conflict": 409,
    "unsound": 422,
    "forbidden": 403,
    "unavailable": 503,
    "mistake": 500,
}
"""HTTP's status for each kind of refusal of the service (`service.life.dispatch`)."""


class Json(JSONResponse):
    """JSON in ASCII: names of files may have octets that are no UTF-8, which no other form holds."""

    def render(self, content: Any) -> bytes:
        """The octets."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def problem(
    status: int, detail: str, problems: Sequence[Mapping[str, Any]] = (), headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """An answer that says what is wrong; `problems` are rows about single settings or arguments."""
    body: dict[str, object] = {"type": "about:blank", "title": _title(status), "status": status, "detail": detail}
    if problems:
        body["problems"] = list(problems)
    return Json(body, status, headers, media_type="application/problem+json")


def refused(refusal: Refused) -> JSONResponse:
    """The answer where the service did not do what was asked."""
    return problem(STATUS_OF.get(refusal.kind, 422), str(refusal), refusal.problems)


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
