"""One virtual server's rules: what one revision of the settings means. Immutable; a session keeps those it began with."""

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address

from mailroot.mail.address import Mailbox
from mailroot.policy.recipient import Place
from mailroot.queue.schedule import RetryPlan
from mailroot.routing.domains import DomainTable
from mailroot.routing.plan import Plan
from mailroot.settings.virtualserver import Delivery, VirtualServer


@dataclass(frozen=True, slots=True)
class Rules:
    """Settings of a virtual server with everything that is derived from them once."""

    key: str
    settings: VirtualServer
    domains: DomainTable
    plan: Plan
    remote_retry: RetryPlan
    local_retry: RetryPlan
    own_addresses: frozenset[str]

    @property
    def fqdn(self) -> str:
        """The name that the server gives itself."""
        return self.settings.delivery.fqdn

    def place(self, address: Mailbox) -> Place:
        """Where a recipient's domain stands; an address literal of our own is the default domain."""
        match = self.domains.find(address.domain)
        if match is None and address.domain.startswith("[") and self._own_literal(address.domain):
            match = self.domains.find(self.domains.default)
        if match is None:
            return Place("", None, self.domains.default)
        return Place(match.name, match.domain, self.domains.default)

    def _own_literal(self, domain: str) -> bool:
        text = domain[1:-1]
        literal = text[5:] if text[:5].lower() == "ipv6:" else text
        try:
            address = ip_address(literal)
        except ValueError:
            return False
        return address.is_loopback or str(address) in self.own_addresses


def rules_of(key: str, settings: VirtualServer) -> Rules:
    """The rules that a virtual server's settings make."""
    domains = DomainTable(settings.domains)
    delivery = settings.delivery
    return Rules(
        key=key,
        settings=settings,
        domains=domains,
        plan=Plan(settings, domains),
        remote_retry=_retry(delivery, delivery.delay_notification, delivery.expiration),
        local_retry=_retry(delivery, delivery.local_delay_notification, delivery.local_expiration),
        own_addresses=frozenset(binding.address for binding in settings.general.bindings),
    )


def _retry(delivery: Delivery, delay_notification: timedelta, expiration: timedelta) -> RetryPlan:
    return RetryPlan(delivery.retry_intervals, delivery.retry_attempts, delay_notification, expiration)
