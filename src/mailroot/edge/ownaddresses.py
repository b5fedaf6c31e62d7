"""Which addresses are this machine's own, and which of them we listen on."""

import ipaddress
import socket
from collections.abc import Callable, Sequence


def is_local(address: str) -> bool:
    """Whether an IP address belongs to this machine: only such a one can be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def is_bound_by(bindings: Sequence[tuple[str, int]]) -> Callable[[str, int], bool]:
    """The question whether address and port lead to one of our bindings. A wildcard binding has all local addresses.

    An IPv6 wildcard counts for IPv4 too: most systems let it take both.
    """
    ports = {port for _, port in bindings}
    exact = {(ipaddress.ip_address(address), port) for address, port in bindings}
    wildcards = {port for address, port in exact if address.is_unspecified}

    def is_bound(address: str, port: int) -> bool:
        if port not in ports:
            return False
        target = ipaddress.ip_address(address)
        # Connecting to the unspecified address reaches this machine.
        local = target.is_unspecified or target.is_loopback
        if (target, port) in exact or (target.is_unspecified):
            return True
        return port in wildcards and (local or is_local(address))

    return is_bound
