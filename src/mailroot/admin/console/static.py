"""The files that pages load: a fixed list, read once, with a mark by which browsers keep them."""

import hashlib
from importlib import resources

from fastapi import APIRouter, Request
from fastapi.responses import Response

router = APIRouter(include_in_schema=False)

_KINDS = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "theme.js": "text/javascript; charset=utf-8",
    "pictures.js": "text/javascript; charset=utf-8",
    "mailroot.svg": "image/svg+xml",
    "uplot/uplot.min.css": "text/css; charset=utf-8",
    "uplot/uplot.min.js": "text/javascript; charset=utf-8",
    "uplot/LICENSE": "text/plain; charset=utf-8",
    "uplot/NOTICE": "text/plain; charset=utf-8",
}


def _file(name: str) -> tuple[bytes, str]:
    octets = resources.files("mailroot.admin.console").joinpath("static", name).read_bytes()
    return octets, f'"{hashlib.sha256(octets).hexdigest()[:20]}"'


# Read before the process lays its privileges down: who serves may not be able to (decision 0061).
_FILES = {name: _file(name) for name in _KINDS}


@router.get("/static/{name:path}")
async def static(name: str, request: Request) -> Response:
    """One of the files."""
    if name not in _FILES:
        return Response("There is no such file.\n", 404, media_type="text/plain")
    octets, mark = _FILES[name]
    headers = {"ETag": mark, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == mark:
        return Response(status_code=304, headers=headers)
    return Response(octets, media_type=_KINDS[name], headers=headers)
