"""The table of a virtual server's domains: exact names first, then the longest `*.` suffix (facts 1.7)."""

from collections.abc import Mapping
from typing import NamedTuple

from mailroot.mail.address import domain_key
from mailroot.settings.domains import Domain, DomainType


class Match(NamedTuple):
    """An entry of the table and its name as it stands in the settings."""

    name: str
    domain: Domain


class DomainTable:
    """Finds the entry of a domain in time that does not depend on the number of entries.

    `*.example.com` holds for a.example.com and a.b.example.com, not for example.com itself.
    """

    def __init__(self, domains: Mapping[str, Domain]) -> None:
        self._exact: dict[str, Match] = {}
        self._below: dict[str, Match] = {}
        self._former: dict[str, Match] = {}
        for name, domain in domains.items():
            if name.startswith("*."):
                self._below[domain_key(name[2:])] = Match(name, domain)
            else:
                self._exact[domain_key(name)] = Match(name, domain)
            self._former |= {domain_key(former): Match(name, domain) for former in domain.former}
        self.default = next(
            (match.name for match in self._exact.values() if match.domain.type is DomainType.DEFAULT), ""
        )

    def find(self, domain: str) -> Match | None:
        """The entry for a domain name, in any spelling; None where no entry holds."""
        key = domain_key(domain)
        found = self._exact.get(key)
        if found is not None or not self._below:
            return found
        return self._find_below(key)

    def find_waiting(self, domain: str) -> Match | None:
        """The entry that counts for mail that was taken before: as `find`, and under a local domain's former name."""
        key = domain_key(domain)
        return self._exact.get(key) or self._former.get(key) or self._find_below(key)

    def _find_below(self, key: str) -> Match | None:
        _, _, rest = key.partition(".")
        while rest:
            if rest in self._below:
                return self._below[rest]
            _, _, rest = rest.partition(".")
        return None
