"""A directory tried step by step, as the service would use it: by the settings, whether the service runs or not."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from mailroot.edge.ldap.directory import LdapDirectory
from mailroot.edge.ldap.places import Place, call
from mailroot.mail.address import Mailbox, domain_key
from mailroot.mail.faults import Fault, Misconfigured
from mailroot.routing.directory.questions import Answer, NoAnswer, Question
from mailroot.routing.directory.resolve import Outcome, Resolution, resolve, terms_of
from mailroot.service.resolve.building import source_of
from mailroot.settings.service import Settings
from mailroot.settings.virtualserver import VirtualServer

# Of a large group the first questions are shown; the others are asked side by side.
_SHOWN_QUESTIONS, _AT_ONCE = 20, 200


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it is, whether it holds, what is to be known; for one that broke, the mend."""

    link: str
    holds: bool
    said: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried: the directory of a virtual server, for an address."""

    server: str
    settings: VirtualServer
    address: Mailbox

    @property
    def plan(self) -> str:
        """The first line that people read."""
        routing = self.settings.ldap_routing
        where = ", ".join(str(server) for server in routing.servers) or "found by DNS"
        off = "" if routing.enabled else " LDAP routing is not enabled: mail goes on without it."
        return (
            f"The server {self.server} asks a directory ({where}; {routing.schema.value}) about {self.address}; "
            f'binding = "{routing.binding.value}", tls = "{routing.tls.value}".{off}'
        )


def trial_of(settings: Settings, address: str, server: str) -> Trial:
    """What is to be tried. Raises `Misconfigured` where it cannot be."""
    if server and server not in settings.servers:
        raise Misconfigured(f"there is no virtual server {server}; there are {', '.join(settings.servers)}")
    routed = [key for key, one in settings.servers.items() if one.ldap_routing.enabled]
    key = server or next(iter(routed or settings.servers))
    local, at, domain = address.rpartition("@")
    if not at:
        local, domain = address, terms_of(settings.servers[key].domains, 0, refuse_disabled=True).homes[0]
    if not local or not domain:
        raise Misconfigured(f"{address!r} is no address; write one such as user@example.com")
    return Trial(key, settings.servers[key], Mailbox(local, domain))


async def walk(trial: Trial, tell: Callable[[Step], None]) -> Resolution:
    """Reach every server, then ask about the address; each step is told when it is known."""
    source = source_of(trial.settings)
    try:
        if not await _reached(source, tell):
            return Resolution(trial.address, Outcome.WAITING, cause="no server of the directory can be asked")
        return await _resolved(trial, source, tell)
    finally:
        source.close()


async def _reached(source: LdapDirectory, tell: Callable[[Step], None]) -> bool:
    """Whether a server can be asked. All are tried: one that only stands by should be sound too."""
    try:
        places = await source.finder.places()
    except Fault as fault:
        tell(Step("DNS", False, f"{fault}.", "name the servers in ldap_routing.servers, or check ldap_routing.domain"))
        return False
    reached = [await _reachable(source, place, tell) for place in places]
    return any(reached)


async def _reachable(source: LdapDirectory, place: Place, tell: Callable[[Step], None]) -> bool:
    steps: list[str] = []
    try:
        line = await call(place, source.approach, steps.append)
    except Fault as fault:
        for said in steps:
            tell(Step(str(place.server), True, said))
        tell(Step(str(place.server), False, f"{fault}.", _mend(str(fault))))
        return False
    line.close()
    tell(Step(str(place.server), True, "; ".join(steps)))
    return True


async def _resolved(trial: Trial, source: LdapDirectory, tell: Callable[[Step], None]) -> Resolution:
    routing = trial.settings.ldap_routing
    terms = terms_of(trial.settings.domains, routing.group_limit, routing.refuse_disabled)
    conversation = resolve(Mailbox(trial.address.local, domain_key(trial.address.domain)), terms)
    asked = 0
    try:
        questions = next(conversation)
        while True:
            shown = max(0, _SHOWN_QUESTIONS - asked)
            answers = [await _asked(source, question, tell) for question in questions[:shown]]
            for start in range(shown, len(questions), _AT_ONCE):
                answers += await asyncio.gather(*map(source.ask, questions[start : start + _AT_ONCE]))
            asked += len(questions)
            questions = conversation.send(answers)
    except StopIteration as end:
        found: Resolution = end.value
        return found


async def _asked(source: LdapDirectory, question: Question, tell: Callable[[Step], None]) -> Answer:
    began = time.monotonic()
    answer = await source.ask(question)
    took = f"({(time.monotonic() - began) * 1000:.0f} ms)"
    if isinstance(answer, NoAnswer):
        tell(Step("question", False, f"{question} No answer: {answer.cause} {took}", _mend(answer.cause)))
    else:
        said = "; ".join(entry.dn for entry in answer) or "nobody"
        tell(Step("question", True, f"{question} {said} {took}"))
    return answer


# What to do about a fault, by words that are in it; the first that fits.
_MENDS = (
    ("name cannot be looked up", "check how the server's name is written in ldap_routing.servers"),
    ("user name or the password", "check ldap_routing.username, domain and password"),
    ("inside TLS", 'write tls = "off", since Kerberos seals everything itself, or binding = "plain-text"'),
    ("wants an encrypted connection", 'write tls = "verify", or use ldaps://'),
    ("does not offer StartTLS", 'give the directory a certificate, or write tls = "off" where nobody can listen'),
    ("TLS failed", "have the certificate mended, or name its authority in ldap_routing.ca_file"),
    ("in order to perform this operation", 'the directory answers nobody anonymous: write binding = "windows"'),
    ("there is no ", "check ldap_routing.base"),
    ("refers us", "check ldap_routing.base, or name a server that has it"),
    ("no gssapi", "./mailroot needs Debian's python3-gssapi, or gssapi by pip, for this binding"),
    ("Kerberos", "check the clock, the KDC, and that the server is named as its service principal is"),
    ("connection", "check name and port, and whether a firewall lets us through; 389 and 636 are usual"),
)


def _mend(fault: str) -> str:
    lowered = fault.lower()
    return next((mend for words, mend in _MENDS if words.lower() in lowered), "")
