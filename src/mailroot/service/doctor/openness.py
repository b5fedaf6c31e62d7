"""Whether strangers could relay: the known tricks, by the rules for an outside address and on the running listener.

The rules are those of live mail (`service.explain`). The listener is tried from this machine, which may have rights
that strangers lack; so what it takes counts by what the rules say of this machine.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from mailroot.edge.outgoing import connect
from mailroot.mail.faults import Fault, Unavailable
from mailroot.routing.route import RelayRoute
from mailroot.service.doctor.finding import Finding, Patient, fault, ok, warning
from mailroot.service.explain.case import Case
from mailroot.service.explain.explained import explain
from mailroot.service.explain.ground import rules_for
from mailroot.service.rules import Rules

# RFC 5737 and RFC 3849: addresses that nobody has, so that no list can have them for a reason.
OUTSIDERS = ("203.0.113.77", "2001:db8::77")
_HERE = "127.0.0.1"
_WAIT = 5.0
_ELSEWHERE = "elsewhere.example"


@dataclass(frozen=True, slots=True)
class Trick:
    """A sender and a recipient, as they stand between `< >`, and what the trick is called."""

    name: str
    sender: str
    recipient: str


def tricks(fqdn: str, address: str, local: str) -> Iterator[Trick]:
    """Those that nmap's smtp-open-relay tries, and some more; `local` is a domain of the server."""
    literal, there, ours = f"[{address}]", _ELSEWHERE, f"spam@[{address}]"
    yield Trick("null sender", "", f"user@{there}")
    yield Trick("sender elsewhere", f"spam@{there}", f"user@{there}")
    yield Trick("sender here", f"spam@{fqdn}", f"user@{there}")
    yield Trick("sender of a local domain", f"spam@{local}", f"user@{there}")
    yield Trick("literal sender", ours, f"user@{there}")
    for domain in dict.fromkeys((literal, fqdn, local)):
        yield Trick("percent hack", ours, f"user%{there}@{domain}")
        yield Trick("two ats", ours, f"user@{there}@{domain}")
        yield Trick("quoted address", ours, f'"user@{there}"@{domain}')
        yield Trick("quoted percent", ours, f'"user%{there}"@{domain}')
        yield Trick("source route", ours, f"@{domain}:user@{there}")
        yield Trick("bang path", ours, f"{there}!user@{domain}")
        yield Trick("quoted bang path", ours, f'"{there}!user"@{domain}')
    yield Trick("quoted alone", ours, f'"user@{there}"')
    yield Trick("quoted percent alone", ours, f'"user%{there}"')
    yield Trick("bang path alone", ours, f"{there}!user")
    yield Trick("literal elsewhere", ours, "user@[192.0.2.1]")


async def check(patient: Patient) -> AsyncIterator[Finding]:
    """Each virtual server, by the rules and on its listener."""
    for key, server in patient.settings.servers.items():
        rules = rules_for(patient.settings, key)
        local = rules.domains.default or server.delivery.fqdn
        every = list(tricks(server.delivery.fqdn, "127.0.0.1", local))
        yield _by_rules(patient, rules, every)
        for binding in server.general.bindings:
            if str(binding) in patient.listeners(key):
                address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(binding.address, binding.address)  # noqa: S104
                yield await _by_trial(patient, rules, every, (address, binding.port))


def _by_rules(patient: Patient, rules: Rules, every: list[Trick]) -> Finding:
    """What strangers would get."""
    relayed: list[str] = []
    dropped: list[str] = []
    for client in OUTSIDERS:
        for trick in every:
            (outlook,) = explain(rules, Case(trick.sender, (trick.recipient,), client), patient.now).outlooks
            if outlook.taken:
                (relayed if isinstance(outlook.route, RelayRoute) else dropped).append(f"{trick.name} from {client}")
    subject = f"{rules.key} rules"
    if relayed:
        said = f"strangers may send to anybody through this server: {', '.join(dict.fromkeys(relayed))}"
        mend = f'set servers.{rules.key}.access.relay to mode "only" with the addresses that may'
        return fault(subject, said, mend)
    if dropped:
        said = f"taken into Drop, where scanners see an open relay: {', '.join(dict.fromkeys(dropped))}"
        return warning(subject, said, "./mailroot explain shows why; nothing of it leaves the machine")
    return ok(subject, f"{len(every)} tricks from {' and '.join(OUTSIDERS)} would all be refused")


async def _by_trial(patient: Patient, rules: Rules, every: list[Trick], place: tuple[str, int]) -> Finding:
    """What the listener does."""
    subject, beyond, taken = f"{rules.key} {place[0]} port {place[1]}", [], 0
    for trick in every:
        try:
            accepted = await _accepted(trick, place)
        except Unavailable as why:
            return warning(subject, f"it could not be tried: {why}", "see the check `ports`")
        if accepted is None:
            return warning(subject, "it does not let this machine in, so nothing could be tried", "see `ports`")
        taken += accepted
        if accepted and not _expected(patient, rules, trick, place[0]):
            beyond.append(trick.name)
    if beyond:
        said = f"it takes what the settings file refuses: {', '.join(dict.fromkeys(beyond))}"
        return fault(subject, said, "./mailroot settings reload, then try again")
    if taken:
        return ok(subject, f"{taken} of {len(every)} are taken from this machine, which has the right to relay")
    return ok(subject, f"{len(every)} tricks from this machine are all refused")


def _expected(patient: Patient, rules: Rules, trick: Trick, client: str) -> bool:
    try:
        (outlook,) = explain(rules, Case(trick.sender, (trick.recipient,), client), patient.now).outlooks
    except Fault:
        return False
    return outlook.taken


async def _accepted(trick: Trick, place: tuple[str, int]) -> bool | None:
    """Whether RCPT is answered with 2xx; None where the server did not let us in. No message is sent."""
    connection = await connect(*place, _WAIT)
    try:
        (greeting,) = await connection.exchange(b"", 1, _WAIT)
        if greeting.code != 220:
            return None
        for command in (b"EHLO doctor.invalid\r\n", f"MAIL FROM:<{trick.sender}>\r\n".encode()):
            (reply,) = await connection.exchange(command, 1, _WAIT)
            if not reply.positive:
                return False
        (reply,) = await connection.exchange(f"RCPT TO:<{trick.recipient}>\r\n".encode(), 1, _WAIT)
        return reply.positive
    finally:
        connection.stop("4.4.2", "the doctor has seen enough")
