"""The ways out: names of other domains, smart hosts, and servers on the internet."""

from collections.abc import AsyncIterator, Iterator

from mailroot.edge.outgoing import connect
from mailroot.mail.faults import Fault, Unavailable
from mailroot.routing.answers import Finding as Found
from mailroot.service.doctor.finding import Finding, Patient, fault, ok, warning
from mailroot.service.doctor.identity import resolver_of
from mailroot.service.relay.trial import Step, trial_of, walk
from mailroot.settings.domains import DomainType
from mailroot.settings.virtualserver import VirtualServer

# Domains whose servers are always there. They are looked up and greeted; no mail is sent.
KNOWN_DOMAINS = ("gmail.com", "outlook.com")
_WAIT = 10.0
# It stands for all names below a domain; no table has an entry of its own for it.
_ANY_LABEL = "any-domain"
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
        resolver = resolver_of(server)
        try:
            answers = [await resolver.exchangers(domain) for domain in KNOWN_DOMAINS]
        finally:
            await resolver.close()
        failed = [answer for answer in answers if answer.finding is not Found.FOUND]
        if len(failed) == len(answers):
            why = failed[0].detail or failed[0].finding.value
            yield fault(key, f"{asked}: {why}", "see /etc/resolv.conf, or set delivery.dns to resolvers that answer")
        else:
            yield ok(key, f"{asked}: exchangers of other domains are found")


async def smart_hosts(patient: Patient) -> AsyncIterator[Finding]:
    """Every smart host, as `mailroot smarthost test` walks to it."""
    found = False
    for key, name in _routes(patient):
        found = True
        subject, tried = f"{key} {name}", _tried(name)
        steps: list[Step] = []
        try:
            holds = await walk(trial_of(patient.settings, tried, key, "", ""), patient.bindings, steps.append)
        except Fault as why:
            yield fault(subject, str(why), f"./mailroot smarthost test {tried}")
            continue
        yield _walked(subject, holds, steps)
    if not found:
        yield ok("smart hosts", "there are none")


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
    for key, server in patient.settings.servers.items():
        if not sends_directly(server):
            yield ok(key, "mail goes to the smart host alone")
            continue
        port, tried = server.delivery.port, []
        for domain in KNOWN_DOMAINS:
            said, reached = await _reached(server, domain)
            tried.append(said)
            if reached:
                break
        if reached:
            yield ok(key, tried[-1])
        else:
            yield fault(key, f"no server of other domains can be reached on port {port}: {'; '.join(tried)}", _BLOCKED)


async def _reached(server: VirtualServer, domain: str) -> tuple[str, bool]:
    resolver = resolver_of(server)
    try:
        exchangers = await resolver.exchangers(domain)
        names = [name for _, name in sorted(exchangers.records) if name][:2]
        addresses = [address for name in names for address in (await resolver.addresses(name)).ipv4[:1]]
    finally:
        await resolver.close()
    why = f"{domain} has no server that can be looked up"
    for address in addresses:
        try:
            connection = await connect(address, server.delivery.port, _WAIT)
        except Unavailable as fault_:
            why = f"{domain} at {address}: {fault_}"
            continue
        (greeting,) = await connection.exchange(b"", 1, _WAIT)
        connection.stop("4.4.2", "the doctor has seen enough")
        if greeting.positive:
            return f"{domain} answers at {address}: {greeting.text[:60]}", True
        why = f"{domain} at {address}: {greeting.text}"
    return why, False
