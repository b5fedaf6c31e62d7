"""Starts, stops, pauses and continues virtual servers, one alone or all of them as the service.

`service.life.states` says what follows from what. Whoever calls holds the supervisor's lock.
"""

import asyncio
import contextlib
import socket
from collections.abc import Mapping
from pathlib import Path

from mailroot.edge.keptstates import keep_states, read_states
from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.faults import Fault, Misconfigured
from mailroot.service.life.state import State
from mailroot.service.life.states import (
    PAUSED,
    STARTED,
    STOPPED,
    keeps,
    moment,
    ran_before,
    service_state,
    state_after,
    states_after,
    states_at_start,
)
from mailroot.settings.service import Settings
from mailroot.settings.virtualserver import Start, VirtualServer


class ServerStates:
    """The states of all virtual servers, and what is remembered of them.

    `_ran` are those that start with the service; `_kept` those that an operator started or stopped alone.
    """

    def __init__(self, state: State, emit: Emit, settings_file: Path) -> None:
        self._state = state
        self._emit = emit
        self._file = settings_file
        self._kept: dict[str, str] = {}
        self._ran: dict[str, str] = {}

    # -- the beginning

    def open(self) -> None:
        """Bind the sockets of those that start with the process. Raises `Misconfigured` where one is taken."""
        state, settings = self._state, self._state.settings
        self._kept = {key: word for key, word in read_states(self._file).items() if key in settings.servers}
        starts = {key: server.start for key, server in settings.servers.items()}
        wanted = states_at_start(settings.service.start, starts, self._kept)
        state.states = dict.fromkeys(wanted, STOPPED)
        self._ran = ran_before(starts, self._kept)
        for key, word in wanted.items():
            if word == STARTED:
                state.listeners[key] = self.bound(key, settings.servers[key])
                state.states[key] = STARTED

    def bound(self, key: str, server: VirtualServer) -> list[socket.socket]:
        """The sockets of a virtual server's bindings. Raises `Misconfigured`, which is told, where one is taken."""
        sockets: list[socket.socket] = []
        for binding in server.general.listening:
            try:
                sockets.append(self._state.inherited.listen(binding.address, binding.port))
            except Fault as fault:
                for one in sockets:
                    one.close()
                self._emit(EVENTS.bind_failed, server=key, address=str(binding), cause=str(fault))
                raise
        return sockets

    def adapt(self, before: Settings) -> None:
        """New settings are in force: how a server starts is what they say, where they say something new."""
        servers = self._state.settings.servers
        starts = {key: server.start for key, server in servers.items()}
        former = {key: server.start for key, server in before.servers.items()}
        changed = {key for key in starts if starts[key] is not former.get(key)}
        kept = {key: word for key, word in self._kept.items() if key in servers and key not in changed}
        if kept != self._kept:
            self._kept = kept
            self._keep()
        usual = ran_before(starts, kept)
        self._ran = {key: word for key, word in self._ran.items() if key in servers and key not in changed}
        self._ran |= {key: word for key, word in usual.items() if key in changed}

    # -- one virtual server

    async def change(self, key: str, word: str) -> dict[str, str]:
        """Start, stop, pause or continue one; what became of others with it, by their keys: their faults.

        Starting one while the service is stopped starts the service, and all that ran before (facts 9). Raises
        `Misconfigured` where it cannot be done, `Unavailable` where a worker could not do it.
        """
        state = self._state
        after = state_after(key, state.states[key], word)
        others: dict[str, str] = {}
        if after != STOPPED and self.service == STOPPED:
            self._demand_startable()
            others = {one: was for one, was in self._ran.items() if one != key and one in state.states}
        await self._enter(key, after)
        self._remember(key, after)
        return await self._enter_all(others)

    def _remember(self, key: str, after: str) -> None:
        """Keep over the process's end what an operator did to one server alone, where it differs from the usual."""
        start = self._state.settings.servers[key].start
        word = STOPPED if after == STOPPED else STARTED
        kept = {one: state for one, state in self._kept.items() if one != key}
        if keeps(start, word):
            kept[key] = word
        self._ran.pop(key, None)
        if kept != self._kept:
            self._kept = kept
            self._keep()

    def _keep(self) -> None:
        try:
            keep_states(self._file, self._kept)
        except Fault as fault:
            self._emit(EVENTS.states_not_kept, cause=str(fault))

    # -- the service

    @property
    def service(self) -> str:
        """The state of the service, or what it is on the way from one to another."""
        moments = {*self._state.moments.values()}
        return moments.pop() if len(moments) == 1 else service_state(self._state.states.values())

    async def change_all(self, word: str) -> dict[str, str]:
        """Start, stop, pause or continue the service; the servers that could not follow, with their faults."""
        state = self._state
        now = service_state(state.states.values())
        if word == "start" and now == STOPPED:
            self._demand_startable()
            if not self._ran:
                self._forget_stops()
        after = states_after(state.states, word, self._ran)
        if word == "start" and service_state(after.values()) == STOPPED:
            raise Misconfigured("no virtual server starts with the service; start one: ./mailroot server start NAME")
        if word == "stop" and now != STOPPED:
            self._ran = {key: STARTED for key, one in state.states.items() if one != STOPPED}
        return await self._enter_all({key: one for key, one in after.items() if one != state.states[key]})

    def _demand_startable(self) -> None:
        if self._state.settings.service.start is Start.DISABLED:
            raise Misconfigured('service.start is "disabled"; change it: ./mailroot set service.start manual')

    def _forget_stops(self) -> None:
        """All were stopped alone; whoever starts the service wants those that start with it."""
        starts = {key: server.start for key, server in self._state.settings.servers.items()}
        self._kept = {key: word for key, word in self._kept.items() if word != STOPPED}
        self._ran = ran_before(starts, self._kept)
        self._keep()

    async def _enter_all(self, wanted: Mapping[str, str]) -> dict[str, str]:
        """Bring each server into its state; one that cannot does not hinder the others, unless none can."""
        steps = (self._enter(key, word) for key, word in wanted.items())
        results = await asyncio.gather(*steps, return_exceptions=True)
        faults: dict[str, str] = {}
        for key, result in zip(wanted, results, strict=True):
            if isinstance(result, Fault):
                faults[key] = str(result)
            elif isinstance(result, BaseException):
                raise result
        if faults and len(faults) == len(wanted):
            raise Misconfigured("; ".join(faults.values()))
        return faults

    # -- steps

    async def _enter(self, key: str, after: str) -> None:
        """Bring a virtual server into a state, in all workers."""
        state = self._state
        before = state.states[key]
        if after == before:
            return
        state.moments[key] = moment(before, after)
        try:
            await (self._start(key) if before == STOPPED else self._leave(key, after))
        finally:
            state.moments.pop(key, None)
        self._emit(EVENTS.server_state, server=key, state=after)

    async def _leave(self, key: str, after: str) -> None:
        state = self._state
        state.states[key] = after
        if after == STOPPED:
            for listener in state.listeners.pop(key):
                listener.close()
            await state.tell("stop", key)
        else:
            await state.tell("pause" if after == PAUSED else "resume", key)

    async def _start(self, key: str) -> None:
        """Start a virtual server everywhere, or leave it stopped."""
        state, server = self._state, self._state.settings.servers[key]
        if server.start is Start.DISABLED:
            raise Misconfigured(
                f'servers.{key}.start is "disabled"; change it: ./mailroot set servers.{key}.start manual'
            )
        state.listeners[key] = self.bound(key, server)
        state.states[key] = STARTED
        try:
            await state.tell("start", key, sockets=tuple(state.listeners[key]))
        except Fault:
            state.states[key] = STOPPED
            for listener in state.listeners.pop(key):
                listener.close()
            with contextlib.suppress(Fault):
                await state.tell("stop", key)
            raise
