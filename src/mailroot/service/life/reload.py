"""A reload: prepared everywhere, then put in force everywhere, or not at all."""

import asyncio
import contextlib
import dataclasses
import socket
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from mailroot.mail.faults import Fault, Unavailable
from mailroot.service.life.identities import present
from mailroot.service.life.identities import wanted as wanted_identities
from mailroot.service.life.state import State, WorkerAtWork
from mailroot.service.life.workforce import kill
from mailroot.settings.change import Problem, Problems, difference
from mailroot.settings.domains import Domain
from mailroot.settings.option import Applies, declaration
from mailroot.settings.places import Binding
from mailroot.settings.service import Admin, Service, Settings
from mailroot.settings.virtualserver import VirtualServer

Listeners = dict[str, list[socket.socket]]
_Table = TypeVar("_Table", Service, Admin, VirtualServer)


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a reload did: paths of options that are in force now, and of those that wait for a restart.

    `presented` are the virtual servers that show other certificates now.
    """

    revision: int
    applied: tuple[str, ...]
    needs_restart: tuple[str, ...]
    presented: tuple[str, ...] = ()


async def put_in_force(state: State, wanted: Settings) -> Reloaded | Problems:
    """Put new settings in force without dropping a session; a fault before the swap leaves everything as it was."""
    before, settings = state.settings, in_force(state.settings, wanted)
    opened: list[socket.socket] = []
    try:
        listeners = rebound(state, settings, opened, state.listeners)
        presented = wanted_identities(settings)
        await state.tell("prepare", settings)
    except Fault as fault:
        for one in opened:
            one.close()
        with contextlib.suppress(Fault):
            await state.tell("forget")
        return Problems((Problem("", "", str(fault)),))
    former = state.listeners
    # From here on there is no way back. Who is forked now has the new settings; who was forked before is told.
    state.settings, state.listeners = settings, listeners
    shown = await present(state, presented)
    changed = {key: sockets for key, sockets in listeners.items() if sockets != former[key]}
    await asyncio.gather(*(_swap(state, worker, settings, changed) for worker in list(state.running.values())))
    kept = {one for sockets in listeners.values() for one in sockets}
    for one in {one for sockets in former.values() for one in sockets} - kept:
        one.close()
    applied = tuple(change.path for change in difference(before, settings))
    waiting = tuple(change.path for change in difference(settings, wanted))
    return Reloaded(settings.revision, applied, waiting, shown)


async def _swap(state: State, worker: WorkerAtWork, settings: Settings, changed: Listeners) -> None:
    """Have one worker swap; one that cannot is replaced by one that is born with the new settings."""
    counts = {key: len(sockets) for key, sockets in changed.items()}
    sockets = tuple(one for sockets in changed.values() for one in sockets)
    try:
        await state.tell_one(worker, "swap", settings, counts, sockets=sockets)
    except Unavailable:
        kill(worker)


# -- what a reload may change


def in_force(now: Settings, wanted: Settings) -> Settings:
    """The wanted settings, with what only a restart can change left as it is."""
    servers = {
        key: _server_in_force(server, wanted.servers[key]) if key in wanted.servers else server
        for key, server in now.servers.items()
    }
    service, admin = _without_restarts(now.service, wanted.service), _without_restarts(now.admin, wanted.admin)
    return replace(wanted, service=service, admin=admin, servers=servers)


def _server_in_force(now: VirtualServer, wanted: VirtualServer) -> VirtualServer:
    """Folders that follow from the home stay with it."""
    kept = _without_restarts(now, wanted)
    if kept.home == wanted.home:
        return kept
    badmail = _at_home(wanted.messages.badmail, wanted.home, kept.home)
    domains = {name: _domain_at_home(domain, wanted.home, kept.home) for name, domain in kept.domains.items()}
    return replace(kept, messages=replace(kept.messages, badmail=badmail), domains=domains)


def _domain_at_home(domain: Domain, wanted: str, now: str) -> Domain:
    return replace(domain, drop=_at_home(domain.drop, wanted, now)) if domain.drop else domain


def _at_home(folder: str, wanted: str, now: str) -> str:
    for name in ("Badmail", "Drop"):
        if folder == f"{wanted}/{name}":
            return f"{now}/{name}"
    return folder


def _without_restarts(now: _Table, wanted: _Table) -> _Table:
    """One table of options, with those that need a restart as they are now."""
    kept = {}
    for field in dataclasses.fields(now):
        option = declaration(field)
        if option is not None and option.applies is Applies.SERVICE:
            kept[field.name] = getattr(now, field.name)
    return replace(wanted, **kept)


# -- listening sockets


def rebound(state: State, settings: Settings, opened: list[socket.socket], keys: Iterable[str]) -> Listeners:
    """The sockets of all bindings of the servers `keys`: those that stay or change hands, and new ones.

    The new ones are noted in `opened`. Raises `Misconfigured` where one is taken by somebody else.
    """
    old = {
        (key, binding): one
        for key, sockets in state.listeners.items()
        for binding, one in zip(state.settings.servers[key].general.listening, sockets, strict=True)
    }
    wanted = {key: settings.servers[key].general.listening for key in keys}
    leaving = {binding: one for (key, binding), one in old.items() if binding not in wanted.get(key, ())}

    def socket_of(key: str, binding: Binding) -> socket.socket:
        if (key, binding) in old:
            return old[key, binding]
        if binding in leaving:
            return leaving.pop(binding)
        opened.append(state.inherited.listen(binding.address, binding.port, list(leaving.values())))
        return opened[-1]

    return {key: [socket_of(key, binding) for binding in bindings] for key, bindings in wanted.items()}
