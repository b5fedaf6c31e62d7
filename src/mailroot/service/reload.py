"""A reload: prepared everywhere, then put in force everywhere, or not at all."""

import socket
from dataclasses import dataclass, replace

from mailroot.edge.listening import listen
from mailroot.mail.faults import Fault
from mailroot.service.state import State
from mailroot.settings.change import Problem, Problems, difference
from mailroot.settings.service import Settings
from mailroot.settings.virtualserver import VirtualServer


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a reload did: paths of options that are in force now, and of those that wait for a restart."""

    revision: int
    applied: tuple[str, ...]
    needs_restart: tuple[str, ...]


async def put_in_force(state: State, wanted: Settings) -> Reloaded | Problems:
    """Put new settings in force without dropping a session; a fault anywhere leaves everything as it was."""
    changes = difference(state.settings, wanted)
    settings = _without_restarts(state.settings, wanted)
    opened: list[socket.socket] = []
    try:
        listeners = {key: _rebound(state, settings, key, opened) for key in state.listeners}
        await state.tell("prepare", settings)
    except Fault as fault:
        for one in opened:
            one.close()
        return Problems((Problem("", "", str(fault)),))
    await state.tell("swap")
    before, state.listeners, state.settings = state.listeners, listeners, settings
    for key, sockets in listeners.items():
        if sockets != before[key]:
            await state.tell("rebind", key, sockets=tuple(sockets))
            for one in before[key]:
                if one not in sockets:
                    one.close()
    applied = tuple(change.path for change in changes if not change.needs_restart)
    return Reloaded(settings.revision, applied, tuple(change.path for change in changes if change.needs_restart))


def _without_restarts(now: Settings, wanted: Settings) -> Settings:
    """The wanted settings, with what only a restart can change left as it is."""
    service = replace(now.service, shutdown_timeout=wanted.service.shutdown_timeout)
    servers = {
        key: _at_home(server, wanted.servers[key]) if key in wanted.servers else server
        for key, server in now.servers.items()
    }
    return replace(wanted, service=service, servers=servers)


def _at_home(now: VirtualServer, wanted: VirtualServer) -> VirtualServer:
    return replace(wanted, home=now.home)


def _rebound(state: State, settings: Settings, key: str, opened: list[socket.socket]) -> list[socket.socket]:
    """The sockets of a virtual server's bindings: those that stay, and new ones."""
    old = dict(zip(state.settings.servers[key].general.bindings, state.listeners[key], strict=True))
    sockets = []
    for binding in settings.servers[key].general.bindings:
        if binding not in old:
            old[binding] = listen(binding.address, binding.port)
            opened.append(old[binding])
        sockets.append(old[binding])
    return sockets
