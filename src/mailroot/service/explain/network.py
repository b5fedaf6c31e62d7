"""What only the network knows: the client's names, and the hosts that a route leads to."""

import time
from dataclasses import replace

from mailroot.edge.dns import DnsResolver
from mailroot.edge.ownaddresses import is_bound_by, is_local
from mailroot.mail.status import Status
from mailroot.policy.access import names_of_interest
from mailroot.policy.chain import Finding, Step
from mailroot.policy.client import NOT_ASKED, Names, client_address
from mailroot.routing.exchangers import Surroundings
from mailroot.routing.route import RelayRoute
from mailroot.service.explain.explained import Explanation
from mailroot.service.explain.outlook import Outlook
from mailroot.service.receive.clientnames import ClientNames
from mailroot.service.relay.callout import Guide
from mailroot.service.rules import Rules
from mailroot.settings.service import Settings


async def names_of(rules: Rules, client: str) -> Names:
    """The names of a client, where a list of the server could hold one."""
    access = rules.settings.access
    of_interest = names_of_interest(access.connection, access.relay)
    if of_interest is None:
        return NOT_ASKED
    search = ClientNames(_resolver(rules), of_interest)
    try:
        return await search.listed(client_address(client))
    finally:
        await search.close()


async def with_hosts(rules: Rules, settings: Settings, explanation: Explanation) -> Explanation:
    """The explanation with the answers of DNS in it."""
    delivery = rules.settings.delivery
    bindings = [
        (binding.address, binding.port) for server in settings.servers.values() for binding in server.general.listening
    ]
    ours = Surroundings(delivery.fqdn, is_local, is_bound_by(bindings), delivery.private_exchangers)
    resolver = _resolver(rules)
    try:
        guide = Guide(resolver, ours)
        outlooks = [await _with_hosts(guide, one) for one in explanation.outlooks]
    finally:
        await resolver.close()
    return replace(explanation, outlooks=tuple(outlooks))


async def _with_hosts(guide: Guide, one: Outlook) -> Outlook:
    if not isinstance(one.route, RelayRoute):
        return one
    answer = _dns_step(await guide.hosts(one.route))
    steps = tuple(answer if step.name == "DNS" else step for step in one.steps)
    return replace(one, steps=steps)


def _dns_step(hosts: object) -> Step:
    if isinstance(hosts, Status):
        return Step("DNS", Finding.FAILS, hosts.words)
    assert isinstance(hosts, tuple)
    first, *others = [f"{host.name} is {host.address}, port {host.port}" for host in hosts]
    return Step("DNS", Finding.HOLDS, first, tuple(f"{other}: tried after it" for other in others))


def _resolver(rules: Rules) -> DnsResolver:
    return DnsResolver([(server.address, server.port) for server in rules.settings.delivery.dns], time.monotonic)
