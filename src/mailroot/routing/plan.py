"""The plan: which way each recipient goes, and which of them travel together."""

from collections.abc import Sequence
from dataclasses import replace

from mailroot.mail.address import Mailbox, domain_key
from mailroot.mail.status import Disposition, Status
from mailroot.routing.domains import DomainTable, Match
from mailroot.routing.route import DropRoute, HoldRoute, NoRoute, RelayRoute, Route
from mailroot.settings.delivery import Authentication
from mailroot.settings.domains import Domain, DomainType
from mailroot.settings.places import SmartHost
from mailroot.settings.trap import Trap
from mailroot.settings.virtualserver import VirtualServer

_MOST_REMEMBERED = 10_000


def _parts(route: Route, places: list[int], most: int) -> list[list[int]]:
    if not isinstance(route, RelayRoute):
        return [places]
    return [places[first : first + most] for first in range(0, len(places), most)]


class Plan:
    """Routes of one revision of a virtual server's settings.

    The same domain always gives the same route, so routes are remembered: up to a bound, then all are forgotten.
    """

    def __init__(self, server: VirtualServer, domains: DomainTable) -> None:
        self._server = server
        self._domains = domains
        self._routes: dict[str, Route] = {}
        self._trap = server.delivery.trap

    @property
    def trapped(self) -> bool:
        """Whether mail goes where a trap has it, whatever its recipients and operators say."""
        return self._trap is not None

    def group(self, recipients: Sequence[Mailbox]) -> list[tuple[Route, list[int]]]:
        """Places in `recipients` with their route: those that travel together, in one transaction or one file.

        To another server there go no more at once than `delivery.recipients_per_transaction`.
        """
        groups: dict[Route, list[int]] = {}
        for place, recipient in enumerate(recipients):
            groups.setdefault(self.route(recipient.domain), []).append(place)
        most = self._server.delivery.recipients_per_transaction
        if not most or len(recipients) <= most or self._trap is not None:
            return list(groups.items())
        return [(route, part) for route, places in groups.items() for part in _parts(route, places, most)]

    def route(self, domain: str) -> Route:
        """The way to a domain."""
        route = self._routes.get(domain)
        if route is None:
            if len(self._routes) >= _MOST_REMEMBERED:
                self._routes.clear()
            route = self._routes[domain] = self._found(domain)
        return route

    def _found(self, name: str) -> Route:
        return self._usual(name) if self._trap is None else self._caught(name, self._trap)

    def _caught(self, name: str, trap: Trap) -> Route:
        """Into Drop, or to the trap's address: its way is everybody's."""
        if trap.address is None:
            local = self._local(name) or self._domains.find(self._domains.default)
            assert local is not None  # a server without a default domain has the machine's
            return self._drop(local)
        route = self._usual(trap.address.domain)
        if isinstance(route, DropRoute):
            return replace(route, redirect=trap.address)
        return route.relay if isinstance(route, HoldRoute) else route

    def _local(self, name: str) -> Match | None:
        match = self._domains.find_waiting(name) if name else None
        return match if match is not None and match.domain.type is not DomainType.REMOTE else None

    def _usual(self, name: str) -> Route:
        if not name:
            return NoRoute(Status(Disposition.FAILED, "5.1.3", "The address has no domain."))
        match = self._domains.find_waiting(name)
        if match is None:
            return self._relay(name, None)
        if match.domain.type is DomainType.REMOTE:
            relay = self._relay(name, match.domain)
            return HoldRoute(domain_key(name), relay) if match.domain.hold else relay
        return self._drop(match)

    def through(self, hosts: tuple[SmartHost, ...], domain: str) -> RelayRoute:
        """The way to a domain over smart hosts that an operator chose.

        What the settings demand of TLS stays demanded. Our credentials are for the hosts that the settings name: others
        are not shown them.
        """
        match = self._domains.find_waiting(domain)
        usual = self._relay(domain, match.domain if match is not None else None)
        known = {(host.host, host.port) for host in usual.smart_hosts}
        security = usual.security
        if not all((host.host, host.port) in known for host in hosts):
            security = replace(security, authentication=Authentication.ANONYMOUS)
        return replace(usual, domain="", smart_hosts=hosts, direct_first=False, security=security, known_domain=False)

    def _drop(self, match: Match) -> DropRoute:
        """Aliases share the default domain's Drop folder (facts 1.7); a custom domain has its own."""
        if match.domain.type is DomainType.CUSTOM:
            return DropRoute(match.name, match.domain.drop)
        default = self._domains.find(self._domains.default)
        shared = default.domain.drop if default else ""
        return DropRoute(self._domains.default, match.domain.drop or shared or f"{self._server.home}/Drop")

    def _relay(self, name: str, domain: Domain | None) -> RelayRoute:
        delivery = self._server.delivery
        hosts = delivery.smart_host
        direct_first = bool(hosts) and delivery.direct_first
        if domain is not None and domain.route:
            hosts, direct_first = domain.route, False
        own = domain.security if domain is not None else None
        return RelayRoute(
            domain=domain_key(name) if direct_first or not hosts else "",
            smart_hosts=hosts,
            direct_first=direct_first,
            port=delivery.port,
            use_helo=domain is not None and domain.use_helo,
            security=own or delivery.security,
            known_domain=own is not None,
        )
