"""What Received says of a client's name, in the predecessor's words (facts 3). It never decides anything."""

from ipaddress import ip_address

from mailroot.mail.address import domain_key
from mailroot.policy.client import Address, NameFinding, Names

_NOT_FOUND = {NameFinding.NO_NAME, NameFinding.FAILED}


def remark(hello: str, address: Address, names: Names) -> str:
    """What stands behind the client's address in Received: "" where the name of HELO is the address's own.

    `names` were searched for with the name of HELO as the one of interest. A literal of the address itself needs no
    name; but that a look-up found none is told all the same.
    """
    if names.finding in _NOT_FOUND:
        return "RDNS failed"
    return "" if domain_key(hello) in names.confirmed or _is_literal(hello, address) else "unverified"


def _is_literal(hello: str, address: Address) -> bool:
    if not (hello.startswith("[") and hello.endswith("]")):
        return False
    text = hello[1:-1]
    try:
        return ip_address(text[5:] if text[:5].lower() == "ipv6:" else text) == address
    except ValueError:
        return False
