"""From the domain name system's answers to the hosts that may take a domain's mail, in order (RFC 5321 section 5.1).

Not responsible for asking (`edge.dns`) or for connecting. Random numbers and what we know of our own addresses come in.
"""

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mailroot.mail.address import domain_key
from mailroot.mail.status import Disposition, Status
from mailroot.routing.answers import Addresses, Finding, MailExchangers

# RFC 5321 section 5.1 asks for at least two addresses; more than these only keep a dead destination busy.
HOST_LIMIT = 10
# Names whose addresses are asked for.
NAME_LIMIT = 10


@dataclass(frozen=True, slots=True)
class Host:
    """One address to connect to. `name` is the host's name; the address in brackets where it has none."""

    name: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Exchanger:
    """A name that takes a domain's mail. Lower preferences come first."""

    preference: int
    name: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What we know of ourselves: our name, the addresses and ports that are ours, and whether private ones may be used.

    `is_local` tells whether an address belongs to this machine. `is_bound` tells whether address and port are a
    listener of ours.
    """

    fqdn: str
    is_local: Callable[[str], bool]
    is_bound: Callable[[str, int], bool]
    private_exchangers: bool = False


def exchangers_of(domain: str, answer: MailExchangers, random: Callable[[], float]) -> tuple[Exchanger, ...] | Status:
    """The names to ask, best first, equals in random order; a status where the domain cannot have any.

    Without MX records the domain itself is its exchanger; with any, never.
    """
    match answer.finding:
        case Finding.NO_NAME:
            return _failed("5.1.2", f"The domain {domain} does not exist.")
        case Finding.FAILED:
            return _delayed("4.4.3", f"The exchangers of {domain} could not be looked up: {answer.detail}.")
        case Finding.NO_RECORDS:
            return (Exchanger(0, domain),)
        case Finding.FOUND:
            pass
    if answer.null:
        # RFC 7505 section 3.
        return _failed("5.1.10", f"The domain {domain} takes no mail.")
    # The root among other records is a mistake of the domain's owner (RFC 7505 section 3), and never a host.
    usable = [Exchanger(preference, name) for preference, name in answer.records if name]
    usable.sort(key=lambda exchanger: (exchanger.preference, random()))
    return tuple(usable[:NAME_LIMIT])


def hosts_of(
    domain: str, exchangers: Sequence[Exchanger], addresses: Mapping[str, Addresses], ours: Surroundings, port: int
) -> tuple[Host, ...] | Status:
    """The addresses to try, in order; a status where none is left.

    If we are an exchanger ourselves, only better ones are asked, or mail would go round in circles.
    """
    own = [one.preference for one in exchangers if _is_ourselves(one, addresses[one.name], ours, port)]
    better = [one for one in exchangers if not own or one.preference < min(own)]
    if not better:
        return _failed("5.4.6", f"The mail exchanger of {domain} is this server, which does not serve the domain.")
    hosts = [host for one in better for host in hosts_at(one.name, addresses[one.name], port)]
    allowed = [host for host in hosts if _is_allowed(host, ours)]
    if allowed:
        return tuple(allowed[:HOST_LIMIT])
    if hosts:
        return _failed("5.4.4", f"The mail exchangers of {domain} have only addresses that no mail may be sent to.")
    return _unreachable(domain, [addresses[one.name] for one in better])


def hosts_at(name: str, found: Addresses, port: int) -> tuple[Host, ...]:
    """A host's addresses, both families in turn; IPv4 first, for which more senders have a reverse name."""
    turns: list[Host] = []
    for place in range(max(len(found.ipv4), len(found.ipv6))):
        turns += [
            Host(name, address, port) for family in (found.ipv4, found.ipv6) for address in family[place : place + 1]
        ]
    return tuple(turns)


def smart_host_of(name: str, found: Addresses, ours: Surroundings, port: int) -> tuple[Host, ...] | Status:
    """The addresses of a smart host; a status where there are none.

    A smart host that cannot be found is the operator's to mend, so its mail waits.
    """
    hosts = hosts_at(name, found, port)
    outside = tuple(host for host in hosts if not ours.is_bound(host.address, host.port))
    if outside:
        return outside[:HOST_LIMIT]
    if hosts:
        return _failed("5.4.6", f"The smart host {name} is this server itself.")
    reason = found.detail or found.finding.value
    return _delayed("4.4.3", f"The smart host {name} has no address: {reason}.")


def literal_address(text: str) -> str | None:
    """The address that a literal holds: "[192.0.2.1]", "[IPv6:::1]", "[::1]" or a bare address; None for a name."""
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if inner[:5].lower() == "ipv6:":
        inner = inner[5:]
    try:
        return str(ipaddress.ip_address(inner))
    except ValueError:
        return None


def literal_addresses(address: str) -> Addresses:
    """The answer for a host that is its own address."""
    if ":" in address:
        return Addresses(Finding.FOUND, ipv6=(address,))
    return Addresses(Finding.FOUND, ipv4=(address,))


def _is_ourselves(exchanger: Exchanger, found: Addresses, ours: Surroundings, port: int) -> bool:
    if domain_key(exchanger.name) == domain_key(ours.fqdn):
        return True
    every = (*found.ipv4, *found.ipv6)
    if any(ours.is_bound(address, port) for address in every):
        return True
    if ours.private_exchangers:
        return False
    return any(ours.is_local(address) and not ipaddress.ip_address(address).is_loopback for address in every)


def _is_allowed(host: Host, ours: Surroundings) -> bool:
    """Whether a stranger's MX record may send us there."""
    if ours.is_bound(host.address, host.port):
        return False
    if ours.private_exchangers:
        return True
    address = ipaddress.ip_address(host.address)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_global and not address.is_multicast and not ours.is_local(host.address)


def _unreachable(domain: str, found: Sequence[Addresses]) -> Status:
    failed = next((one for one in found if one.finding is Finding.FAILED), None)
    if failed is not None:
        return _delayed("4.4.3", f"The mail exchangers of {domain} could not be looked up: {failed.detail}.")
    return _failed("5.4.4", f"The mail exchangers of {domain} have no address.")


def _failed(code: str, reason: str) -> Status:
    return Status(Disposition.FAILED, code, reason)


def _delayed(code: str, reason: str) -> Status:
    return Status(Disposition.DELAYED, code, reason)
