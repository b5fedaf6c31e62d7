"""The client of a session, as far as decisions look at it."""

import functools
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Client:
    """Facts about a connected client. `user` is the authenticated account, "" while it is anonymous."""

    address: Address
    user: str = ""
    tls: bool = False


@functools.lru_cache(maxsize=4096)
def client_address(text: str) -> Address:
    """An address as rules compare it: an IPv4 client that came over an IPv6 socket is an IPv4 client.

    A zone ("%eth0") is dropped: lists name addresses, not interfaces. Raises `ValueError` for what is no address.
    """
    address = ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
