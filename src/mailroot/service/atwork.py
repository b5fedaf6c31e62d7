"""A virtual server at work in one worker: its sessions, its shards of the queue, its Pickup folder."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from mailroot.edge.clock import utc_now
from mailroot.edge.listening import BACKLOG
from mailroot.queue.store import QueueStore
from mailroot.service.badmail import Badmail, BadmailLimits
from mailroot.service.dispatcher import Carriers, Dispatcher
from mailroot.service.pickup import PickupRole
from mailroot.service.remote import RemoteCarrier
from mailroot.service.rules import Rules
from mailroot.service.sessions import Sessions


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
    """What the world built for one virtual server. `shards[0]` takes new messages; the others are orphans."""

    current: Current
    sessions: Sessions
    shards: list[Shard]
    carriers: Carriers
    badmail: Badmail
    pickup: Callable[[], PickupRole] | None


@dataclass(slots=True)
class ServerAtWork:
    """Starts, pauses and stops the roles of one virtual server. The store stays open while the server is stopped."""

    parts: Parts
    _listeners: list[asyncio.Server] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def key(self) -> str:
        """The short name of the virtual server."""
        return self.parts.current.rules.key

    async def start(self, sockets: list[socket.socket]) -> None:
        """Begin: claim what waits, look into Pickup, and accept on these sockets."""
        for shard in self.parts.shards:
            shard.dispatcher.resume()
            self._run(shard.dispatcher.run())
        self._run(self.parts.sessions.sweep())
        self._run(self.parts.badmail.keep_within(self._badmail_limits, utc_now))
        if self.parts.pickup is not None:
            self._run(self.parts.pickup().run())
        self.parts.sessions.resume()
        await self.listen(sockets)

    async def listen(self, sockets: list[socket.socket]) -> None:
        """Accept on these sockets too."""
        loop = asyncio.get_running_loop()
        for listener in sockets:
            self._listeners.append(await loop.create_server(self.parts.sessions.make, sock=listener, backlog=BACKLOG))

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
        """End every role: transactions under way have `patience` seconds. What was accepted stays in the queue."""
        self.unlisten()
        await self.parts.sessions.drain(patience / 2)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)
        self._tasks.clear()
        await asyncio.gather(*(shard.dispatcher.stop(patience / 2) for shard in self.parts.shards))

    async def close(self) -> None:
        """Close what `stop` left open."""
        await self.parts.carriers.remote.close()
        await self.parts.carriers.drop.close()
        await self.parts.badmail.close()
        for shard in self.parts.shards:
            await shard.store.close()

    async def apply(self, rules: Rules, remote: RemoteCarrier) -> None:
        """Put new rules in force; sessions that are open keep theirs, and so do deliveries under way."""
        self.parts.current.rules = rules
        self.parts.sessions.apply(rules)
        former, self.parts.carriers.remote = self.parts.carriers.remote, remote
        former.retire()
        for shard in self.parts.shards:
            shard.dispatcher.wake()

    def _badmail_limits(self) -> BadmailLimits:
        messages = self.parts.current.rules.settings.messages
        return BadmailLimits(messages.badmail_retention, messages.badmail_limit)

    def _run(self, role: "asyncio._CoroutineLike[None]") -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(role))
