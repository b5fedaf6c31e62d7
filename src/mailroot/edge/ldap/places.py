"""Where the servers of a directory are: named by the settings, or found by DNS (RFC 2782), and how to get there."""

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from mailroot.edge.ldap.binding import Identity, sign_in
from mailroot.edge.ldap.line import Line
from mailroot.edge.tls.outgoing import ClientTls
from mailroot.mail.faults import ConnectionLost, Misconfigured, Unavailable
from mailroot.routing.answers import Addresses, Services
from mailroot.settings.delivery import OutboundSecurity, OutboundTls
from mailroot.settings.ldap import LdapTls
from mailroot.settings.places import DirectoryServer
from mailroot.wire.ldap import messages
from mailroot.wire.ldap.messages import Code

_MOST_SERVERS = 8


@dataclass(frozen=True, slots=True)
class Place:
    """A server, and its addresses where DNS gave them; without, the system knows its name."""

    server: DirectoryServer
    addresses: tuple[str, ...] = ()


class Finder:
    """Knows the servers, the preferred one first. `services` and `addresses` ask DNS."""

    def __init__(
        self,
        servers: Sequence[DirectoryServer],
        domain: str,
        services: Callable[[str], Awaitable[Services]],
        addresses: Callable[[str], Awaitable[Addresses]],
    ) -> None:
        self._named = tuple(Place(server) for server in servers)
        self._domain = domain
        self._services = services
        self._addresses = addresses

    async def places(self) -> tuple[Place, ...]:
        """The servers as they are known now. Raises `Unavailable` where DNS names none."""
        return self._named or await self._found()

    async def _found(self) -> tuple[Place, ...]:
        # Active Directory has its domain controllers below _msdcs ([MS-ADTS] section 6.3.2.3).
        causes = []
        for name in (f"_ldap._tcp.dc._msdcs.{self._domain}", f"_ldap._tcp.{self._domain}"):
            answer = await self._services(name)
            if answer.hosts:
                return tuple([await self._place(host, port) for host, port in answer.hosts[:_MOST_SERVERS]])
            causes.append(f"{name}: {answer.detail or answer.finding.value}")
        raise Unavailable(f"DNS names no directory for {self._domain} ({'; '.join(causes)})")

    async def _place(self, host: str, port: int) -> Place:
        found = await self._addresses(host)
        return Place(DirectoryServer(host, port), found.ipv4 + found.ipv6)


@dataclass(frozen=True, slots=True)
class Approach:
    """How a connection comes to stand: the demands of TLS, who we are, and seconds for each step."""

    tls: LdapTls
    ca_file: str
    identity: Identity
    wait: float
    contexts: ClientTls


async def call(place: Place, approach: Approach, tell: Callable[[str], None] = lambda _: None) -> Line:
    """A line that stands and is signed in. `tell` hears each step that holds. Raises `Unavailable`, `Misconfigured`."""
    line = await reach(place, approach, tell)
    server, identity = place.server, approach.identity
    try:
        await sign_in(line, identity, server.host, approach.wait)
    except ConnectionLost as fault:
        raise Unavailable(f"{server}: {fault}") from fault
    except (Unavailable, Misconfigured) as fault:
        line.finish(str(fault))
        raise type(fault)(f"{server}: {fault}") from fault
    except BaseException:
        line.finish("given up")
        raise
    tell(f"signed in: {identity.binding.value}" + (f" as {identity.user}" if identity.user else ""))
    return line


async def reach(place: Place, approach: Approach, tell: Callable[[str], None] = lambda _: None) -> Line:
    """A line that is encrypted as it must be, and not signed in yet."""
    server, began = place.server, time.monotonic()
    line = await _connected(place, approach.wait)
    tell(f"connected to {server} in {(time.monotonic() - began) * 1000:.0f} ms")
    try:
        if server.tls or approach.tls is not LdapTls.OFF:
            await _secure(line, server, approach)
            assert line.secured is not None
            tell(
                f"{line.secured.version}, certificate {'checked' if approach.tls is LdapTls.VERIFY else 'not checked'}"
            )
    except BaseException as fault:
        line.finish(str(fault) or "given up")
        raise
    return line


async def _connected(place: Place, wait: float) -> Line:
    loop, server = asyncio.get_running_loop(), place.server
    why = ""
    for host in place.addresses or (server.host,):
        try:
            async with asyncio.timeout(wait):
                _, line = await loop.create_connection(lambda: Line(loop), host, server.port)
                return line
        except TimeoutError:
            why = f"no connection within {wait:.0f} seconds"
        except socket.gaierror as fault:
            why = f"its name cannot be looked up: {fault.strerror}"
        except OSError as fault:
            why = (os.strerror(fault.errno) if fault.errno and fault.errno > 0 else str(fault)).lower()
    raise Unavailable(f"{server}: {why}")


async def _secure(line: Line, server: DirectoryServer, approach: Approach) -> None:
    verify = approach.tls is LdapTls.VERIFY
    security = OutboundSecurity(
        tls=OutboundTls.VERIFY if verify else OutboundTls.REQUIRE, ca_file=approach.ca_file if verify else ""
    )
    if not server.tls:
        try:
            result = await line.request(messages.start_tls, approach.wait)
        except ConnectionLost as fault:
            raise Unavailable(f"{server}: {fault}") from fault
        if result.code != Code.SUCCESS:
            raise Misconfigured(f"{server}: it does not offer StartTLS ({result.text or result.code})")
    failed = await line.secure(approach.contexts.context(security), server.host, approach.wait)
    if failed is not None:
        cause = f"{server}: TLS failed: {failed.cause}"
        raise Misconfigured(cause) if failed.distrust else Unavailable(cause)
