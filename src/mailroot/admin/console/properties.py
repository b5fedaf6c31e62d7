"""The pages of property sheets: of the service, of a virtual server, and of the entries of its tables."""

from typing import Any
from urllib.parse import quote

from fastapi.responses import Response

from mailroot.admin.console import sheets
from mailroot.admin.console.layout import COLLECT, DKIM, NAMES, PACE, SERVER, SERVICE
from mailroot.admin.console.overview import TABLES
from mailroot.admin.console.sheet import Sheet, filled
from mailroot.admin.console.visit import Visit
from mailroot.admin.console.visiting import Visiting, pages
from mailroot.edge.control import Refused
from mailroot.settings.declared import ANY, Parts, key_parts, key_text

router = pages()

_ABOVE: dict[str, Parts] = {
    PACE: ("servers", ANY, "pace", ANY),
    COLLECT: ("servers", ANY, "collect", ANY),
    NAMES: ("servers", ANY, "access", "names", ANY),
    DKIM: ("servers", ANY, "domains", ANY, "dkim", ANY),
}
_HINTS = {
    PACE: 'A domain that mail goes to, such as "example.com", "*.example.com" for all below it, or "*" for all others.',
    COLLECT: "A name for the other server; you type it when you collect by hand.",
    NAMES: "The name that clients ask for, such as mail.example.com.",
    DKIM: "The selector under which the public key stands in DNS, such as s2026.",
}
_OPERATORS = "Who may administer this virtual server stands on the page of the operators."
_SERVICE = Sheet(SERVICE, (), "Properties of the service", "/service/properties", "/", (("This computer", "/"),))


@router.get("/service/properties")
async def service_sheet(visit: Visiting) -> Response:
    """The sheet of the service."""
    return await sheets.show(visit, _SERVICE)


@router.post("/service/properties")
async def service_change(visit: Visiting) -> Response:
    """What was typed there."""
    return await sheets.submitted(visit, _SERVICE)


async def _of_server(visit: Visit, key: str) -> Sheet:
    row = await visit.server(key)
    title, link = f"Properties of {row['name']}", row["link"]
    crumbs = (("This computer", "/"), (row["name"], link))
    security = _OPERATORS if visit.may("operator.list") else ""
    return Sheet(SERVER, (key,), title, f"{link}/properties", link, crumbs, security=security)


@router.get("/servers/{key}/properties")
async def server_sheet(key: str, visit: Visiting) -> Response:
    """The sheet of a virtual server."""
    return await sheets.show(visit, await _of_server(visit, key))


@router.post("/servers/{key}/properties")
async def server_change(key: str, visit: Visiting) -> Response:
    """What was typed there."""
    return await sheets.submitted(visit, await _of_server(visit, key))


# -- entries of tables


async def _of_entry(visit: Visit, key: str, kind: str, name: str) -> Sheet:
    row = await visit.server(key)
    if kind not in TABLES:
        raise Refused(f"There is no table {kind!r}.", "missing")
    link = f"{row['link']}/{kind}/{quote(name, safe='')}"
    crumbs = (("This computer", "/"), (row["name"], row["link"]))
    ask = f"{name} is taken out of the settings."
    return Sheet(kind, (key, name), f"{TABLES[kind]}: {name}", link, row["link"], crumbs, remove=ask)


async def ask_name(visit: Visit, kind: str, title: str, link: str, back: str) -> Response:
    """The page that asks for the name of a new entry."""
    question = {"label": "Name", "name": "name", "value": "", "hint": _HINTS[kind]}
    return await visit.page(
        "confirm.html",
        title,
        here=back,
        here_form=link,
        back=back,
        lines=[],
        question=question,
        problems=[],
        kind="main",
        verb="Next",
    )


@router.get("/servers/{key}/{kind}/new")
async def new_entry(key: str, kind: str, visit: Visiting) -> Response:
    """A further entry of a table: first its name."""
    sheet = await _of_entry(visit, key, kind, "new")
    return await ask_name(visit, kind, f"{TABLES[kind]}: one more", sheet.link, sheet.back)


@router.post("/servers/{key}/{kind}/new")
async def named_entry(key: str, kind: str, visit: Visiting) -> Response:
    """Its name: its sheet follows, and it is made when that is saved."""
    name = (await visit.form()).get("name", "").strip()
    sheet = await _of_entry(visit, key, kind, name)
    return visit.go(sheet.link if name else sheet.back)


@router.get("/servers/{key}/{kind}/{name}")
async def entry_sheet(key: str, kind: str, name: str, visit: Visiting) -> Response:
    """The sheet of an entry."""
    return await sheets.show(visit, await _of_entry(visit, key, kind, name))


@router.post("/servers/{key}/{kind}/{name}")
async def entry_change(key: str, kind: str, name: str, visit: Visiting) -> Response:
    """What was typed there."""
    return await sheets.submitted(visit, await _of_entry(visit, key, kind, name))


@router.post("/servers/{key}/{kind}/{name}/remove")
async def remove_entry(key: str, kind: str, name: str, visit: Visiting) -> Response:
    """No such entry any more."""
    sheet = await _of_entry(visit, key, kind, name)
    answer = await visit.ask("settings.change", values=await absent(visit, kind, sheet.names))
    return visit.go(sheet.back, sheets.said(answer))


async def absent(visit: Visit, kind: str, names: tuple[str, ...]) -> dict[str, Any]:
    """The change that takes an entry out of its table; with the last one goes the table, which would be empty."""
    entry = filled(_ABOVE[kind], names)
    rows = (await visit.ask("settings.get", server=names[0]))["rows"]
    keys = [key_parts(row["path"]) for row in rows]
    inside = {parts[len(entry) - 1] for parts in keys if parts[: len(entry) - 1] == entry[:-1]}
    return {key_text(entry if len(inside) > 1 else entry[:-1]): None}
