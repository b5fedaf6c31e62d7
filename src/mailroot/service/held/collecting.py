"""Collecting: other servers that hold our mail are asked for it, on a schedule and by command.

Where ATRN turns the connection round, the server sends to us on it: a session like any other, but whoever is there has
no right to relay, whatever its address.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mailroot.edge.tls.contexts import Secured
from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.faults import Fault
from mailroot.routing.route import RelayRoute
from mailroot.service.receive.session import BY_CLIENT
from mailroot.service.receive.sessions import Sessions
from mailroot.service.relay.callout import Line, perform
from mailroot.service.relay.remote import RemoteCarrier
from mailroot.service.rules import Rules
from mailroot.settings.collect import Collection, CollectMethod, port_of
from mailroot.settings.domains import DomainType
from mailroot.wire.fetching import start_queues, turn_round

# The first round after a start comes within so many seconds, so that many servers do not ask at the same moment.
_SOON = 5.0
_NO_MAIL = 453


@dataclass(frozen=True, slots=True)
class Collected:
    """What one round came to: messages that came on our own connection, what the other server said, what went wrong."""

    messages: int = 0
    said: str = ""
    cause: str = ""


class Collector:
    """Asks the servers that hold mail for one virtual server."""

    def __init__(
        self, rules: Callable[[], Rules], sessions: Sessions, remote: Callable[[], RemoteCarrier], emit: Emit
    ) -> None:
        self._rules = rules
        self._sessions = sessions
        self._remote = remote
        self._emit = emit
        self._under_way: dict[str, asyncio.Task[Collected]] = {}

    @property
    def sources(self) -> Mapping[str, Collection]:
        """Those that may be asked, by their names."""
        return self._rules().settings.collect

    async def run(self) -> None:
        """Keep to the schedule, for as long as the virtual server runs under these settings."""
        async with asyncio.TaskGroup() as group:
            for name, collection in self.sources.items():
                if collection.interval is not None:
                    group.create_task(self._keep_asking(name, collection.interval.total_seconds()))

    async def _keep_asking(self, name: str, interval: float) -> None:
        await asyncio.sleep(random.uniform(0.0, min(interval, _SOON)))  # noqa: S311 - to spread, not to hide
        while True:
            await self.collect(name)
            await asyncio.sleep(interval)

    async def collect(self, name: str) -> Collected:
        """One round now; the one that is under way, where there is one. It goes on if nobody waits for it any more."""
        task = self._under_way.get(name)
        if task is None:
            task = self._under_way[name] = asyncio.get_running_loop().create_task(self._round(name))
            task.add_done_callback(lambda _: self._under_way.pop(name, None))
        return await asyncio.shield(task)

    async def stop(self) -> None:
        """End what is under way: nothing that was received whole is lost."""
        for task in list(self._under_way.values()):
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def _round(self, name: str) -> Collected:
        collection = self.sources[name]
        try:
            collected = await self._asked(collection)
        except Fault as fault:
            collected = Collected(cause=str(fault))
        self._emit(
            EVENTS.collected,
            server=self._rules().key,
            source=name,
            method=collection.method.value,
            messages=collected.messages,
            said=collected.said,
            cause=collected.cause,
        )
        return collected

    async def _asked(self, collection: Collection) -> Collected:
        line = await self._remote().reach(_route(collection))
        if not isinstance(line, Line):
            return Collected(cause=" ".join(part for part in (line.reason, line.reply) if part))
        try:
            if collection.method is CollectMethod.ETRN:
                return await self._by_etrn(line, collection)
            return await self._by_atrn(line, collection)
        finally:
            line.connection.stop("4.4.2", "the connection was closed")

    async def _by_etrn(self, line: Line, collection: Collection) -> Collected:
        said = await perform(start_queues(collection.domains or self._own_domains()), line.connection, line.longest)
        await line.close()
        refused = [f"{domain}: {reply.text}" for domain, reply in said if not reply.positive]
        return Collected(said="; ".join(f"{domain}: {reply.text}" for domain, reply in said), cause="; ".join(refused))

    async def _by_atrn(self, line: Line, collection: Collection) -> Collected:
        reply = await perform(turn_round(collection.domains), line.connection, line.longest)
        if not reply.positive:
            await line.close()
            return Collected(said=reply.text, cause="" if reply.code == _NO_MAIL else reply.text)
        session = self._sessions.adopted()
        ended = ""
        transport = line.connection.lend(session)
        if transport is None:
            return Collected(said=reply.text, cause="the connection was lost")
        if line.secured is not None:
            session.secured = Secured(transport, line.secured.version, line.secured.cipher, None)
        assert session.over is not None
        try:
            session.connection_made(transport)
            if not transport.is_reading():
                transport.resume_reading()
            await session.over
            ended = "" if session.reason == BY_CLIENT else session.reason
        finally:
            session.cut("collecting was ended")
        return Collected(session.messages, reply.text, ended)

    def _own_domains(self) -> list[str]:
        domains = self._rules().settings.domains.items()
        return [name for name, domain in domains if domain.type is not DomainType.REMOTE]


def _route(collection: Collection) -> RelayRoute:
    """The way to the server, whom our credentials are for."""
    assert collection.host is not None
    return RelayRoute(
        domain="",
        smart_hosts=(collection.host,),
        direct_first=False,
        port=port_of(collection),
        use_helo=False,
        security=collection.security,
        known_domain=True,
    )
