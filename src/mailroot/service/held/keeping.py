"""The held mail of one virtual server: what this worker has of it, and what it has the other workers do."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Protocol

from mailroot.edge.bridge import bridge_in
from mailroot.edge.clock import utc_now
from mailroot.edge.outgoing import connect_inside
from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.faults import Fault, Unavailable
from mailroot.queue.store import QueueStore
from mailroot.routing.held import HeldDomains, Patterns
from mailroot.service.deliver.dispatcher import Dispatcher
from mailroot.service.held.asked import Turned
from mailroot.service.held.overline import OverLine, Place, line_to
from mailroot.service.relay.callout import Line
from mailroot.service.relay.remote import RemoteCarrier


class Shard(Protocol):
    """A part of the queue, and who works through it."""

    @property
    def store(self) -> QueueStore:
        """What is kept."""

    @property
    def dispatcher(self) -> Dispatcher:
        """Who delivers it."""


class Fellows(Protocol):
    """All workers of the service, this one too."""

    @property
    def number(self) -> int:
        """Which of them is this one."""

    @property
    def count(self) -> int:
        """How many there are."""

    async def ask(self, number: int, operation: str, *arguments: object) -> Any:
        """The answer of one. Raises `Unavailable` where it gives none."""


class Keeper:
    """Finds what is held, has it tried, and hands it over (`HeldMail`). `folder` is one of our own, for sockets."""

    def __init__(self, key: str, folder: str, fellows: Fellows, emit: Emit) -> None:
        self._key = key
        self._folder = Path(folder)
        self._domains: HeldDomains | None = None
        self._fellows = fellows
        self._emit = emit
        self._shards: Sequence[Shard] = ()
        self._remote: Callable[[], RemoteCarrier] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def work_with(self, shards: Sequence[Shard], remote: Callable[[], RemoteCarrier]) -> None:
        """From now on: this worker's shards, and the carrier that is in force."""
        self._shards, self._remote = shards, remote

    # -- what all workers have

    async def waiting(self, patterns: Patterns) -> int:
        """See `HeldMail`."""
        return await self._all("held.count", patterns)

    async def start(self, patterns: Patterns) -> int:
        """See `HeldMail`."""
        return await self._all("held.start", patterns)

    async def _all(self, operation: str, patterns: Patterns) -> int:
        fellows = self._fellows
        asked = (fellows.ask(number, operation, self._key, list(patterns)) for number in range(fellows.count))
        return sum(await asyncio.gather(*asked))

    async def hand_over(self, turned: Turned) -> None:
        """See `HeldMail`."""
        assert self._remote is not None
        served, cause = 0, ""
        try:
            remote = self._remote()
            place = Place(turned.name, turned.address, turned.tls)
            remote.note(turned.connection, turned.address)
            answer = await line_to(place, turned.connection, remote.hello, remote.longest, greeted=False)
            if isinstance(answer, Line):
                served = await self._served_here(answer, turned.patterns, turned.user)
                served += await self._served_elsewhere(turned, place)
                cause = await self._said_goodbye(answer)
            else:
                cause = answer.text
        except Fault as fault:
            cause = str(fault)
        finally:
            turned.connection.stop("4.4.2", "the connection was closed")
        self._emit(
            EVENTS.connection_turned,
            server=self._key,
            session=turned.session,
            address=turned.address,
            user=turned.user,
            domains=",".join(turned.patterns),
            recipients=served,
            cause=cause,
        )

    async def _served_elsewhere(self, turned: Turned, place: Place) -> int:
        """Lend the connection to one worker after the other that holds mail, too; how many recipients they served."""
        fellows, served = self._fellows, 0
        for number in range(fellows.count):
            if number == fellows.number or not turned.connection.usable:
                continue
            if await fellows.ask(number, "held.count", self._key, list(turned.patterns)):
                served += await self._lent(number, turned, place)
        return served

    async def _lent(self, number: int, turned: Turned, place: Place) -> int:
        """One that does not come to a good end may have said anything: the connection is of no use then."""
        async with bridge_in(self._folder) as bridge:
            to = (str(bridge.path), turned.user, place.name, place.address, place.tls)
            asked = asyncio.ensure_future(
                self._fellows.ask(number, "held.serve", self._key, list(turned.patterns), *to)
            )
            try:
                await bridge.lend(turned.connection)
                return int(await asked)
            except BaseException:
                turned.connection.stop("4.4.2", "the worker that it was lent to is gone")
                asked.cancel()
                raise

    async def _said_goodbye(self, line: Line) -> str:
        """End the line in good order; why there is none, "" where there is."""
        ended = "" if line.usable else "the connection was lost"
        await line.close()
        return ended

    # -- what this worker has

    async def count_here(self, patterns: Patterns) -> int:
        """How many recipients are held here for these domains."""
        counts = [await shard.store.count_held(pattern) for shard in self._shards for pattern in patterns]
        return sum(counts)

    async def start_here(self, patterns: Patterns) -> int:
        """Have what is held here tried; how many recipients that are."""
        waiting = await self.count_here(patterns)
        if waiting:
            for shard in self._shards:
                self._begin(self._serve_held(shard, patterns))
        return waiting

    def follow(self, domains: HeldDomains) -> None:
        """These hold their mail from now on. What is held for others goes its way."""
        self._domains = domains
        for shard in self._shards:
            self._begin(_thaw_others(shard, domains.is_held))

    async def _serve_held(self, shard: Shard, patterns: Patterns) -> None:
        for pattern in patterns:
            await shard.dispatcher.serve_held(pattern)

    async def serve_here(self, patterns: Patterns, path: str, user: str, *place: str) -> int:
        """Hand over what is held here on a connection that another worker lends; how many recipients were served."""
        assert self._remote is not None
        remote = self._remote()
        connection, whole = await connect_inside(path, remote.longest), Place(*place)
        remote.note(connection, whole.address)
        try:
            line = await line_to(whole, connection, remote.hello, remote.longest, greeted=True)
            if not isinstance(line, Line):
                raise Unavailable(line.text)
            return await self._served_here(line, patterns, user)
        finally:
            connection.stop("4.4.2", "the connection was given back")

    async def _served_here(self, line: Line, patterns: Patterns, user: str) -> int:
        assert self._remote is not None and self._domains is not None
        over = OverLine(line, self._remote, self._domains.of(user))
        for shard in self._shards:
            for pattern in patterns:
                await over.serve(shard.store, shard.dispatcher, pattern)
        return over.served

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._kept(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _kept(self, work: Coroutine[None, None, None]) -> None:
        """What cannot be tried now stays held: it is asked for again."""
        try:
            await work
        except Unavailable:
            return
        except Exception as mistake:  # the task supervisor of held mail (design: errors)
            self._emit(EVENTS.task_failed, server=self._key, task="held mail", cause=repr(mistake))


async def _thaw_others(shard: Shard, is_held: Callable[[str], bool]) -> None:
    thawed = [
        await shard.store.thaw(domain, utc_now()) for domain in await shard.store.held_domains() if not is_held(domain)
    ]
    if any(thawed):
        shard.dispatcher.wake()
