"""A restart inside: all workers end in good order and are started anew, while the listening sockets stay.

So whatever settings say can be brought into force without an end of the process: virtual servers that are new or gone,
homes, the number of workers, accounts. Connections that come meanwhile wait in the sockets' backlog; open ones are told
421. Where the new settings do not come up, the former ones are put in force again.
"""

import socket
import time
from dataclasses import dataclass

from mailroot.edge.sharedboard import SharedBoard
from mailroot.edge.sharedcounts import SharedCounts
from mailroot.edge.sharedturns import LASTING_SLOTS, merged
from mailroot.edge.tls.contexts import Presented, ServerTls
from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.fanout import Fanout
from mailroot.mail.faults import Fault, Unavailable
from mailroot.service.life.holdings import Figures, Homes
from mailroot.service.life.identities import present
from mailroot.service.life.identities import wanted as wanted_identities
from mailroot.service.life.reload import rebound
from mailroot.service.life.slots import slots_for
from mailroot.service.life.state import State
from mailroot.service.life.states import STARTED, STOPPED, service_state
from mailroot.service.life.telling import telling
from mailroot.service.life.workforce import Workforce
from mailroot.settings.service import Settings
from mailroot.settings.virtualserver import Start

# From the workers' own limit until they are killed; with it the end comes within 10 seconds.
END_MARGIN = 1.0

Listeners = dict[str, list[socket.socket]]


@dataclass(slots=True)
class Crew:
    """What is made anew with each restart."""

    workforce: Workforce
    events: Fanout


@dataclass(frozen=True, slots=True)
class Former:
    """What is put back where new settings do not come up."""

    settings: Settings
    workers: int
    listeners: Listeners
    states: dict[str, str]
    tls: dict[str, ServerTls]
    presented: dict[str, Presented]

    @classmethod
    def of(cls, state: State) -> "Former":
        """What is in force."""
        return cls(
            state.settings,
            state.workers,
            dict(state.listeners),
            dict(state.states),
            dict(state.tls),
            dict(state.presented),
        )

    def put_back(self, state: State) -> None:
        """Have it in force again; the workers are still to be started."""
        state.settings, state.workers = self.settings, self.workers
        state.listeners, state.states = dict(self.listeners), dict(self.states)
        state.tls, state.presented = dict(self.tls), dict(self.presented)


def memory_for(settings: Settings) -> tuple[SharedCounts, SharedBoard]:
    """The memory that the processes of a service with these settings share."""
    workers = settings.service.workers
    board = SharedBoard(workers, tuple(settings.servers), time.monotonic)
    return SharedCounts(workers, slots_for(settings), LASTING_SLOTS), board


class Restart:
    """Restarts of one service. `crew` is who works now; no more `sound` once not even former settings come up."""

    def __init__(self, state: State, emit: Emit, homes: Homes, figures: Figures) -> None:
        self._state = state
        self._emit = emit
        self._homes = homes
        self._figures = figures
        self._given_up = False
        self.sound = True
        self.crew: Crew

    def give_up(self) -> None:
        """The service ends: no restart starts anybody any more."""
        self._given_up = True

    def crew_of(self) -> Crew:
        """Who is to work with what is in force."""
        board = self._state.board
        events = telling(self._state.settings, "supervisor", board.tallies(board.supervisor))
        return Crew(Workforce(self._state, self._emit), events)

    async def run(self, wanted: Settings) -> None:
        """Bring settings into force. Raises `Fault`; the former ones are in force then.

        Where not even these come up again, `Unavailable` says so, and there are no workers.
        """
        begun = time.monotonic()
        self._homes.take(wanted)
        former = Former.of(self._state)
        opened: list[socket.socket] = []
        try:
            with self._figures.moved(wanted.service.metrics):
                await self._replaced(former, wanted, opened)
        except BaseException:
            _close(opened)
            self._homes.keep(former.settings)
            raise
        self._homes.keep(wanted)
        kept = {one for sockets in self._state.listeners.values() for one in sockets}
        _close([one for sockets in former.listeners.values() for one in sockets if one not in kept])
        seconds = round(time.monotonic() - begun, 3)
        self._emit(EVENTS.service_restarted, revision=wanted.revision, seconds=seconds)

    async def _replaced(self, former: Former, wanted: Settings, opened: list[socket.socket]) -> None:
        """What can fail without harm comes first; then the workers are ended and started."""
        state = self._state
        states = _states_under(state, wanted)
        listeners = rebound(state, wanted, opened, [key for key, word in states.items() if word != STOPPED])
        presented = wanted_identities(wanted)
        await self._ended()
        state.settings, state.workers = wanted, wanted.service.workers
        state.listeners, state.states = listeners, states
        state.tls = {key: state.tls.get(key) or ServerTls() for key in wanted.servers}
        state.presented = {key: one for key, one in state.presented.items() if key in wanted.servers}
        try:
            await present(state, presented)
            await self._begun()
        except Fault as fault:
            self._emit(EVENTS.restart_failed, cause=str(fault))
            await self._ended()
            former.put_back(state)
            state.presented = {}  # the contexts have shown others meanwhile
            await present(state, former.presented)
            await self._back()
            raise Unavailable(f"the former settings are in force again: {fault}") from fault

    async def _back(self) -> None:
        try:
            await self._begun()
        except Fault:
            self.sound = False
            raise

    async def _ended(self) -> None:
        """End all workers in good order; what they counted stays."""
        state = self._state
        self._figures.pause()
        await self.crew.workforce.end(state.settings.service.shutdown_timeout.total_seconds() + END_MARGIN)

    async def _begun(self) -> None:
        """New memory, which goes on with the old one's counts; new workers; figures from these."""
        if self._given_up:
            raise Unavailable("the service is ending")
        state = self._state
        counts, board = memory_for(state.settings)
        counts.inherit(state.counts, merged)
        board.inherit(state.board)
        state.counts, state.board = counts, board
        former, self.crew = self.crew, self.crew_of()
        former.events.close()
        await self.crew.workforce.begin()
        self._figures.serve(state)


def _states_under(state: State, wanted: Settings) -> dict[str, str]:
    """The states of the virtual servers after a restart: as they are; a new one starts if the service runs."""
    runs = service_state(state.states.values()) != STOPPED or not state.states
    return {
        key: state.states.get(key, STARTED if runs and server.start is Start.AUTOMATIC else STOPPED)
        for key, server in wanted.servers.items()
    }


def _close(sockets: list[socket.socket]) -> None:
    for one in sockets:
        one.close()
