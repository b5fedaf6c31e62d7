"""What the domain name system said, as values. `edge.dns` makes them."""

import enum
from dataclasses import dataclass


class Finding(enum.Enum):
    """How a look-up ended."""

    FOUND = "found"
    NO_RECORDS = "the name exists, but has no such records"
    NO_NAME = "the name does not exist"
    FAILED = "no answer could be had; later there may be one"


@dataclass(frozen=True, slots=True)
class MailExchangers:
    """The MX records of a domain: (preference, name without a trailing dot). `detail` says why a look-up failed."""

    finding: Finding
    records: tuple[tuple[int, str], ...] = ()
    detail: str = ""

    @property
    def null(self) -> bool:
        """Whether the domain says that it takes no mail (RFC 7505 section 3): one record, the root."""
        return len(self.records) == 1 and self.records[0][1] == ""


@dataclass(frozen=True, slots=True)
class Pointers:
    """The names in the PTR records of an address, without a trailing dot. `detail` says why a look-up failed."""

    finding: Finding
    names: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Addresses:
    """The A and AAAA records of a host. `detail` says why a look-up failed."""

    finding: Finding
    ipv4: tuple[str, ...] = ()
    ipv6: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Services:
    """The SRV records of a service (RFC 2782): host and port, in the order in which they are to be tried."""

    finding: Finding
    hosts: tuple[tuple[str, int], ...] = ()
    detail: str = ""
