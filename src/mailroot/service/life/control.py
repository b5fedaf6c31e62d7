"""Every operation of the service by its name, and what carries them out for whoever asks at the control socket.

The account that runs the service and root may do everything there; members of groups what their role may
(`service.life.localaccess`).
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from mailroot import __version__
from mailroot.edge.control import account_named
from mailroot.edge.listening import bound_port, shown
from mailroot.edge.operatorgroups import Peers
from mailroot.edge.operators import OperatorFile
from mailroot.mail.by import By
from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.faults import Fault, Misconfigured, Missing
from mailroot.policy.operators import OperatorBook
from mailroot.service.configure.ledger import Ledger
from mailroot.service.life.audit import Audit
from mailroot.service.life.controlsocket import ControlSocket
from mailroot.service.life.copycontrol import CopyControl
from mailroot.service.life.dispatch import Arguments, Dispatch, Perform
from mailroot.service.life.localaccess import Allow, LocalAccess
from mailroot.service.life.operatorcontrol import Known, OperatorControl
from mailroot.service.life.queuecontrol import BULK_WORDS, QueueControl
from mailroot.service.life.queuelisting import QueueListing
from mailroot.service.life.reload import Reloaded
from mailroot.service.life.servercontrol import ServerControl
from mailroot.service.life.serverstates import ServerStates
from mailroot.service.life.settingscontrol import SettingsControl
from mailroot.service.life.state import State
from mailroot.service.measure.reader import reader_of
from mailroot.service.measure.reading import rows
from mailroot.service.views.operations import views
from mailroot.settings.change import Problems
from mailroot.settings.fingerprint import fingerprint
from mailroot.settings.problem import Unsound
from mailroot.settings.service import Settings


class Service(Protocol):
    """What is controlled (`service.life.supervisor`)."""

    @property
    def state(self) -> State:
        """What the supervisor knows."""

    @property
    def emit(self) -> Emit:
        """Where events go."""

    @property
    def audit(self) -> Audit:
        """Where changes are recorded."""

    @property
    def ledger(self) -> Ledger:
        """The settings file."""

    @property
    def changing(self) -> asyncio.Lock:
        """Held by whoever changes what is in force."""

    @property
    def servers(self) -> ServerStates:
        """The states of the virtual servers."""

    async def change_state(self, key: str, word: str) -> dict[str, object]:
        """Start, stop, pause or continue a virtual server; its state then."""

    async def change_service(self, word: str) -> dict[str, object]:
        """Start, stop, pause or continue the service; its state then."""

    async def apply(self, wanted: Settings) -> Reloaded | Problems:
        """Put settings in force as far as a reload can; the lock is held."""

    async def restart(self, wanted: Settings) -> Reloaded:
        """Put settings in force by a restart inside; the lock is held."""

    async def reload(self, by: By) -> Reloaded | Problems:
        """Read the settings again and put them in force."""

    async def settle_operators(self) -> bool:
        """Have nobody's right name a virtual server that is not in force; whether that is so."""


