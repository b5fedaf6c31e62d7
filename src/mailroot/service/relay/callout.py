"""Lines to other servers: which hosts a route leads to, and one transaction on a line.

Not responsible for how a line comes to be (`approach`) and how many there are (`destination`).
"""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from mailroot.edge.outgoing import Connection
from mailroot.edge.tls.outgoing import Secured
from mailroot.mail.message import Content
from mailroot.mail.status import Status
from mailroot.routing.answers import Addresses, MailExchangers
from mailroot.routing.exchangers import (
    Exchanger,
    Host,
    Surroundings,
    exchangers_of,
    hosts_of,
    literal_address,
    literal_addresses,
    smart_host_of,
)
from mailroot.routing.route import RelayRoute
from mailroot.routing.smarthosts import in_turn
from mailroot.service.relay.parcel import send_content
from mailroot.settings.domains import SmartHost
from mailroot.wire.client import Outcome, Peer, Say, Script, leave, transact
from mailroot.wire.offer import Mail

T = TypeVar("T")


class Resolver(Protocol):
    """Asks the domain name system. Never raises: what went wrong is in the answer."""

    async def exchangers(self, domain: str) -> MailExchangers:
        """The MX records of a domain."""

    async def addresses(self, name: str) -> Addresses:
        """The A and AAAA records of a host."""


@dataclass(slots=True)
class Line:
    """A connection on which a server greeted us. `served` counts the messages that it was used for.

    `secured` tells of its TLS, None where it has none.
    """

    host: Host
    peer: Peer
    connection: Connection
    longest: float
    secured: Secured | None = None
    served: int = 0

    @property
    def marks(self) -> Mapping[str, str]:
        """What events tell of the line besides its host."""
        return {"tls": self.secured.version} if self.secured is not None else {}

    @property
    def usable(self) -> bool:
        """Whether another transaction may begin on it."""
        return self.peer.usable and self.connection.usable

    async def transact(self, mail: Mail, content: Content) -> Outcome:
        """Hand a message over."""
        self.served += 1
        return await perform(transact(self.peer, mail), self.connection, self.longest, content)

    async def close(self) -> None:
        """Say goodbye where it makes sense, then end the connection."""
        if self.usable:
            await perform(leave(), self.connection, self.longest)
        self.connection.stop("4.4.2", "the connection was closed")


async def perform(script: Script[T], connection: Connection, longest: float, content: Content | None = None) -> T:
    """Run a script on a connection; no step waits longer than `longest` seconds."""
    try:
        step = next(script)
        while True:
            if isinstance(step, Say):
                replies = await connection.exchange(step.octets, step.replies, min(step.wait, longest))
            else:
                assert content is not None
                replies = await send_content(connection, content, step, longest)
            step = script.send(replies)
    except StopIteration as end:
        result: T = end.value
        return result


class Guide:
    """Knows the hosts that a route leads to."""

    def __init__(self, resolver: Resolver, ours: Surroundings) -> None:
        self._resolver = resolver
        self._ours = ours

    def knows(self, route: RelayRoute) -> bool:
        """Whether a route always leads to the same hosts in the same turn: to addresses that the settings name."""
        hosts = route.smart_hosts
        return bool(hosts) and not route.direct_first and all(one.literal and not one.weight for one in hosts)

    async def hosts(self, route: RelayRoute) -> tuple[Host, ...] | Status:
        """The hosts to try, in order; a status where there are none."""
        if not route.smart_hosts:
            return await self._exchangers(route)
        relays = await self._smart_hosts(route)
        if not route.direct_first:
            return relays
        direct = await self._exchangers(route)
        if isinstance(direct, Status):
            # A domain that takes no mail takes it from no smart host either (RFC 7505).
            return direct if direct.code == "5.1.10" else relays
        return direct if isinstance(relays, Status) else direct + relays

    async def _exchangers(self, route: RelayRoute) -> tuple[Host, ...] | Status:
        literal = literal_address(route.domain) if route.domain.startswith("[") else None
        if literal is not None:
            found = {route.domain: literal_addresses(literal)}
            return hosts_of(route.domain, (Exchanger(0, route.domain),), found, self._ours, route.port)
        exchangers = exchangers_of(route.domain, await self._resolver.exchangers(route.domain), random.random)
        if isinstance(exchangers, Status):
            return exchangers
        names = [exchanger.name for exchanger in exchangers]
        addresses = await self._addresses(names)
        return hosts_of(route.domain, exchangers, addresses, self._ours, route.port)

    async def _addresses(self, names: list[str]) -> Mapping[str, Addresses]:
        return dict(zip(names, await asyncio.gather(*(self._resolver.addresses(name) for name in names)), strict=True))

    async def _smart_hosts(self, route: RelayRoute) -> tuple[Host, ...] | Status:
        """The hosts of all smart hosts, in their turn; the first one's status where there are none at all."""
        found = [await self._smart_host(host, route.port) for host in in_turn(route.smart_hosts, random.random)]
        hosts = tuple(host for each in found if not isinstance(each, Status) for host in each)
        return hosts or next(each for each in found if isinstance(each, Status))

    async def _smart_host(self, host: SmartHost, port: int) -> tuple[Host, ...] | Status:
        literal = literal_address(host.host)
        if literal is not None:
            return smart_host_of(f"[{literal}]", literal_addresses(literal), self._ours, host.port or port)
        return smart_host_of(host.host, await self._resolver.addresses(host.host), self._ours, host.port or port)
