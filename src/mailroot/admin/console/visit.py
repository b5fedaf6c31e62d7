"""One request of somebody who was let in: what he may do, what he asks of the service, and the page that he gets."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mailroot import __version__
from mailroot.admin.access.caller import Caller
from mailroot.admin.console import words
from mailroot.admin.operations import BY_NAME
from mailroot.admin.rest import operation_named, perform
from mailroot.edge.control import Refused

Row = dict[str, Any]
_Notices = dict[str, list[tuple[str, str]]]

# Arguments that say nothing are not sent.
_NOTHING: tuple[object, ...] = (False, "")
# Sessions that are owed a word about what their last request has done.
_MOST_WAITING = 1_000

# What pages offer, by the operation that it takes: where the service has none, or one may not, nothing is shown of it.
FEATURES: Mapping[str, str] = {
    "settings": "settings.get",
    "change": "settings.change",
    "changes": "settings.history",
    "undo": "settings.undo",
    "create": "server.create",
    "rename": "server.rename",
    "delete": "server.delete",
    "domains": "domain.list",
    "new domains": "domain.add",
    "destinations": "queue.destinations",
    "message": "message.show",
    "raw": "message.raw",
    "badmail": "badmail.list",
    "drop": "drop.list",
    "pictures": "history",
    "audit": "audit.list",
    "operators": "operator.list",
}


def _quoted(text: object) -> str:
    """A text as a part of an address; what is no UTF-8 leads nowhere, and to no fault."""
    return quote(str(text), safe="", errors="replace")


def _environment() -> Environment:
    """The templates, all of them read now (decision 0061). Everything that they show is escaped."""
    made = Environment(
        loader=PackageLoader("mailroot.admin.console"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        auto_reload=False,
        cache_size=-1,
    )
    made.filters |= {
        "urlencode": _quoted,
        "iso": words.iso,
        "utc": words.utc,
        "age": words.age,
        "size": words.size,
        "shown": words.shown,
        "named": words.named,
        "domaintype": words.domain_type,
        "ticked": words.ticked,
    }
    made.globals |= {
        "version": __version__,
        "machine": socket.gethostname(),
        "times": words.TIMES,
        "sizes": words.SIZES,
    }
    for name in made.list_templates():
        made.get_template(name)
    return made


TEMPLATES = _environment()


@dataclass(slots=True)
class Visit:
    """Who asks, and for what."""

    request: Request
    caller: Caller
    notices: list[tuple[str, str]] = field(default_factory=list)

    async def ask(self, operation: str, **arguments: Any) -> Any:
        """The result of an operation, as far as this operator may see it. Raises `Forbidden`, `Refused`, `Fault`."""
        given = {name: value for name, value in arguments.items() if value is not None and value not in _NOTHING}
        return await perform(self.request, self.caller, operation_named(operation), given)

    def may(self, operation: str) -> bool:
        """Whether there is such an operation and he may ask for it."""
        found = BY_NAME.get(operation)
        return found is not None and self.caller.may(found)

    @property
    def built(self) -> frozenset[str]:
        """What may be offered to him."""
        return frozenset(name for name, operation in FEATURES.items() if self.may(operation))

    @property
    def path(self) -> str:
        """Where he is."""
        return self.request.url.path

    async def form(self) -> dict[str, str]:
        """What was typed, the last of each name."""
        return {name: value for name, value in (await self.request.form()).items() if isinstance(value, str)}

    async def chosen(self) -> list[str]:
        """The rows that were chosen in a list."""
        return [value for value in (await self.request.form()).getlist("key") if isinstance(value, str)]

    async def servers(self) -> list[Row]:
        """The virtual servers that he may see, each with where its page is."""
        rows: list[Row] = await self.ask("server.list")
        return [{**row, "link": f"/servers/{quote(row['key'], safe='')}"} for row in rows]

    async def server(self, key: str) -> Row:
        """One of them. Raises `Refused` where there is none of this name that he may see."""
        for row in await self.servers():
            if row["key"] == key:
                return row
        raise Refused(f"There is no virtual server {key!r}, or it is not one of yours.", "missing")

    async def page(self, template: str, title: str, code: int = 200, **context: Any) -> HTMLResponse:
        """A page with the tree beside it."""
        known = {"heading": "", "crumbs": [], "here": self.path, **context}
        known.setdefault("servers", await self.servers())
        notices = [*self.notices, *self._told()]
        may = {
            "operate": self.may("server.start"),
            "configure": self.may("settings.reload"),
        }
        text = TEMPLATES.get_template(template)
        rendered = text.render(
            title=title,
            operator=self.caller,
            token=self.token,
            built=self.built,
            may=may,
            whole=not self.caller.servers,
            notices=notices,
            **known,
        )
        # Names of files, and what was typed into records, may have what is no UTF-8.
        return HTMLResponse(rendered.encode("utf-8", "replace"), status_code=code)

    def _told(self) -> list[tuple[str, str]]:
        return _waiting(self.request).pop(self.caller.csrf, [])

    def go(self, place: str, done: str = "") -> Response:
        """On to another page, which tells what was done."""
        if done:
            waiting = _waiting(self.request)
            waiting.setdefault(self.caller.csrf, []).append(("good", done))
            while len(waiting) > _MOST_WAITING:
                del waiting[next(iter(waiting))]
        return RedirectResponse(place, status_code=303)

    @property
    def token(self) -> Markup:
        """The hidden field that proves a form to be ours."""
        return Markup('<input type="hidden" name="csrf" value="{}">').format(self.caller.csrf)


def bare_page(template: str, title: str, code: int = 200, **context: Any) -> HTMLResponse:
    """A page for somebody who is not signed in."""
    known = {"operator": None, "token": "", "heading": "", "notices": [], "crumbs": [], **context}
    return HTMLResponse(TEMPLATES.get_template(template).render(title=title, **known), status_code=code)


def _waiting(request: Request) -> _Notices:
    """What pages still have to tell, by session. It is not in their addresses, where others could write it."""
    if not hasattr(request.app.state, "notices"):
        request.app.state.notices = {}
    notices: _Notices = request.app.state.notices
    return notices
