"""The ways out: names of other domains, smart hosts, and servers on the internet."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import TypeAlias

from mailroot.edge.dns import DnsResolver
from mailroot.edge.outgoing import connect
from mailroot.mail.faults import Fault, Unavailable
from mailroot.routing.answers import Finding as Found
from mailroot.routing.exchangers import literal_address
from mailroot.service.doctor.finding import Finding, Patient, fault, ok, warning
from mailroot.service.relay.trial import Step, trial_of, walk
from mailroot.settings.domains import DomainType
from mailroot.settings.virtualserver import VirtualServer

# Domains whose servers are always there. They are looked up and greeted; no mail is sent.
KNOWN_DOMAINS = ("gmail.com", "outlook.com")
_WAIT = 10.0
# It stands for all names below a domain; no table has an entry of its own for it.
_ANY_LABEL = "any-domain"
_UNKNOWN = "see the check `dns`"
Reach: TypeAlias = tuple[str, str]
"""What is to be said of a way, and the mend where it leads to no server."""
_BLOCKED = "ask the provider whether it blocks port 25; many do, and want a smart host: delivery.smart_host"


def sends_directly(server: VirtualServer) -> bool:
    """Whether mail of the virtual server goes to the servers of its recipients' domains."""
    return not server.delivery.smart_host or server.delivery.direct_first


async def dns(patient: Patient) -> AsyncIterator[Finding]:
    """The resolvers of each virtual server that needs them."""
    for key, server in patient.settings.servers.items():
        if not sends_directly(server):
            yield ok(key, "mail goes to the smart host, so no exchangers of domains are looked up")
            continue
        asked = ", ".join(map(str, server.delivery.dns)) or "the machine's resolvers (/etc/resolv.conf)"
        resolver = patient.lookups.of(server)
        answers = await asyncio.gather(*(resolver.exchangers(domain) for domain in KNOWN_DOMAINS))
        failed = [answer for answer in answers if answer.finding is not Found.FOUND]
        if len(failed) == len(answers):
            why = failed[0].detail or failed[0].finding.value
            yield fault(key, f"{asked}: {why}", "see /etc/resolv.conf, or set delivery.dns to resolvers that answer")
        else:
            yield ok(key, f"{asked}: exchangers of other domains are found")


async def smart_hosts(patient: Patient) -> AsyncIterator[Finding]:
    """Every smart host, as `mailroot smarthost test` walks to it."""
    routes = list(_routes(patient))
    if not routes:
        yield ok("smart hosts", "there are none")
    await _look_up(patient, routes)
    for key, name in routes:
        subject, tried = f"{key} {name}", _tried(name)
        steps: list[Step] = []
        try:
            trial = trial_of(patient.settings, tried, key, "", "")
            holds = await walk(trial, patient.bindings, steps.append, patient.lookups.of(trial.settings))
        except Fault as why:
            yield fault(subject, str(why), f"./mailroot smarthost test {tried}")
            continue
        yield _walked(subject, holds, steps)


async def _look_up(patient: Patient, routes: list[tuple[str, str]]) -> None:
    """Look all smart hosts up at once: where no answer comes, one after the other would take minutes."""
    asked: list[Awaitable[object]] = []
    for key, name in routes:
        with contextlib.suppress(Fault):  # the walk tells
            trial = trial_of(patient.settings, _tried(name), key, "", "")
            names = [one.host for one in trial.route.smart_hosts if literal_address(one.host) is None]
            asked += [patient.lookups.of(trial.settings).addresses(each) for each in names]
    await asyncio.gather(*asked)


def _routes(patient: Patient) -> Iterator[tuple[str, str]]:
    for key, server in patient.settings.servers.items():
        if server.delivery.smart_host:
            yield key, key
        for name, domain in server.domains.items():
            if domain.type is DomainType.REMOTE and domain.route:
                yield key, name


def _tried(name: str) -> str:
    """The name that is tried for an entry: one below it where the entry holds for such names alone."""
    return f"{_ANY_LABEL}{name[1:]}" if name.startswith("*.") else name


def _walked(subject: str, holds: bool, steps: list[Step]) -> Finding:
    broken = [step for step in steps if not step.holds]
    if holds and not broken:
        return ok(subject, steps[-1].said if steps else "mail would go out")
    last = broken[-1]
    said = " ".join(part for part in (f"{last.link}: {last.said}", last.reply) if part)
    mend = last.mend or "./mailroot smarthost test shows every link"
    return warning(subject, f"mail would go out, but {said}", mend) if holds else fault(subject, said, mend)


async def reach(patient: Patient) -> AsyncIterator[Finding]:
    """Whether servers of other domains can be reached, where mail goes to them."""
    known: dict[tuple[DnsResolver, int], Reach] = {}
    for key, server in patient.settings.servers.items():
        if not sends_directly(server):
            yield ok(key, "mail goes to the smart host alone")
            continue
        way = patient.lookups.of(server), server.delivery.port
        if way not in known:
            known[way] = await _reach(*way)
        said, mend = known[way]
        yield fault(key, said, mend) if mend else ok(key, said)


async def _reach(resolver: DnsResolver, port: int) -> Reach:
    tried: list[Reach] = []
    for domain in KNOWN_DOMAINS:
        said, mend = await _reached(resolver, domain, port)
        if not mend:
            return said, ""
        tried.append((said, mend))
    why = "; ".join(said for said, _ in tried)
    called = any(mend == _BLOCKED for _, mend in tried)
    return f"no server of other domains can be reached on port {port}: {why}", _BLOCKED if called else _UNKNOWN


async def _reached(resolver: DnsResolver, domain: str, port: int) -> Reach:
    exchangers = await resolver.exchangers(domain)
    names = [name for _, name in sorted(exchangers.records) if name][:2]
    found = await asyncio.gather(*(resolver.addresses(name) for name in names))
    why, mend = f"{domain} has no server that can be looked up", _UNKNOWN
    for address in [address for each in found for address in each.ipv4[:1]]:
        mend = _BLOCKED
        try:
            connection = await connect(address, port, _WAIT)
        except Unavailable as fault_:
            why = f"{domain} at {address}: {fault_}"
            continue
        (greeting,) = await connection.exchange(b"", 1, _WAIT)
        connection.stop("4.4.2", "the doctor has seen enough")
        if greeting.positive:
            return f"{domain} answers at {address}: {greeting.text[:60]}", ""
        why = f"{domain} at {address}: {greeting.text}"
    return why, mend
