"""Approaching a host: connection, greeting, TLS, sign-in. At its end stands a line that meets what the route demands.

What is demanded is never lowered: where it cannot be had, there is no line. Not responsible for which host is
approached, and when (`service.relay.destination`), or for transactions (`service.relay.callout`).
"""

import enum
import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from mailroot.edge.outgoing import Connection, connect
from mailroot.edge.protocollog.log import ProtocolLog
from mailroot.edge.tls.outgoing import ClientTls, Secured, TlsFailed, distrusted
from mailroot.mail.faults import Misconfigured, Unavailable
from mailroot.mail.reply import REPLIES, Reply
from mailroot.mail.status import Disposition, Status
from mailroot.routing.exchangers import Host
from mailroot.routing.route import RelayRoute
from mailroot.service.relay.callout import Line, perform
from mailroot.service.relay.signin import Meeting, Wallet, sign_in
from mailroot.settings.delivery import Authentication, OutboundSecurity, OutboundTls
from mailroot.settings.virtualserver import VirtualServer
from mailroot.wire.client import Peer, ask_for_tls, greet, introduce
from mailroot.wire.outcome import status_of
from mailroot.wire.replies import NoReply

# An address that does not answer at all is given up sooner than one that answers slowly.
_CONNECT_WAIT = 30.0
_HANDSHAKE_WAIT = 60.0
# RFC 8314 section 7.3: submissions over implicit TLS.
_IMPLICIT_PORT = 465
_OURSELVES = (
    "greets us with our own greeting: the route leads back to this server, or another one has the same name, "
    "and needs one of its own in delivery.fqdn"
)
_DEMANDING = {OutboundTls.REQUIRE, OutboundTls.VERIFY}


class Link(enum.Enum):
    """A link of the chain between us and a transaction."""

    CONNECTION = "connection"
    GREETING = "greeting"
    TLS = "TLS"
    SIGN_IN = "sign-in"


class Watcher(Protocol):
    """Sees an approach go on, link by link; the one that began last is the one that a status is about."""

    def begins(self, link: Link) -> None:
        """A link is tried."""

    def holds(self, link: Link, said: str) -> None:
        """A link stands; `said` is what is worth knowing of it."""


class Unwatched:
    """Sees nothing."""

    def begins(self, link: Link) -> None:
        """A link is tried."""

    def holds(self, link: Link, said: str) -> None:
        """A link stands."""


@dataclass(frozen=True, slots=True)
class Approach:
    """Which host is approached, and how. No step waits longer than `longest` seconds.

    A host whose greeting begins with `own_greeting` is ourselves.
    """

    host: Host
    hello: str
    use_helo: bool
    security: OutboundSecurity
    longest: float
    own_greeting: str = ""

    @property
    def implicit(self) -> bool:
        """Whether TLS begins with the connection."""
        security = self.security
        return security.tls is not OutboundTls.OFF and (security.implicit_tls or self.host.port == _IMPLICIT_PORT)


@functools.lru_cache(maxsize=64)
def _own_greeting(fqdn: str, banner: str) -> str:
    """What our own greeting begins with."""
    return REPLIES.greeting(fqdn=fqdn, banner=banner, date="").lines[0].rstrip()


def approach_of(host: Host, route: RelayRoute, settings: VirtualServer) -> Approach:
    """The way to a host on which a route leads."""
    delivery = settings.delivery
    greeting = _own_greeting(delivery.fqdn, settings.general.banner)
    longest = delivery.connection_timeout.total_seconds()
    return Approach(host, delivery.fqdn, route.use_helo, route.security_for(host.name), longest, greeting)


@dataclass(frozen=True, slots=True)
class Tools:
    """What approaches work with. `fell_back` hears that TLS failed with a host whose mail goes on in clear text."""

    tls: ClientTls
    wallet: Wallet
    fell_back: Callable[[Host, str], None]
    log: ProtocolLog | None = None


@dataclass(frozen=True, slots=True)
class _InClear:
    """TLS failed, for this reason, on a route that does without it: another connection is to be opened."""

    cause: str


async def call(approach: Approach, tools: Tools, watcher: Watcher | None = None) -> Line | Status:
    """A line that meets the demands; a status where the host cannot be reached, does not want us, or falls short."""
    line = await _Call(approach, tools, watcher or Unwatched()).line()
    if isinstance(line, _InClear):
        tools.fell_back(approach.host, line.cause)
        plain = replace(approach, security=replace(approach.security, tls=OutboundTls.OFF))
        line = await _Call(plain, tools, watcher or Unwatched()).line()
        assert not isinstance(line, _InClear)
    return line


