"""A directory as routing asks it: questions in, entries out. What went wrong is in the answer."""

from collections.abc import Callable
from typing import Protocol

from mailroot.edge.ldap.binding import bind, identity_of
from mailroot.edge.ldap.lines import Lines
from mailroot.edge.ldap.places import Approach, Finder, reach
from mailroot.edge.tls.outgoing import ClientTls
from mailroot.mail.faults import ConnectionLost, Fault, Misconfigured, Unavailable
from mailroot.routing.answers import Addresses, Services
from mailroot.routing.directory.entry import Entry, read_entry
from mailroot.routing.directory.questions import Answer, ByName, NoAnswer, Question, search_of
from mailroot.routing.directory.schemas import schema_of
from mailroot.settings.ldap import LdapRouting
from mailroot.settings.ldapchecks import domain_of
from mailroot.wire.ldap.ber import tlv
from mailroot.wire.ldap.messages import Code, Found, Result, Scope, Search

_ANYTHING = tlv(0x87, b"objectClass")
# Active Directory gives 1,500 values of an attribute at a time (MaxValRange); a group of a million ends here.
_MOST_RANGES = 1_000
_THERE = {Code.SUCCESS, Code.SIZE_LIMIT}
# What a name leads to that is gone, is no name, or is in another directory: nothing that mail can go to.
_NOT_THERE = {Code.NO_OBJECT, Code.BAD_NAME, Code.REFERRAL}


class DnsQuestions(Protocol):
    """What is asked of DNS for a directory. Never raises."""

    async def services(self, name: str) -> Services:
        """The SRV records of a service."""

    async def addresses(self, name: str) -> Addresses:
        """The addresses of a host."""


class LdapDirectory:
    """The directory of one virtual server's settings. `moment` gives seconds. Belongs to one event loop."""

    def __init__(self, routing: LdapRouting, dns: DnsQuestions, moment: Callable[[], float]) -> None:
        self._schema = schema_of(routing)
        self._base = routing.base
        wait = routing.timeout.total_seconds()
        self._seconds = max(1, int(wait))
        self.finder = Finder(routing.servers, domain_of(routing), dns.services, dns.addresses)
        self.approach = Approach(routing.tls, routing.ca_file, identity_of(routing), wait, ClientTls())
        self.lines = Lines(self.finder.places, self.approach, routing.connections, moment)

    async def ask(self, question: Question) -> Answer:
        """The entries that a question leads to. Never raises."""
        if isinstance(question, ByName) and not question.dn:
            return ()  # the name of the directory itself
        try:
            asked = search_of(question, self._schema, await self._known_base(), self._seconds)
            found, result, server = await self.lines.search(asked)
            if result.code in _THERE:
                return tuple([await self._entry(one) for one in found])
        except Fault as fault:
            return NoAnswer(str(fault))
        if isinstance(question, ByName) and result.code in _NOT_THERE:
            return ()
        return NoAnswer(f"{server}: {_words(result, asked.base)}")

    async def check(self) -> str:
        """Why the directory cannot be asked now; "" where it can."""
        try:
            base = await self._known_base()
            _, result, server = await self.lines.search(Search(base, Scope.BASE, _ANYTHING, ("1.1",), 1, self._seconds))
        except Fault as fault:
            return str(fault)
        return "" if result.code in _THERE else f"{server}: {_words(result, base)}"

    async def admits(self, dn: str, password: str) -> bool:
        """Whether the directory lets this entry sign in with this password. Raises `Unavailable`.

        It is asked on a connection of its own, which is encrypted as the settings have it.
        """
        if not dn or not password:  # RFC 4513 section 5.1.2: without a password everybody may, as nobody
            return False
        faults = []
        for place in await self.finder.places():
            try:
                line = await reach(place, self.approach)
            except (Unavailable, Misconfigured) as fault:
                faults.append(str(fault))
                continue
            try:
                await bind(line, dn, password, self.approach.wait)
            except Misconfigured:
                return False
            except ConnectionLost as fault:
                faults.append(f"{place.server}: {fault}")
            else:
                return True
            finally:
                line.close()
        raise Unavailable("; ".join(faults))

    def close(self) -> None:
        """End all connections."""
        self.lines.close()

    async def _known_base(self) -> str:
        """The base of the settings; without one, what the directory calls its own ([MS-ADTS] section 3.1.1.3.2.3)."""
        if not self._base:
            root = Search("", Scope.BASE, _ANYTHING, ("defaultNamingContext", "namingContexts"), 1, self._seconds)
            found, result, server = await self.lines.search(root)
            values = found[0].attributes if found else {}
            names = values.get("defaultnamingcontext") or values.get("namingcontexts") or ()
            if result.code != Code.SUCCESS or not names:
                raise Unavailable(f"{server}: it does not tell where its search begins; write ldap_routing.base")
            self._base = names[0].decode(errors="replace")
        return self._base

    async def _entry(self, found: Found) -> Entry:
        values = dict(found.attributes)
        for name in [name for name in values if ";range=" in name]:
            values[name.partition(";")[0]] = await self._whole(found.dn, name, values.pop(name))
        return read_entry(found.dn, values, self._schema)

    async def _whole(self, dn: str, name: str, values: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """All values of an attribute of which the directory gave a range ([MS-ADTS] section 3.1.1.3.1.3.3)."""
        attribute, whole = name.partition(";")[0], list(values)
        for _ in range(_MOST_RANGES):
            if name.endswith("-*"):
                break
            asked = f"{attribute};range={len(whole)}-*"
            found, result, server = await self.lines.search(
                Search(dn, Scope.BASE, _ANYTHING, (asked,), 1, self._seconds)
            )
            if result.code != Code.SUCCESS or not found:
                raise Unavailable(f"{server}: the members of {dn} cannot be read to the end")
            more = [pair for pair in found[0].attributes.items() if pair[0].startswith(f"{attribute};range=")]
            if not more or not more[0][1]:
                break
            name = more[0][0]
            whole += more[0][1]
        return tuple(whole)


def _words(result: Result, base: str) -> str:
    """Why a search gave nothing, for an operator."""
    text = f": {result.text}" if result.text else ""
    match result.code:
        case Code.NO_OBJECT:
            return f"there is no {base} to search in{text}"
        case Code.REFERRAL:
            where = ", ".join(result.referrals)
            return f"it refers us to another directory, and referrals are not followed ({where or 'it names none'})"
        case Code.INSUFFICIENT_ACCESS:
            return f"the account may not read {base}{text}"
        case _:
            return f"it did not answer (result {result.code}){text}"
