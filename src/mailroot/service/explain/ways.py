"""A route in words: where it leads and by which rule, what it demands of the next server, how it is signed in to."""

from typing import assert_never

from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Recipient
from mailroot.policy.chain import Finding, Step
from mailroot.routing.route import DropRoute, HoldRoute, NoRoute, RelayRoute, Route
from mailroot.service.rules import Rules
from mailroot.settings.declared import key_text
from mailroot.settings.delivery import Authentication, OutboundTls

_DEMANDS = {
    OutboundTls.OFF: "TLS is not used, even where it is offered",
    OutboundTls.OPPORTUNISTIC: "TLS is used where it is offered; without it mail goes in clear text",
    OutboundTls.REQUIRE: "TLS is demanded, the certificate is not checked; without TLS the mail waits",
    OutboundTls.VERIFY: "TLS with a valid certificate is demanded; without it the mail waits",
}


def caught(rules: Rules) -> str:
    """What comes before the way of mail that a trap catches; "" where there is none."""
    trap = rules.settings.delivery.trap
    if trap is None:
        return ""
    return "delivery.trap catches it: " if trap.address is None else f"delivery.trap has it for {trap.address} alone: "


def route_steps(rules: Rules, recipient: Recipient, route: Route) -> list[Step]:
    """The steps of a route, from the rule that chose it to the sign-in."""
    trap = rules.settings.delivery.trap
    address = recipient.address if trap is None or trap.address is None else trap.address
    if isinstance(route, DropRoute):
        return [Step("route", Finding.HOLDS, f"{caught(rules)}a file in {route.folder}, for {address}")]
    if isinstance(route, NoRoute):
        return [Step("route", Finding.FAILS, route.status.words)]
    if isinstance(route, HoldRoute):
        kept = f"{_option(rules, address, 'hold')}: kept until its server asks for it; then as follows"
        return [Step("hold", Finding.HOLDS, kept), *route_steps(rules, recipient, route.relay)]
    if not isinstance(route, RelayRoute):
        assert_never(route)
    steps = [Step("route", Finding.HOLDS, caught(rules) + _why(rules, address, route))]
    if not all(host.literal for host in route.smart_hosts) or not route.smart_hosts:
        steps.append(Step("DNS", Finding.OPEN, "not asked; --network has it asked"))
    steps.append(Step("TLS out", Finding.NOTE, f"{_DEMANDS[route.security.tls]} ({_source(rules, address, route)})"))
    steps.append(Step("sign-in out", Finding.NOTE, _sign_in(route)))
    return steps


def _why(rules: Rules, address: Mailbox, route: RelayRoute) -> str:
    entry = rules.domains.find(address.domain)
    hello = "; it is greeted with HELO" if route.use_helo else ""
    if entry is not None and entry.domain.route:
        return f"to {route.destination}, which the domain entry {entry.name} names as its route{hello}"
    if not route.smart_hosts:
        return f"to the mail exchangers of {route.domain}, port {route.port}: there is no smart host{hello}"
    hosts = ", ".join(str(host) for host in route.smart_hosts)
    if route.direct_first:
        return f"to the mail exchangers of {route.domain}; if none can be reached, to the smart host {hosts}{hello}"
    return f"to {hosts}, the smart host of delivery.smart_host{hello}"


def _source(rules: Rules, address: Mailbox, route: RelayRoute) -> str:
    return _option(rules, address, "security") if route.known_domain else "delivery.security"


def _option(rules: Rules, address: Mailbox, name: str) -> str:
    """The key of an option that the entry of this address's domain has."""
    entry = rules.domains.find_waiting(address.domain)
    assert entry is not None  # the route came of it
    return key_text(("domains", entry.name, name))


def _sign_in(route: RelayRoute) -> str:
    security = route.security
    if security.authentication is Authentication.ANONYMOUS:
        return "none"
    who = f" as {security.username}" if security.username else ""
    if route.known_domain:
        shown = ""
    elif route.smart_hosts:
        shown = ", shown to the smart host alone"
    else:
        return f"{security.authentication.value}{who} is set, but hosts that only DNS leads to are not signed in to"
    return f"{security.authentication.value}{who}{shown}"


def fate_of(route: Route) -> str:
    """A route in one line, with what it demands."""
    if isinstance(route, DropRoute):
        return f"into {route.folder}"
    if isinstance(route, NoRoute):
        return f"given up at once: {route.status.words}"
    if isinstance(route, HoldRoute):
        return f"kept until the server of {route.domain} asks for it; then {fate_of(route.relay)}"
    if not isinstance(route, RelayRoute):
        assert_never(route)
    security = route.security
    signed = security.authentication.value
    if security.username and security.authentication is not Authentication.ANONYMOUS:
        signed += f" as {security.username}"
    return f"to {route.destination}, TLS {security.tls.value}, {signed}"
