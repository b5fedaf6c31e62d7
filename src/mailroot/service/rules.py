"""One virtual server's rules: what one revision of the settings means. A session keeps those that it began with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address

from mailroot.edge.ownaddresses import is_local
from mailroot.policy.recipient import Place, place_of
from mailroot.queue.schedule import RetryPlan
from mailroot.routing.domains import DomainTable
from mailroot.routing.plan import Plan
from mailroot.routing.route import DropRoute, Route
from mailroot.service.held.summoning import Holding
from mailroot.service.receive.clientnames import ClientNames
from mailroot.service.receive.signin import Entrance
from mailroot.service.resolve.directory import Directory
from mailroot.settings.domains import DomainType
from mailroot.settings.virtualserver import Delivery, VirtualServer

_MOST_REMEMBERED = 10_000
_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound


@dataclass(frozen=True, slots=True)
class Rules:
    """Settings of a virtual server with everything that is derived from them once.

    `retries` are the plans of domains with times of their own, by the names that settings have. `quotas` are the limits
    of Drop folders in octets, for those that have one. `places` remembers domains. `names`
    searches for clients' names; None where no rule asks for them. `entrance` is where clients sign in; None where they
    cannot. `directory` resolves addresses; None without LDAP routing. `holding` is what clients may ask for of held
    mail; None where no domain holds any.
    """

    key: str
    settings: VirtualServer
    domains: DomainTable
    plan: Plan
    remote_retry: RetryPlan
    local_retry: RetryPlan
    own_addresses: frozenset[str]
    quotas: Mapping[str, int]
    retries: Mapping[str, RetryPlan] = field(default_factory=dict)
    names: ClientNames | None = None
    entrance: Entrance | None = None
    directory: Directory | None = None
    holding: Holding | None = None
    places: dict[str, Place] = field(default_factory=dict)

    @property
    def fqdn(self) -> str:
        """The name that the server gives itself."""
        return self.settings.delivery.fqdn

    def retry(self, route: Route) -> RetryPlan:
        """How long and how often a route is tried (facts 1.4: local mail has times of its own)."""
        return self.local_retry if isinstance(route, DropRoute) else self.remote_retry

    @property
    def retry_plans(self) -> list[RetryPlan]:
        """Every plan that any mail has."""
        return [self.remote_retry, self.local_retry, *self.retries.values()]

    def retry_for(self, domain: str) -> RetryPlan:
        """How long and how often mail for a domain is tried: as its own options say, else as its route is."""
        if self.retries:
            match = self.domains.find_waiting(domain)
            if match is not None and match.name in self.retries:
                return self.retries[match.name]
        return self.retry(self.plan.route(domain))

    def place(self, domain: str) -> Place:
        """Where a domain stands; an address literal of our own is an alias of the default domain."""
        place = self.places.get(domain)
        if place is None:
            if len(self.places) >= _MOST_REMEMBERED:
                self.places.clear()
            place = self.places[domain] = self._found(domain)
        return place

    def _found(self, domain: str) -> Place:
        default = self.domains.default
        match = self.domains.find(domain)
        if match is not None:
            return place_of(match.name, match.domain, default)
        if default and domain.startswith("[") and self._own_literal(domain):
            return Place(domain, default, local=True, alias=True)
        return Place("", default)

    def _own_literal(self, domain: str) -> bool:
        text = domain[1:-1]
        literal = text[5:] if text[:5].lower() == "ipv6:" else text
        try:
            address = ip_address(literal)
        except ValueError:
            return False
        if address.is_loopback or str(address) in self.own_addresses:
            return True
        return not _EVERYWHERE.isdisjoint(self.own_addresses) and is_local(str(address))


def rules_of(
    key: str,
    settings: VirtualServer,
    names: ClientNames | None = None,
    entrance: Entrance | None = None,
    directory: Directory | None = None,
) -> Rules:
    """The rules that a virtual server's settings make."""
    domains = DomainTable(settings.domains)
    delivery = settings.delivery
    plan = Plan(settings, domains)
    return Rules(
        key=key,
        settings=settings,
        domains=domains,
        plan=plan,
        remote_retry=_retry(delivery, delivery.delay_notification, delivery.expiration),
        local_retry=_retry(delivery, delivery.local_delay_notification, delivery.local_expiration),
        own_addresses=frozenset(binding.address for binding in settings.general.listening),
        quotas=_quotas(settings, plan),
        retries=_retries(settings),
        names=names,
        entrance=entrance,
        directory=directory,
    )


def _retry(delivery: Delivery, delay_notification: timedelta, expiration: timedelta) -> RetryPlan:
    return RetryPlan(delivery.retry_intervals, delivery.retry_attempts, delay_notification, expiration)


def _retries(settings: VirtualServer) -> dict[str, RetryPlan]:
    """The plans of domains that have any of these options; what is unset is as the server's."""
    delivery, plans = settings.delivery, {}
    for name, domain in settings.domains.items():
        own = (domain.retry_intervals, domain.retry_attempts, domain.delay_notification, domain.expiration)
        if own == ((), None, None, None):
            continue
        notice, end = delivery.delay_notification, delivery.expiration
        if domain.type is not DomainType.REMOTE:
            notice, end = delivery.local_delay_notification, delivery.local_expiration
        plans[name] = RetryPlan(
            domain.retry_intervals or delivery.retry_intervals,
            delivery.retry_attempts if domain.retry_attempts is None else domain.retry_attempts,
            domain.delay_notification or notice,
            domain.expiration or end,
        )
    return plans


def _quotas(settings: VirtualServer, plan: Plan) -> dict[str, int]:
    """Ten times the message size limit for the Drop folder of a domain that asks for a quota (facts 1.7)."""
    asking = (plan.route(name) for name, domain in settings.domains.items() if domain.drop_quota)
    return {route.folder: 10 * settings.messages.size_limit for route in asking if isinstance(route, DropRoute)}
