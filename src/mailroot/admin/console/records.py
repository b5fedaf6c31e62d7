"""What is on record: the revisions of the settings with the way back, the audit record, and the operators."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from fastapi.responses import Response

from mailroot.admin.console import sheets
from mailroot.admin.console.visit import Row
from mailroot.admin.console.visiting import Visiting, pages
from mailroot.admin.operations import BY_NAME
from mailroot.edge.control import Refused

router = pages()

_CRUMBS = [("This computer", "/")]
_LINES = 100


@dataclass(frozen=True, slots=True)
class Action:
    """A button of a row: where its form goes, what it asks, and what it sends."""

    link: str
    label: str
    ask: Callable[[Row], str]
    fields: Callable[[Row], Mapping[str, Any]]
    kind: str = ""
    fits: Callable[[Row], bool] = lambda _: True


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a page."""

    columns: Sequence[str]
    rows: Sequence[Row]
    nothing: str
    title: str = ""
    link: Callable[[Row], str] | None = None
    actions: Sequence[Action] = ()
    wide: frozenset[str] = field(default_factory=frozenset)


# -- changes of the settings


@router.get("/changes")
async def changes(visit: Visiting) -> Response:
    """The revisions, the newest first."""
    rows = await visit.ask("settings.history")
    undo = Action(
        "/changes/undo",
        "Undo",
        lambda row: f"What revision {row['revision']} changed is put back as it was before; newer changes stay.",
        lambda row: {"revision": row["revision"]},
        # The first one that is kept differs from nothing.
        fits=lambda row: bool(row["changed"]),
    )
    table = Table(
        BY_NAME["settings.history"].columns,
        rows,
        "The settings were not changed yet.",
        link=lambda row: f"/changes/{row['revision']}",
        actions=(undo,) if visit.may("settings.undo") else (),
        wide=frozenset({"changed"}),
    )
    return await visit.page("table.html", "Changes of the settings", crumbs=_CRUMBS, tables=[table], **_PLAIN)


_PLAIN: dict[str, Any] = {"toolbar": [], "lines": [], "more": ""}


@router.get("/changes/{revision:int}")
async def change(revision: int, visit: Visiting) -> Response:
    """What one revision changed."""
    nothing = "No option differs."
    try:
        rows = await visit.ask("settings.difference", to=str(revision))
    except Refused as refused:
        rows, nothing = [], f"It can be compared with none: {refused}."
    table = Table(
        BY_NAME["settings.difference"].columns,
        rows,
        nothing,
        wide=frozenset({"old", "new"}),
    )
    crumbs = [*_CRUMBS, ("Changes of the settings", "/changes")]
    title = f"What revision {revision} changed"
    return await visit.page("table.html", title, crumbs=crumbs, here="/changes", tables=[table], **_PLAIN)


@router.post("/changes/undo")
async def undo(visit: Visiting) -> Response:
    """Put back what a revision changed."""
    revision = (await visit.form()).get("revision", "")
    answer = await visit.ask("settings.undo", revision=revision)
    return visit.go("/changes", f"What revision {revision} changed is as it was before. {sheets.said(answer)}")


# -- the audit record


@router.get("/audit")
async def audit(visit: Visiting) -> Response:
    """Who did what, the newest first."""
    operation = BY_NAME["audit.list"]
    taken = {argument.name for argument in operation.arguments}
    wanted = {name: value for name, value in visit.request.query_params.items() if name in taken or name == "after"}
    paged = {"limit": _LINES} if operation.paged or "limit" in taken else {}
    answer = await visit.ask("audit.list", **wanted, **paged)
    rows = answer["rows"] if isinstance(answer, Mapping) else answer
    more = answer.get("next", "") if isinstance(answer, Mapping) else ""
    link = f"?{urlencode({**wanted, 'after': more})}" if more else ""
    table = Table(
        operation.columns, rows, "Nobody has changed anything yet.", wide=frozenset({"arguments", "outcome", "error"})
    )
    return await visit.page("table.html", "Audit", crumbs=_CRUMBS, tables=[table], **{**_PLAIN, "more": link})
