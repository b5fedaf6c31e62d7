"""The domain name system: questions about mail exchangers, addresses and the names of addresses, with a cache.

Never raises: what went wrong is in the answer. dnspython chooses ids at random, the system the source ports, and a
truncated answer is asked for again over TCP.
"""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver
import dns.reversename
import dns.rrset

from mailroot.mail.address import domain_key
from mailroot.routing.answers import Addresses, Finding, MailExchangers, Pointers, Services

# Seconds for one question of a delivery.
_LIFETIME = 15.0
# A TTL of nought would ask for every message, and one of a year would outlive every mistake.
_SHORTEST, _LONGEST = 5.0, 86_400.0
# RFC 2308 section 5 asks for no more than a few hours for "there is none"; mail should notice sooner.
_LONGEST_NEGATIVE = 900.0
# How long "no answer could be had" is believed.
_FAILED = 5.0
_ANSWERS = 20_000
# More records than these are of no use to a sender, and a burden.
_RECORDS = 50


@dataclass(frozen=True, slots=True)
class _Records:
    """The records of one type, as text: "10 mail.example" for MX."""

    finding: Finding
    texts: tuple[str, ...] = ()
    ttl: float = 0.0
    detail: str = ""


_Question: TypeAlias = tuple[str, str]


class DnsResolver:
    """Asks the given servers, (address, port), or the machine's own where there are none.

    `moment` gives seconds of a clock that never goes back. A question may take `lifetime` seconds, all servers and
    repetitions together, and an answer is believed for `longest` at most. Belongs to one event loop.
    """

    def __init__(
        self,
        servers: Sequence[tuple[str, int]],
        moment: Callable[[], float],
        lifetime: float = _LIFETIME,
        longest: float = _LONGEST,
        asked: Callable[[], None] = lambda: None,
    ) -> None:
        self._resolver = _resolver(servers)
        self._resolver.lifetime = lifetime
        self._longest = longest
        self._tell_asked = asked
        self._moment = moment
        self._cache: OrderedDict[_Question, tuple[float, _Records]] = OrderedDict()
        self._asked: dict[_Question, asyncio.Task[_Records]] = {}

    async def exchangers(self, domain: str) -> MailExchangers:
        """The MX records of a domain."""
        records = await self._records(domain_key(domain), "MX")
        pairs = (text.split(" ") for text in records.texts)
        exchangers = tuple((int(preference), name) for preference, name in pairs)
        return MailExchangers(records.finding, exchangers, records.detail)

    async def addresses(self, name: str) -> Addresses:
        """The A and AAAA records of a host, asked for at the same time."""
        key = domain_key(name)
        ipv4, ipv6 = await asyncio.gather(self._records(key, "A"), self._records(key, "AAAA"))
        if ipv4.texts or ipv6.texts:
            return Addresses(Finding.FOUND, ipv4.texts, ipv6.texts)
        # One family's failure leaves open whether there are addresses.
        worst = ipv6 if ipv6.finding is Finding.FAILED or ipv4.finding is Finding.NO_RECORDS else ipv4
        worst = ipv4 if ipv4.finding is Finding.FAILED else worst
        return Addresses(worst.finding, detail=worst.detail)

    async def pointers(self, address: str) -> Pointers:
        """The names of an address, from its PTR records; CNAMEs of shared zones are followed (RFC 2317)."""
        name = dns.reversename.from_address(address).to_text(omit_final_dot=True)
        records = await self._records(name, "PTR")
        return Pointers(records.finding, records.texts, records.detail)

    async def services(self, name: str) -> Services:
        """The SRV records of a service, such as _ldap._tcp.example.com."""
        records = await self._records(domain_key(name), "SRV")
        rows = [text.split(" ") for text in records.texts]
        # RFC 2782: lower priorities first; among equals, the heavier ones first more often.
        rows.sort(key=lambda row: (int(row[0]), -random.random() * (int(row[1]) + 1)))  # noqa: S311 - no secret
        hosts = tuple((row[3], int(row[2])) for row in rows if row[3])
        return Services(records.finding, hosts, records.detail)

    async def addresses_like(self, name: str, address: str) -> Addresses:
        """The addresses of a host that are of the same family as this one."""
        ipv6 = ":" in address
        records = await self._records(domain_key(name), "AAAA" if ipv6 else "A")
        texts = records.texts
        return Addresses(records.finding, () if ipv6 else texts, texts if ipv6 else (), records.detail)

    async def close(self) -> None:
        """End what is still being asked."""
        tasks = list(self._asked.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _records(self, name: str, kind: str) -> _Records:
        question = (name, kind)
        kept = self._cache.get(question)
        if kept is not None and self._moment() < kept[0]:
            return kept[1]
        task = self._asked.get(question)
        if task is None:
            task = self._asked[question] = asyncio.create_task(self._ask(question), name=f"dns {name} {kind}")
            task.add_done_callback(lambda _: self._asked.pop(question, None))
        # The question is shared: who gives up waiting does not end it for the others.
        return await asyncio.shield(task)

    async def _ask(self, question: _Question) -> _Records:
        self._tell_asked()
        records = await _query(self._resolver, *question)
        self._cache[question] = (self._moment() + min(records.ttl, self._longest), records)
        self._cache.move_to_end(question)
        if len(self._cache) > _ANSWERS:
            self._cache.popitem(last=False)
        return records


def _resolver(servers: Sequence[tuple[str, int]]) -> dns.asyncresolver.Resolver:
    if not servers:
        try:
            resolver = dns.asyncresolver.Resolver()
        except dns.resolver.NoResolverConfiguration:
            # Each question fails then, and says so; a machine without a network still delivers to Drop.
            resolver = dns.asyncresolver.Resolver(configure=False)
    else:
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = [dns.nameserver.Do53Nameserver(address, port) for address, port in servers]
    # Ours keeps negative answers too, and has a limit.
    resolver.cache = None
    return resolver


async def _query(resolver: dns.asyncresolver.Resolver, name: str, kind: str) -> _Records:
    try:
        answer = await resolver.resolve(dns.name.from_text(name), kind, raise_on_no_answer=False, search=False)
    except dns.resolver.NXDOMAIN as none:
        return _Records(
            Finding.NO_NAME,
            ttl=min(
                (
                    _negative_ttl(each)
                    for each in none.responses().values()  # type: ignore[no-untyped-call]
                ),
                default=60,
            ),
        )
    except (dns.exception.DNSException, OSError, ValueError) as fault:
        return _Records(Finding.FAILED, ttl=_FAILED, detail=_told(fault, resolver.lifetime))
    if answer.rrset is None:
        return _Records(Finding.NO_RECORDS, ttl=_negative_ttl(answer.response))
    texts = _texts(answer.rrset, kind)
    return _Records(Finding.FOUND, texts, min(max(float(answer.rrset.ttl), _SHORTEST), _LONGEST))


def _told(fault: Exception, lifetime: float) -> str:
    """Why there is no answer, in a short sentence that names each server once, however often it was asked."""
    tried = fault.kwargs.get("errors", ()) if isinstance(fault, dns.exception.DNSException) else ()
    # dnspython says Do53:192.0.2.1@53.
    outcomes = [(each[0].removeprefix("Do53:").replace("@", " port "), each[3]) for each in tried]
    silent = dict.fromkeys(name for name, outcome in outcomes if isinstance(outcome, dns.exception.Timeout))
    others = dict.fromkeys(f"{name}: {_word(outcome)}" for name, outcome in outcomes if name not in silent)
    if isinstance(fault, dns.exception.Timeout):
        limit = f"time-out: no answer within {lifetime:g} seconds"
        return "; ".join([f"{limit} from {' and '.join(silent)}" if silent else limit, *others])
    return "; ".join(others) or str(fault).split("\n", 1)[0].rstrip(".") or type(fault).__name__


def _word(outcome: object) -> str:
    return outcome.strerror or str(outcome) if isinstance(outcome, OSError) else str(outcome)


def _texts(rrset: dns.rrset.RRset, kind: str) -> tuple[str, ...]:
    # Servers turn the records of a set round: sorted, the same names are kept each time.
    texts = [_text(record, kind) for record in rrset]
    return tuple(sorted(texts) if kind == "PTR" else texts)[:_RECORDS]


def _text(record: object, kind: str) -> str:
    if kind == "PTR":
        return record.target.to_text(omit_final_dot=True).lower()  # type: ignore[attr-defined, no-any-return]
    if kind == "MX":
        name = record.exchange.to_text(omit_final_dot=True).lower()  # type: ignore[attr-defined]
        return f"{record.preference} {'' if name == '.' else name}"  # type: ignore[attr-defined]
    if kind == "SRV":
        name = record.target.to_text(omit_final_dot=True).lower()  # type: ignore[attr-defined]
        place = f"{record.priority} {record.weight} {record.port}"  # type: ignore[attr-defined]
        return f"{place} {'' if name == '.' else name}"
    return str(record.address)  # type: ignore[attr-defined]


def _negative_ttl(response: dns.message.Message) -> float:
    """How long "there is none" holds: the smaller of the SOA's TTL and its minimum (RFC 2308 section 5)."""
    for rrset in response.authority:
        if rrset.rdtype == dns.rdatatype.SOA:
            return min(max(float(min(rrset.ttl, rrset[0].minimum)), _SHORTEST), _LONGEST_NEGATIVE)
    return 60.0
