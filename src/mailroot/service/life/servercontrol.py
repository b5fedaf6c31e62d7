"""What operators ask of the service and its virtual servers: states, a restart, a new one, another name, an end."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from mailroot.mail.by import By
from mailroot.mail.faults import Conflict, Unavailable
from mailroot.service.configure.edits import edit_of
from mailroot.service.configure.ledger import Ledger
from mailroot.service.life.reload import Reloaded
from mailroot.service.life.settingscontrol import SettingsControl, facts_of
from mailroot.service.life.state import State
from mailroot.service.life.states import PAUSED, STOPPED
from mailroot.service.life.unbroken import to_its_end
from mailroot.settings.problem import Problems, Unsound
from mailroot.settings.service import Settings

Arguments = Mapping[str, Any]
Perform = Callable[..., Awaitable[object]]

_WORDS = ("start", "stop", "pause", "continue")


class Service(Protocol):
    """Who does it (`service.life.supervisor`)."""

    @property
    def state(self) -> State:
        """What the supervisor knows."""

    @property
    def ledger(self) -> Ledger:
        """The settings file."""

    @property
    def changing(self) -> asyncio.Lock:
        """Held by whoever changes what is in force."""

    async def change_state(self, key: str, word: str) -> dict[str, object]:
        """Start, stop, pause or continue a virtual server; its state then."""

    async def change_service(self, word: str) -> dict[str, object]:
        """Start, stop, pause or continue the service; its state then."""

    async def restart(self, wanted: Settings) -> Reloaded:
        """Put settings in force by a restart inside; the lock is held."""

    async def settle_operators(self) -> bool:
        """Have nobody's right name a virtual server that is not in force; whether that is so."""


class ServerControl:
    """The operations `service.*`, and those of `server.*` that change something. `key` finds a virtual server."""

    def __init__(self, service: Service, settings: SettingsControl, key: Callable[[Arguments], str]) -> None:
        self._service = service
        self._settings = settings
        self._key = key

    def operations(self) -> dict[str, Perform]:
        """Each operation by its name."""
        return {
            **{f"server.{word}": self._changes(word) for word in _WORDS},
            **{f"service.{word}": self._changes_all(word) for word in _WORDS},
            "service.restart": self._restart,
            "server.create": self._create,
            "server.rename": self._rename,
            "server.delete": self._delete,
        }

    def _changes(self, word: str) -> Perform:
        async def change(arguments: Arguments) -> object:
            return await self._service.change_state(self._key(arguments), word)

        return change

    def _changes_all(self, word: str) -> Perform:
        async def change(_arguments: Arguments) -> object:
            return await self._service.change_service(word)

        return change

    async def _restart(self, _arguments: Arguments, by: By) -> object:
        """All of what the file says comes into force, what an editor wrote too."""
        answer = await to_its_end(self._restarted(by))
        return {"restarted": True, "revision": answer.revision, "applied": list(answer.applied)}

    async def _restarted(self, by: By) -> Reloaded:
        async with self._service.changing:
            found = self._service.ledger.load(by)
            if isinstance(found, Problems):
                raise Unsound(found)
            return await self._service.restart(found)

    async def _create(self, arguments: Arguments, by: By) -> object:
        if not await self._service.settle_operators():
            raise Unavailable("operators of a deleted virtual server might get rights at this one; see the event log")
        draft, answer = await self._settings.make_by_restart("server.create", edit_of("server.create", arguments), by)
        key = next(key for key in draft.settings.servers if f"servers.{key}" in draft.changed)
        return {"server": key, "restarted": True, **facts_of(draft, answer)}

    async def _rename(self, arguments: Arguments, by: By) -> object:
        given = {**arguments, "server": self._key(arguments)}
        return facts_of(*await self._settings.make("server.rename", edit_of("server.rename", given), by))

    async def _delete(self, arguments: Arguments, by: By) -> object:
        key = self._key(arguments)
        if not arguments.get("waiting"):
            await self._demand_empty(key)
            if self._service.state.states[key] != STOPPED:
                await self._stopped_empty(key)
        edit = edit_of("server.delete", {"server": key})
        draft, answer = await self._settings.make_by_restart("server.delete", edit, by)
        await self._service.settle_operators()
        return {"server": key, "restarted": True, **facts_of(draft, answer)}

    async def _stopped_empty(self, key: str) -> None:
        """What came in at the last moment is seen too: nothing comes in once the server is stopped."""
        before = self._service.state.states[key]
        await self._service.change_state(key, "stop")
        try:
            await self._demand_empty(key)
        except Conflict:
            await self._service.change_state(key, "start")
            if before == PAUSED:
                await self._service.change_state(key, "pause")
            raise

    async def _demand_empty(self, key: str) -> None:
        counts = await self._service.state.ask_all("counts")
        waiting = sum(count[key]["waiting"] for count in counts)
        if waiting:
            home = self._service.state.settings.servers[key].home
            said = f"{waiting} recipients wait in the queue of {key}"
            raise Conflict(f"{said}; wait, or delete it with --waiting: their mail stays in {home}, unsent")
