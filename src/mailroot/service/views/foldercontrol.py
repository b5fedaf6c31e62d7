"""What operators ask of Badmail and Drop folders. Every look is taken aside; here is decided where."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mailroot.edge.aside import Aside
from mailroot.edge.files import browsing, resubmit
from mailroot.edge.files.browsing import Wanted, checked
from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.faults import Misconfigured
from mailroot.mail.pickuplines import Dots
from mailroot.routing.domains import DomainTable
from mailroot.routing.plan import Plan
from mailroot.routing.route import DropRoute
from mailroot.service.life.queuelisting import number_of, page_size
from mailroot.service.life.state import State
from mailroot.service.views import shelves
from mailroot.settings.domains import DomainType
from mailroot.settings.virtualserver import VirtualServer

Arguments = Mapping[str, Any]
Operation = Callable[[Arguments], Awaitable[object]]

_MOST_ROWS = 500
_MOST_OCTETS = 512 * 1024  # of a piece
_TURN = 1.0  # seconds that a removal of many works; who asks comes again
_AT_ONCE = 200


class FolderControl:
    """Serves the operations on folders. `key_of` finds the virtual server that arguments name."""

    def __init__(
        self, state: State, key_of: Callable[[Arguments], str], emit: Callable[[], Emit], aside: Callable[[], Aside]
    ) -> None:
        self._state = state
        self._key_of = key_of
        self._emit = emit
        self._aside = aside
        self._changing = asyncio.Lock()
        self.operations: dict[str, Operation] = {
            "badmail.list": self._badmail_list,
            "badmail.show": self._badmail_show,
            "badmail.raw": self._badmail_raw,
            "badmail.remove": self._badmail_remove,
            "badmail.resubmit": self._badmail_resubmit,
            "drop.folders": self._drop_folders,
            "drop.list": self._drop_list,
            "drop.show": self._drop_show,
            "drop.raw": self._drop_raw,
        }

    def _server(self, arguments: Arguments) -> tuple[str, VirtualServer]:
        """The virtual server that is named; the only one where none is."""
        servers = self._state.settings.servers
        if not arguments.get("server") and len(servers) == 1:
            return next(iter(servers.items()))
        key = self._key_of(arguments)
        return key, servers[key]

    # -- Badmail

    async def _badmail_list(self, arguments: Arguments) -> object:
        key, server = self._server(arguments)
        folder, wanted = server.messages.badmail, _wanted(arguments, shelves.BAD)
        return await self._aside().do(lambda: shelves.badmail_page(key, folder, wanted))

    async def _badmail_show(self, arguments: Arguments) -> object:
        key, server = self._server(arguments)
        folder, stem = server.messages.badmail, checked(str(arguments.get("name") or ""))
        return await self._aside().do(lambda: shelves.badmail_message(key, folder, stem))

    async def _badmail_raw(self, arguments: Arguments) -> object:
        _, server = self._server(arguments)
        name = checked(str(arguments.get("name") or "")) + shelves.BAD
        return await self._piece(server.messages.badmail, name, arguments)

    async def _badmail_remove(self, arguments: Arguments) -> object:
        """One message, or all, some hundred at a time."""
        key, server = self._server(arguments)
        folder, home, stem = server.messages.badmail, server.home, str(arguments.get("name") or "")
        if bool(stem) == bool(arguments.get("all")):
            raise Misconfigured("give the name of a message, or all")
        async with self._changing:
            if stem:
                gone = [stem] if await self._aside().do(lambda: resubmit.forget(folder, home, checked(stem))) else []
                more = False
            else:
                gone, more = await self._aside().do(lambda: _remove_some(folder, home))
        for one in gone:
            self._emit()(EVENTS.badmail_removed, server=key, name=f"{one}.BAD", cause="removed by an operator")
        return {"removed": len(gone), "next": gone[-1] if more and gone else ""}

    async def _badmail_resubmit(self, arguments: Arguments) -> object:
        key, server = self._server(arguments)
        folder, home, stem = server.messages.badmail, server.home, checked(str(arguments.get("name") or ""))
        stuffed = server.pickup.dots is not Dots.PLAIN
        async with self._changing:
            recipients = await self._aside().do(lambda: _resubmit(folder, home, stem, stuffed=stuffed))
        self._emit()(EVENTS.badmail_resubmitted, server=key, name=f"{stem}.BAD")
        return {"server": key, "name": stem, "recipients": recipients, "file": f"resubmitted-{stem}.eml"}

    # -- Drop

    def _folder(self, arguments: Arguments) -> tuple[str, str]:
        """The virtual server, and its Drop folder: the one of a domain, or that of the default domain."""
        key, server = self._server(arguments)
        folders = drop_folders(server)
        domain = str(arguments.get("domain") or "").lower()
        found = folders.get(domain) if domain else next(iter(folders.values()), None)
        if found is None:
            raise Misconfigured(f"there is no Drop folder for {domain!r}; there are those of: {', '.join(folders)}")
        return key, found

    async def _drop_folders(self, arguments: Arguments) -> object:
        key, server = self._server(arguments)
        return [{"server": key, "domain": domain, "folder": folder} for domain, folder in drop_folders(server).items()]

    async def _drop_list(self, arguments: Arguments) -> object:
        (key, folder), wanted = self._folder(arguments), _wanted(arguments, "")
        return await self._aside().do(lambda: shelves.drop_page(key, folder, wanted))

    async def _drop_show(self, arguments: Arguments) -> object:
        (key, folder), name = self._folder(arguments), checked(str(arguments.get("name") or ""))
        return await self._aside().do(lambda: shelves.drop_message(key, folder, name))

    async def _drop_raw(self, arguments: Arguments) -> object:
        _, folder = self._folder(arguments)
        return await self._piece(folder, checked(str(arguments.get("name") or "")), arguments)

    async def _piece(self, folder: str, name: str, arguments: Arguments) -> object:
        offset, limit = piece_of(arguments)
        return await self._aside().do(lambda: shelves.file_piece(folder, name, offset, limit))


def drop_folders(server: VirtualServer) -> dict[str, str]:
    """The Drop folder of each local domain, that of the default domain first."""
    table = DomainTable(server.domains)
    plan = Plan(server, table)
    local = [name for name, domain in server.domains.items() if domain.type is not DomainType.REMOTE]
    local.sort(key=lambda name: name != table.default)
    routes = {name.lower(): plan.route(name) for name in local}
    return {name: route.folder for name, route in routes.items() if isinstance(route, DropRoute)}


def piece_of(arguments: Arguments) -> tuple[int, int]:
    """Which piece of a message is wanted: from which octet on, and how many."""
    return number_of(arguments.get("after")), page_size(arguments.get("limit"), _MOST_OCTETS)


def _wanted(arguments: Arguments, ending: str) -> Wanted:
    return Wanted(
        limit=page_size(arguments.get("limit"), _MOST_ROWS),
        after=str(arguments.get("after") or ""),
        newest=bool(arguments.get("newest")),
        ending=ending,
        text=str(arguments.get("text") or ""),
    )


# --- done aside


def _remove_some(folder: str, home: str) -> tuple[list[str], bool]:
    """Remove messages for a while; which, and whether there are more."""
    until, gone = time.monotonic() + _TURN, []
    while time.monotonic() < until:
        page = browsing.page(folder, Wanted(_AT_ONCE, ending=shelves.BAD))
        stems = [found.name[: -len(shelves.BAD)] for found in page.files]
        gone += [stem for stem in stems if resubmit.forget(folder, home, stem)]
        if not page.next:
            return gone, False
    return gone, True


def _resubmit(folder: str, home: str, stem: str, *, stuffed: bool) -> list[str]:
    told = shelves.properties(folder, stem, shelves.ALL_PROPERTIES)
    recipients = shelves.waiting(told)
    if told.get("origin") == "pickup":
        resubmit.resubmit(folder, home, stem, None, stuffed=False)
    elif told.get("key") and recipients:
        resubmit.resubmit(folder, home, stem, shelves.envelope(told), stuffed=stuffed)
    else:
        raise Misconfigured(f"who sent {stem!r} and for whom is not known here; put its file into Pickup by hand")
    return recipients
