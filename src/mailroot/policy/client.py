"""The client of a session, as far as decisions look at it."""

import enum
import functools
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address


class NameFinding(enum.Enum):
    """How the search for the names of a client's address ended."""

    NOT_ASKED = "its name was not looked up"
    NO_NAME = "no PTR record"
    UNWANTED = "another PTR record"
    UNCONFIRMED = "PTR not confirmed"
    CONFIRMED = "PTR confirmed"
    FAILED = "look-up failed"


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a client's address, in the form in which domains are compared.

    `claimed` is what the owner of the address says in its PTR records, who may say anything. `confirmed` are those of
    them that were of interest, and whose own addresses include the client's. `detail` says why a look-up failed.
    """

    finding: NameFinding
    confirmed: tuple[str, ...] = ()
    claimed: tuple[str, ...] = ()
    detail: str = ""

    @property
    def asked(self) -> bool:
        """Whether names were searched for at all."""
        return self.finding is not NameFinding.NOT_ASKED

    @property
    def failed(self) -> bool:
        """Whether the search could not be made, and might find something later."""
        return self.finding is NameFinding.FAILED

    def __str__(self) -> str:
        said = self.detail if self.failed else ", ".join(self.confirmed or self.claimed[:3])
        return f"{self.finding.value}: {said}" if said else self.finding.value


NOT_ASKED = Names(NameFinding.NOT_ASKED)


@dataclass(frozen=True, slots=True)
class Client:
    """Facts about a connected client. `user` is the authenticated account, "" while it is anonymous."""

    address: Address
    user: str = ""
    tls: bool = False
    names: Names = NOT_ASKED


@functools.lru_cache(maxsize=4096)
def client_address(text: str) -> Address:
    """An address as rules compare it: an IPv4 client that came over an IPv6 socket is an IPv4 client.

    A zone ("%eth0") is dropped: lists name addresses, not interfaces. Raises `ValueError` for what is no address.
    """
    address = ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
