"""Mailboxes, and how two of them are compared.

Not responsible for parsing what a client sent (`wire.grammar`) or for deciding what an address means (`policy`).
"""

import functools
from dataclasses import dataclass

import idna


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox as it was written (RFC 5321 section 4.1.2).

    `local` keeps its quotes and its case. `domain` keeps its case and has no trailing dot; it is "" for an address
    without a domain, and "[192.0.2.1]" or "[IPv6:::1]" for an address literal.
    """

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}" if self.domain else self.local

    @property
    def domain_key(self) -> str:
        """The domain in the form in which domains are compared."""
        return domain_key(self.domain)

    @property
    def ascii(self) -> bool:
        """Whether the address needs no SMTPUTF8 (RFC 6531)."""
        return self.local.isascii() and self.domain.isascii()

    def at(self, domain: str) -> "Mailbox":
        """The same local part at another domain."""
        return Mailbox(self.local, domain)


@functools.lru_cache(maxsize=4096)
def domain_key(domain: str) -> str:
    """A domain as it is compared: lower case, A-labels, no trailing dot (RFC 5890 section 2.3.2.4).

    A domain that has no A-label form is compared by its lower case, so that it still equals itself.
    """
    lowered = domain.rstrip(".").lower()
    if lowered.isascii():
        return lowered
    try:
        return idna.encode(lowered, uts46=True).decode("ascii")
    except idna.IDNAError:
        return lowered
