"""Badmail and Drop of a virtual server: listed, opened safely, saved; Badmail also removed and sent again."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from fastapi.responses import Response

from mailroot.admin.console.messages import Actions, message_page, raw_file
from mailroot.admin.console.visit import Row, Visit
from mailroot.admin.console.visiting import Visiting, pages
from mailroot.admin.operations import BY_NAME
from mailroot.edge.control import Refused

router = pages()

_ROWS = 100
_HIDDEN = frozenset({"server"})


@dataclass(frozen=True, slots=True)
class Folder:
    """One kind of folder: its word in operations and paths, its title, what can be done; what an empty one means."""

    word: str
    title: str
    actions: Actions
    nothing: tuple[str, ...]


_FOLDERS = {
    "badmail": Folder(
        "badmail",
        "Badmail",
        (
            ("resubmit", "Send again", "", ""),
            ("remove", "Remove", "The files of {chosen} messages are removed for good.", "danger"),
        ),
        (
            "Badmail is empty.",
            "Mail that can neither be delivered nor returned to its sender is kept here, with the reason.",
        ),
    ),
    "drop": Folder(
        "drop",
        "Drop",
        (),
        ("Drop is empty.", "Mail for local domains appears here until a program has taken it from the folder."),
    ),
}
_DONE = {"resubmit": "sent again", "remove": "removed"}


def _folder(word: str) -> Folder:
    if word not in _FOLDERS:
        raise Refused(f"There is no page {word!r}.", "missing")
    return _FOLDERS[word]


async def _listed(visit: Visit, key: str, word: str) -> Response:
    server, folder = await visit.server(key), _folder(word)
    query = dict(visit.request.query_params)
    taken = {argument.name for argument in BY_NAME[f"{word}.list"].arguments}
    wanted = {name: query[name] for name in ("text", "domain") if name in taken and query.get(name)}
    where: dict[str, Any] = {"server": key, "newest": True, "limit": _ROWS}
    answer = await visit.ask(f"{word}.list", **where, **wanted, after=query.get("after", ""))
    rows: list[Row] = answer["rows"]
    columns = [name for name in BY_NAME[f"{word}.list"].columns if name not in _HIDDEN]
    more = f"?{urlencode([*wanted.items(), ('after', answer['next'])])}" if answer["next"] else ""
    folders = await visit.ask("drop.folders", server=key) if word == "drop" else []
    return await visit.page(
        "folder.html",
        folder.title,
        crumbs=[("This computer", "/"), (server["name"], server["link"])],
        link=f"{server['link']}/{word}",
        columns=columns,
        rows=rows,
        actions=[one for one in folder.actions if visit.may(f"{word}.{one[0]}")],
        nothing=folder.nothing,
        more=more,
        folders=folders if len({row["folder"] for row in folders}) > 1 else [],
        text=query.get("text", ""),
        domain=query.get("domain", ""),
    )


def _of(domain: str) -> str:
    return f"?{urlencode({'domain': domain})}" if domain else ""


async def _opened(visit: Visit, key: str, word: str, name: str) -> Response:
    server, folder = await visit.server(key), _folder(word)
    domain = visit.request.query_params.get("domain", "") if word == "drop" else ""
    shown = await visit.ask(f"{word}.show", server=key, name=name, domain=domain)
    link = f"{server['link']}/{word}"
    raw = f"{link}/{quote(name, safe='')}/raw{_of(domain)}" if visit.may(f"{word}.raw") else ""
    actions = [
        (one, label, ask.replace("The files of {chosen} messages are", "Its files are"), kind)
        for one, label, ask, kind in folder.actions
        if visit.may(f"{word}.{one}")
    ]
    around: dict[str, Any] = {
        "crumbs": [("This computer", "/"), (server["name"], server["link"]), (folder.title, link)],
        "here": link,
    }
    return await message_page(
        visit, name, shown, raw=raw, actions=actions, action_link=f"{link}/do", key=name, **around
    )


@router.get("/servers/{key}/badmail")
async def badmail(key: str, visit: Visiting) -> Response:
    """What is in Badmail."""
    return await _listed(visit, key, "badmail")


@router.get("/servers/{key}/drop")
async def drop(key: str, visit: Visiting) -> Response:
    """What is in Drop."""
    return await _listed(visit, key, "drop")


@router.get("/servers/{key}/badmail/{name}")
async def open_badmail(key: str, name: str, visit: Visiting) -> Response:
    """A message in Badmail."""
    return await _opened(visit, key, "badmail", name)


@router.get("/servers/{key}/drop/{name}")
async def open_drop(key: str, name: str, visit: Visiting) -> Response:
    """A message in Drop."""
    return await _opened(visit, key, "drop", name)


@router.get("/servers/{key}/badmail/{name}/raw")
async def save_badmail(key: str, name: str, visit: Visiting) -> Response:
    """A message in Badmail, as a file."""
    return await raw_file(visit, "badmail.raw", f"{name}.eml", server=key, name=name)


@router.get("/servers/{key}/drop/{name}/raw")
async def save_drop(key: str, name: str, visit: Visiting) -> Response:
    """A message in Drop, as a file."""
    domain = visit.request.query_params.get("domain", "")
    return await raw_file(visit, "drop.raw", name, server=key, name=name, domain=domain)


@router.post("/servers/{key}/badmail/do")
async def act(key: str, visit: Visiting) -> Response:
    """Send again, or remove, what was chosen."""
    server, form = await visit.server(key), await visit.form()
    word = form.get("what", "")
    place = f"{server['link']}/badmail"
    if word not in _DONE:
        return visit.go(place)
    chosen = await visit.chosen() or [form.get("name", "")]
    for name in chosen:
        await visit.ask(f"badmail.{word}", server=key, name=name)
    return visit.go(place, f"{len(chosen)} {'message' if len(chosen) == 1 else 'messages'} {_DONE[word]}.")