class _Call:
    """One connection's way to a line."""

    def __init__(self, approach: Approach, tools: Tools, watcher: Watcher) -> None:
        self._approach = approach
        self._host = approach.host
        self._tools = tools
        self._watcher = watcher

    async def line(self) -> Line | Status | _InClear:
        self._watcher.begins(Link.CONNECTION)
        try:
            connection = await connect(self._host.address, self._host.port, min(_CONNECT_WAIT, self._approach.longest))
        except Unavailable as fault:
            return self._delayed("4.4.1", f"{self._place} cannot be reached: {fault}")
        if self._tools.log is not None and self._tools.log.enabled:
            connection.log = self._tools.log.call(self._host.address, self._host.port)
        self._watcher.holds(Link.CONNECTION, self._place)
        try:
            answer = await self._prepared(connection)
        except BaseException:
            connection.stop("4.4.2", "the connection was closed")
            raise
        if not isinstance(answer, Line):
            connection.stop("4.4.2", "the connection was closed")
        return answer

    async def _prepared(self, connection: Connection) -> Line | Status | _InClear:
        approach = self._approach
        secured: Secured | None = None
        if approach.implicit:
            begun = await self._handshake(connection, greeting=True)
            if not isinstance(begun, Secured):
                return begun
            secured = begun
        self._watcher.begins(Link.GREETING)
        script = greet(self._host.name, approach.hello, approach.use_helo)
        peer = await perform(script, connection, approach.longest)
        if isinstance(peer, Reply):
            return status_of(peer, self._host.name)
        if approach.own_greeting and peer.greeting.startswith(approach.own_greeting):
            return self._delayed("4.4.6", f"{self._place} {_OURSELVES}")
        self._watcher.holds(Link.GREETING, _offered(peer))
        if secured is None and approach.security.tls is not OutboundTls.OFF:
            upgraded = await self._upgraded(connection, peer)
            if not isinstance(upgraded, tuple):
                return upgraded
            secured, peer = upgraded
        refused = await self._signed_in(connection, peer, secured)
        return refused or Line(self._host, peer, connection, approach.longest, secured)

    async def _signed_in(self, connection: Connection, peer: Peer, secured: Secured | None) -> Status | None:
        """None once we are signed in, or need not be."""
        approach = self._approach
        if approach.security.authentication is Authentication.ANONYMOUS:
            return None
        self._watcher.begins(Link.SIGN_IN)
        meeting = Meeting(self._host, connection, peer, secured, approach.security, approach.longest)
        mechanism = await sign_in(meeting, self._tools.wallet)
        if isinstance(mechanism, Status):
            return mechanism
        self._watcher.holds(Link.SIGN_IN, f"{approach.security.username or 'the ticket of the service'} by {mechanism}")
        return None

    # -- TLS

    async def _upgraded(self, connection: Connection, peer: Peer) -> tuple[Secured | None, Peer] | Status | _InClear:
        """The TLS of the connection, and what the server offers inside it; none where it may stay in clear text."""
        approach, demanded = self._approach, self._approach.security.tls in _DEMANDING
        self._watcher.begins(Link.TLS)
        if "STARTTLS" not in peer.offer.extensions:
            lacking = f"{self._place} does not offer TLS, which is demanded here"
            return self._delayed("4.7.10", lacking) if demanded else self._stays(peer, "it is not offered")
        reply = await perform(ask_for_tls(), connection, approach.longest)
        if isinstance(reply, NoReply):
            return status_of(reply, self._host.name)
        if reply.code != 220:
            lacking = f"{self._place} did not begin TLS, which is demanded here"
            if demanded:
                return replace(self._delayed("4.7.10", lacking), reply=reply.text)
            self._tools.fell_back(self._host, reply.text)
            return self._stays(peer, reply.text)
        secured = await self._handshake(connection)
        if not isinstance(secured, Secured):
            return secured
        again = await perform(introduce(self._host.name, approach.hello, False), connection, approach.longest)
        return status_of(again, self._host.name) if isinstance(again, Reply) else (secured, again)

    async def _handshake(self, connection: Connection, greeting: bool = False) -> Secured | Status | _InClear:
        approach, security = self._approach, self._approach.security
        self._watcher.begins(Link.TLS)
        try:
            context = self._tools.tls.context(security)
        except Misconfigured as fault:
            return self._delayed("4.3.5", f"Certificates cannot be checked here: {fault}")
        wait = min(_HANDSHAKE_WAIT, approach.longest)
        result = await connection.secure(context, _server_name(self._host), wait, greeting)
        if isinstance(result, Secured):
            checked = "checked" if security.tls is OutboundTls.VERIFY else "not checked"
            self._watcher.holds(Link.TLS, f"{result.version}, {result.cipher}; the certificate was {checked}")
            return result
        if isinstance(result, NoReply):
            return status_of(result, self._host.name)
        if security.tls is OutboundTls.OPPORTUNISTIC and not approach.implicit:
            return _InClear(result.cause)
        cause = await self._distrusted(result) if result.distrust else f"the handshake failed: {result.cause}"
        return self._delayed("4.7.5", f"There is no TLS with {self._place}: {cause}")

    async def _distrusted(self, failed: TlsFailed) -> str:
        """What was wrong with which certificate.

        OpenSSL shows no certificate of a handshake that failed. So it is fetched by another connection, on which
        nothing is told but our name.
        """
        security = OutboundSecurity(
            tls=OutboundTls.REQUIRE,
            implicit_tls=self._approach.security.implicit_tls,
            tls_minimum=self._approach.security.tls_minimum,
        )
        line = await call(replace(self._approach, security=security), self._tools)
        if isinstance(line, Status) or line.secured is None:
            return f"its certificate was not believed: {failed.cause}"
        line.connection.stop("4.4.2", "the connection was closed")
        return distrusted(failed, _server_name(self._host), line.secured.certificate)

    # -- words

    @property
    def _place(self) -> str:
        return f"{self._host.name} ({self._host.address}, port {self._host.port})"

    def _stays(self, peer: Peer, why: str) -> tuple[None, Peer]:
        self._watcher.holds(Link.TLS, f"none, and none is demanded: {why}")
        return None, peer

    def _delayed(self, code: str, reason: str) -> Status:
        return Status(Disposition.DELAYED, code, f"{reason}.", remote=self._host.name)


def _server_name(host: Host) -> str:
    """The name, or the address, that the certificate must be for."""
    return host.address if host.name.startswith("[") else host.name


def _offered(peer: Peer) -> str:
    return ", ".join(sorted(peer.offer.extensions)) or "no extensions"