class Control:
    """Serves the control socket for as long as it is entered. `allow` says what members of groups may do."""

    def __init__(self, service: Service, path: Path, allow: Allow) -> None:
        self._service = service
        self._state = service.state
        queue, listing = QueueControl(service.state, self._key), QueueListing(service.state, self._key)
        self._settings = SettingsControl(service)
        peers = Peers()
        known = Known(self.operator_file, lambda: self._state.settings.servers, peers.knows)
        self.operators = OperatorControl(known, self._let)
        self._operations: dict[str, Perform] = {
            **{name: partial(perform, self) for name, perform in _OPERATIONS.items()},
            "queue.list": listing.page,
            "queue.destinations": listing.destinations,
            "queue.show": queue.show,
            **{f"queue.{word}": queue.bulk(word) for word in BULK_WORDS},
            **views(service, self._key),
            **self._settings.operations(),
            **ServerControl(service, self._settings, self._key).operations(),
            **CopyControl(service.ledger, self._settings).operations(),
            **self.operators.operations(),
            "audit.list": service.audit.page,
            "audit.check": service.audit.check,
        }
        self._file: tuple[str, OperatorFile] | None = None
        self._settling = asyncio.Lock()
        self._dispatch = self.dispatch()
        local = LocalAccess(self._dispatch, self.operators.book, self.server_names, allow, service.emit, peers)
        self._socket = ControlSocket(path, self._answer, local.answer, local.admits)

    def dispatch(self) -> Dispatch:
        """What carries requests out, whoever brings them."""
        return Dispatch(self._operations, self._service.emit, self._service.audit)

    def operator_file(self) -> OperatorFile:
        """The file of operators."""
        path = self._state.settings.admin.operators
        if self._file is None or self._file[0] != path:
            self._file = path, OperatorFile(path)
        return self._file[1]

    @property
    def emit(self) -> Emit:
        """Where events go."""
        return self._service.emit

    def server_names(self) -> dict[str, str]:
        """The display names of the virtual servers, by their short ones."""
        return {key: server.name for key, server in self._state.settings.servers.items()}

    async def __aenter__(self) -> "Control":
        await self._socket.open()
        await self.settle_operators()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._socket.close()

    async def settle_operators(self) -> bool:
        """Have operators and groups fit the settings in force, and tell whether they do; an event says why not."""
        try:
            async with self._settling:
                await self.operators.forget_others(self._service.audit)
                self._let(await self.operators.book())
        except Fault as fault:
            self._service.emit(EVENTS.task_failed, server="", task="operators", cause=str(fault))
            return False
        return True

    def _let(self, book: OperatorBook) -> None:
        self._socket.let_others_connect(bool(book.groups))

    async def _answer(self, line: bytes, user: int) -> dict[str, object]:
        return await self._dispatch.answer(line, By(account_named(user)))

    # -- the service and its virtual servers

    async def _status(self, _arguments: Arguments) -> object:
        state = self._state
        counts = await state.ask_all("counts")
        workers = [
            {"number": number, "pid": worker.pid, "sessions": sum(one["sessions"] for one in counts[number].values())}
            for number, worker in sorted(state.running.items())
        ]
        return {
            "state": self._service.servers.service,
            "start": state.settings.service.start.value,
            "version": __version__,
            "pid": os.getpid(),
            "started": state.started.isoformat(timespec="seconds"),
            "revision": state.settings.revision,
            "settings": fingerprint(state.settings),
            "needs_restart": self._settings.waiting(),
            "workers": workers,
            "servers": self._server_rows(counts),
            **await self._directories(),
        }

    # -- directories

    async def _directories(self) -> dict[str, object]:
        """Why directories give no answers, by virtual server; nothing where all do."""
        if not any(server.ldap_routing.enabled for server in self._state.settings.servers.values()):
            return {}
        rows = await self._directory_rows({})
        return {"directories": {row["server"]: row["cause"] or row["state"] for row in sorted(rows, key=_cause)}}

    async def _directory_rows(self, arguments: Arguments) -> list[dict[str, Any]]:
        wanted = self._key(arguments) if arguments.get("server") else ""
        rows = [row for answer in await self._state.ask_all("ldap.status") for row in answer]
        return [row for row in rows if not wanted or row["server"] == wanted]

    async def _flush_directories(self, arguments: Arguments) -> object:
        wanted = self._key(arguments) if arguments.get("server") else ""
        return {"forgotten": sum(await self._state.ask_all("ldap.flush", wanted))}

    # -- the service's virtual servers

    async def _servers(self, _arguments: Arguments) -> object:
        return self._server_rows(await self._state.ask_all("counts"))

    def _server_rows(self, counts: list[dict[str, dict[str, int]]]) -> list[dict[str, object]]:
        return [self._server_row(key, counts) for key in self._state.settings.servers]

    def _server_row(self, key: str, counts: list[dict[str, dict[str, int]]]) -> dict[str, object]:
        server = self._state.settings.servers[key]
        listeners = self._state.listeners.get(key)
        if listeners:
            bindings = [shown(one.getsockname()[0], bound_port(one)) for one in listeners]
        else:
            bindings = [shown(binding.address, binding.port) for binding in server.general.listening]
        return {
            "key": key,
            "name": server.name,
            "state": self._state.moments.get(key, self._state.states[key]),
            "start": server.start.value,
            "trap": str(server.delivery.trap or ""),
            "bindings": bindings,
            "sessions": sum(count[key]["sessions"] for count in counts),
            "waiting": sum(count[key]["waiting"] for count in counts),
        }

    def _key(self, arguments: Arguments) -> str:
        """The virtual server that is meant: by its short name, or by its display name."""
        wanted = str(arguments.get("server", ""))
        servers = self._state.settings.servers
        if wanted in servers:  # a display name may be the short name of another one
            return wanted
        for key, server in servers.items():
            if wanted == server.name:
                return key
        known = ", ".join(servers)
        if not wanted:
            raise Misconfigured(f"there are several virtual servers; name one by --server: {known}")
        raise Missing(f"there is no virtual server {wanted!r}; there are: {known}")

    # -- sessions

    async def _sessions(self, arguments: Arguments) -> object:
        wanted = self._key(arguments) if arguments.get("server") else ""
        rows = [row for answer in await self._state.ask_all("sessions") for row in answer]
        return [row for row in rows if not wanted or row["server"] == wanted]

    async def _end_session(self, arguments: Arguments) -> object:
        """One session by its name, or all: of a virtual server where it is named."""
        ident, everybody = str(arguments.get("session") or ""), bool(arguments.get("all"))
        if everybody == bool(ident):
            raise Misconfigured("give the name of a session, or all")
        server = self._key(arguments) if arguments.get("server") else ""
        ended = sum(await self._state.ask_all("end_sessions", ident, server))
        if not ended and not everybody:
            raise Missing(f"there is no session {arguments.get('session')!r} (it may have ended)")
        return {"ended": ended}

    async def _counters(self, arguments: Arguments) -> object:
        """All figures; those of a second are what was counted in the second that this takes."""
        only, reader = self._key(arguments) if arguments.get("server") else "", reader_of(self._state)
        before = await reader.read()
        await asyncio.sleep(1.0)
        return list(rows(await reader.read(), before, only))

    # -- mail that others hold

    async def _collect(self, arguments: Arguments) -> object:
        name, servers = str(arguments.get("name", "")), self._state.settings.servers
        if arguments.get("server"):
            having = [self._key(arguments)]
        else:
            having = [key for key, server in servers.items() if name in server.collect]
        if len(having) > 1:
            raise Misconfigured(f"several virtual servers collect from {name}; name one: {', '.join(having)}")
        if not having:
            known = ", ".join(one for server in servers.values() for one in server.collect) or "none"
            raise Misconfigured(f"nobody named {name!r} is collected from; there are: {known}")
        return await self._state.ask(0, "collect", having[0], name)

    # -- settings

    async def _reload(self, _arguments: Arguments, by: By) -> object:
        answer = await self._service.reload(by)
        if isinstance(answer, Problems):
            raise Unsound(answer)
        return {
            "revision": answer.revision,
            "applied": list(answer.applied),
            "needs_restart": list(answer.needs_restart),
        }


def _cause(row: dict[str, Any]) -> str:
    return str(row["cause"])


_OPERATIONS: dict[str, Callable[..., Awaitable[object]]] = {
    "status": Control._status,
    "server.list": Control._servers,
    "session.list": Control._sessions,
    "session.end": Control._end_session,
    "counters": Control._counters,
    "ldap.status": Control._directory_rows,
    "ldap.flush": Control._flush_directories,
    "collect": Control._collect,
    "settings.reload": Control._reload,
}
