"""Current sessions of a virtual server: live; one, several or all of them can be ended."""

from fastapi.responses import Response

from mailroot.admin.console.visit import Visit
from mailroot.admin.console.visiting import Visiting, pages
from mailroot.edge.control import Refused

router = pages()


@router.get("/servers/{key}/sessions")
async def listed(key: str, visit: Visiting) -> Response:
    """The sessions that are open."""
    server = await visit.server(key)
    rows = sorted(await visit.ask("session.list", server=key), key=lambda row: (row["since"], row["session"]))
    crumbs = [("This computer", "/"), (server["name"], server["link"])]
    return await visit.page("sessions.html", "Current Sessions", crumbs=crumbs, server=server, rows=rows)


@router.post("/servers/{key}/sessions/end")
async def end(key: str, visit: Visiting) -> Response:
    """End those that were chosen, or all."""
    server, form = await visit.server(key), await visit.form()
    if form.get("what") == "all":
        ended = int((await visit.ask("session.end", server=key, all=True))["ended"])
    else:
        ended = sum([await _ended(visit, key, session) for session in await visit.chosen()])
    return visit.go(f"{server['link']}/sessions", f"{ended} {'session' if ended == 1 else 'sessions'} ended.")


async def _ended(visit: Visit, key: str, session: str) -> int:
    try:
        return int((await visit.ask("session.end", session=session, server=key))["ended"])
    except Refused:
        return 0  # it has ended by itself
