"""The first page for everybody: the door, or the computer with its virtual servers; and the page of each of these."""

from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response

from mailroot.admin.access.letting import NotSignedIn, signed_in
from mailroot.admin.console.door import door
from mailroot.admin.console.layout import sheets
from mailroot.admin.console.visit import Visit
from mailroot.admin.console.visiting import Visiting, pages
from mailroot.settings.declared import key_parts, sections

router = pages()

_WORDS = ("start", "stop", "pause", "continue")
_DONE = {"start": "started", "stop": "stopped", "pause": "paused", "continue": "started again"}
# What can be done to a service in a state.
_FIT = {
    "started": ("pause", "stop", "restart"),
    "paused": ("continue", "stop", "restart"),
    "stopped": ("start", "restart"),
}
_SERVICE_ASKS = {
    "stop": "All virtual servers are stopped and their connections closed at once. Mail that waits stays where it is.",
    "restart": "All workers are restarted; connections are closed in good order. Mail that waits stays where it is.",
}
_OWN_ROWS = frozenset("key name state bindings sessions waiting trap link".split())
# Tables that users name the entries of, and that have no page of their own in the tree.
TABLES = {"pace": "Pace", "collect": "Collecting", "names": "Certificates by name"}


@router.get("/")
async def home(request: Request) -> Response:
    """The computer; for those who are not signed in, the door."""
    try:
        caller = await signed_in(request)
    except NotSignedIn:
        return await door(request)
    visit = Visit(request, caller)
    status = await visit.ask("status")
    words = [word for word in _FIT.get(status.get("state", ""), _WORDS) if visit.may(f"service.{word}")]
    return await visit.page(
        "home.html",
        "This computer",
        status={"state": "", "directories": {}, **status},
        service_words=words,
        service_asks=_SERVICE_ASKS,
    )


@router.post("/service/{word}")
async def change_service(word: str, visit: Visiting) -> Response:
    """Start, stop, pause, continue or restart the service."""
    await visit.ask(f"service.{word}")
    return visit.go("/", f"The service is {_DONE.get(word, 'restarted')}.")


@router.get("/servers/{key}")
async def server(key: str, visit: Visiting) -> Response:
    """A virtual server."""
    row = await visit.server(key)
    more = {name: value for name, value in row.items() if name not in _OWN_ROWS}
    return await visit.page(
        "server.html",
        row["name"],
        crumbs=[("This computer", "/")],
        server={**row, "more": more},
        tables=await _tables(visit, key) if visit.may("settings.get") else [],
    )


async def _tables(visit: Visit, key: str) -> list[dict[str, Any]]:
    rows = (await visit.ask("settings.get", server=key))["rows"]
    found: dict[str, list[str]] = {name: [] for name in TABLES if name in sheets()}
    for row in rows:
        parts = key_parts(row["path"])[2:]
        table, name = (parts[1], parts[2:3]) if parts[:2] == ("access", "names") else (parts[0], parts[1:2])
        if table in found and name and name[0] not in found[table]:
            found[table].append(name[0])
    return [
        {"name": table, "title": TABLES[table], "names": sorted(names), "sentence": _sentence(table)}
        for table, names in found.items()
    ]


def _sentence(table: str) -> str:
    above = ("servers", "*", "access", "names") if table == "names" else ("servers", "*", table)
    return sections()[above].sentence.partition(" (docs/")[0].rstrip(".") + "."


@router.post("/servers/{key}/{word}")
async def change_server(key: str, word: str, visit: Visiting) -> Response:
    """Start, stop, pause or continue a virtual server."""
    row = await visit.server(key)
    answer = await visit.ask(f"server.{word}", server=key) if word in _WORDS else {"state": row["state"]}
    return visit.go(f"/servers/{quote(key, safe='')}", f"{row['name']} is {answer['state']}.")
