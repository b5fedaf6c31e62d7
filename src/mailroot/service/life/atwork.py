"""A virtual server at work in one worker: its sessions, its shards of the queue, its Pickup folder."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial

from mailroot.edge.clock import utc_now
from mailroot.edge.files.folder import Permissions, permissions
from mailroot.edge.listening import BACKLOG
from mailroot.mail.events import EVENTS, Emit
from mailroot.queue.store import QueueStore
from mailroot.service.deliver.carriers import Carriers
from mailroot.service.deliver.dispatcher import Dispatcher
from mailroot.service.held.collecting import Collector
from mailroot.service.pickup.pickup import PickupRole
from mailroot.service.receive.sessions import Sessions
from mailroot.service.relay.remote import RemoteCarrier
from mailroot.service.report.badmail import Badmail, BadmailLimits
from mailroot.service.resolve.entries import resolver_of
from mailroot.service.rules import Rules
from mailroot.settings.virtualserver import VirtualServer

# What is left of the time for an end in good order once the transactions under way have had theirs.
_LAST_STEPS = 1.0
_AFTER_FAULT = 10.0


@dataclass(frozen=True, slots=True)
class Shard:
    """One part of the queue that this worker owns, and what works through it."""

    name: str
    store: QueueStore
    dispatcher: Dispatcher


@dataclass(slots=True)
class Current:
    """The rules in force: what a reload swaps."""

    rules: Rules


@dataclass(slots=True)
class Parts:
    """What the world built for one virtual server.

    `shards[0]` takes new messages; the others are orphans. `pickups` make the shards' Pickup roles, in the same order;
    those of orphans only finish what was claimed.
    """

    current: Current
    sessions: Sessions
    shards: list[Shard]
    carriers: Carriers
    badmail: Badmail
    pickups: list[Callable[[], PickupRole]]
    emit: Emit
    collector: Collector


@dataclass(slots=True)
class ServerAtWork:
    """Starts, pauses and stops the roles of one virtual server. The store stays open while the server is stopped.

    `schedules`: this worker is the one that keeps to schedules.
    """

    parts: Parts
    schedules: bool = False
    _listeners: list[asyncio.Server] = field(default_factory=list)
    _roles: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _retired: dict[asyncio.Task[None], RemoteCarrier] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The short name of the virtual server."""
        return self.parts.current.rules.key

    async def start(self, sockets: list[socket.socket]) -> None:
        """Begin: claim what waits, look into Pickup, and accept on these sockets."""
        parts = self.parts
        for shard in parts.shards:
            shard.dispatcher.resume()
            self._begin(f"queue {shard.name}", shard.dispatcher.run)
        self._begin("sessions", parts.sessions.sweep)
        self._begin("badmail", lambda: parts.badmail.keep_within(self._badmail_limits, utc_now))
        self._begin_pickup()
        self._begin_collecting()
        parts.sessions.resume()
        await self.listen(sockets)

    async def listen(self, sockets: list[socket.socket]) -> None:
        """Accept on these sockets too; they are in the order of the bindings."""
        loop, sessions = asyncio.get_running_loop(), self.parts.sessions
        plain = len(self.parts.current.rules.settings.general.bindings)
        for number, listener in enumerate(sockets):
            make: Callable[[], asyncio.Protocol] = sessions.make if number < plain else sessions.make_secured
            self._listeners.append(await loop.create_server(make, sock=listener, backlog=BACKLOG))

    def unlisten(self) -> None:
        """Accept no more, on any socket."""
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()

    def pause(self) -> None:
        """No new connections; open ones and the queue go on."""
        self.parts.sessions.pause()

    def resume(self) -> None:
        """Take new connections again."""
        self.parts.sessions.resume()

    async def stop(self, patience: float) -> None:
        """End every role within `patience` seconds, most of them for transactions under way.

        What was accepted stays in the queue.
        """
        self.unlisten()
        for role in ("sessions", "badmail", "collect"):
            self._end(role)
        self._end_pickup()
        soon = max(patience - _LAST_STEPS, patience / 2)
        await self.parts.collector.stop()
        dispatchers = [shard.dispatcher for shard in self.parts.shards]
        await asyncio.gather(self.parts.sessions.drain(soon), *(one.stop(soon) for one in dispatchers))
        if self.parts.sessions:
            await asyncio.sleep(_LAST_STEPS / 4)  # for the last words of those that had all their time
        for session in self.parts.sessions:
            session.cut("did not read its replies")
        await asyncio.gather(*(one.stop(_LAST_STEPS / 4) for one in dispatchers))  # what the last sessions brought
        roles = list(self._roles.values())
        for role in list(self._roles):
            self._end(role)
        if roles:
            await asyncio.wait(roles, timeout=_LAST_STEPS / 4)

    async def close(self) -> None:
        """Close what `stop` left open."""
        for task in self._retired:
            task.cancel()
        await asyncio.gather(*(remote.close() for remote in (self.parts.carriers.remote, *self._retired.values())))
        names = self.parts.current.rules.names
        if names is not None:
            await names.close()
        await self.parts.carriers.drop.close()
        await self.parts.badmail.close()
        for shard in self.parts.shards:
            await shard.store.close()

    def apply(self, rules: Rules, remote: RemoteCarrier) -> None:
        """Put new rules in force; sessions that are open keep theirs, and so do deliveries under way."""
        parts, former = self.parts, self.parts.current.rules.settings
        parts.current.rules = rules
        parts.sessions.apply(rules)
        parts.carriers.drop.permit(drop_permissions(rules.settings))
        parts.badmail.move(rules.settings.messages.badmail)
        retired, parts.carriers.remote = parts.carriers.remote, remote
        parts.carriers.directory = resolver_of(rules, parts.emit, parts.carriers.directory)
        task = asyncio.get_running_loop().create_task(retired.retire())
        self._retired[task] = retired
        task.add_done_callback(self._forget_retired)
        if "sessions" in self._roles and rules.settings.pickup != former.pickup:
            self._end_pickup()
            self._begin_pickup()
        if "sessions" in self._roles and rules.settings.collect != former.collect:
            self._end("collect")
            self._begin_collecting()
        for shard in parts.shards:
            shard.dispatcher.wake()

    # -- roles

    def _begin_collecting(self) -> None:
        if self.schedules and self.parts.current.rules.settings.collect:
            self._begin("collect", self.parts.collector.run)

    def _begin_pickup(self) -> None:
        if self.parts.current.rules.settings.pickup.enabled:
            own, *orphans = self.parts.pickups
            self._begin("pickup", lambda: own().run())
            for number, orphan in enumerate(orphans, 1):
                self._begin(f"claims {number}", partial(_recover, orphan))

    def _end_pickup(self) -> None:
        for name in [name for name in self._roles if name.startswith(("pickup", "claims"))]:
            self._end(name)

    def _begin(self, name: str, role: Callable[[], Coroutine[None, None, None]]) -> None:
        self._roles[name] = asyncio.get_running_loop().create_task(self._kept(name, role))

    def _end(self, name: str) -> None:
        task = self._roles.pop(name, None)
        if task is not None:
            task.cancel()

    async def _kept(self, name: str, role: Callable[[], Coroutine[None, None, None]]) -> None:
        """A role that fails is told of, and begins again: its folder may be usable then, or the mistake not repeat."""
        while True:
            try:
                return await role()
            except Exception as fault:  # the task supervisor of the roles (design: errors)
                self.parts.emit(EVENTS.task_failed, server=self.key, task=name, cause=repr(fault))
            await asyncio.sleep(_AFTER_FAULT)

    def _forget_retired(self, task: asyncio.Task[None]) -> None:
        self._retired.pop(task, None)

    def _badmail_limits(self) -> BadmailLimits:
        messages = self.parts.current.rules.settings.messages
        return BadmailLimits(messages.badmail_retention, messages.badmail_limit)


async def _recover(orphan: Callable[[], PickupRole]) -> None:
    await orphan().recover()


def drop_permissions(settings: VirtualServer) -> Permissions:
    """The owner, group and mode of files in Drop."""
    return permissions(settings.drop.owner, settings.drop.group, settings.drop.mode)
