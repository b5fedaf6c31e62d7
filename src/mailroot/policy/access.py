"""Who may connect: the connection list of the Access sheet (facts 1.2)."""

from ipaddress import IPv4Network, IPv6Network

from mailroot.mail.reply import REPLIES
from mailroot.policy.client import Address
from mailroot.policy.verdict import Accept, Refuse, Verdict
from mailroot.settings.access import AddressList, ListMode


def listed(address: Address, addresses: AddressList) -> str:
    """The entry that holds the address, as it is written in the settings; "" where none does."""
    for entry in addresses.list:
        if isinstance(entry, IPv4Network | IPv6Network) and address in entry:
            return str(entry)
    return ""


def may_connect(address: Address, connection: AddressList) -> Verdict:
    """Whether the client may connect at all."""
    entry = listed(address, connection)
    allowed = bool(entry) == (connection.mode is ListMode.ONLY)
    found = f"listed as {entry}" if entry else "not listed"
    cause = f"{address} is {found} in access.connection ({connection.mode.value})"
    return Accept(cause) if allowed else Refuse(REPLIES.connection_refused(address=address), cause)
