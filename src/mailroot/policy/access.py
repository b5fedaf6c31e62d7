"""Lists of clients, and who may connect: the connection list of the Access sheet (facts 1.2)."""

from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

from mailroot.mail.reply import REPLIES
from mailroot.policy.client import Client
from mailroot.policy.verdict import Accept, Refuse, Undecided, Verdict
from mailroot.settings.access import AddressList, ListMode


class Listed(NamedTuple):
    """Whether a client is in a list, and the words for it.

    `undecided`: only its names could tell, and nobody has looked for them. `failed`: the search for them failed, so
    that the client counts as not listed for now.
    """

    found: bool
    words: str
    undecided: bool = False
    failed: bool = False


def listed(client: Client, addresses: AddressList) -> Listed:
    """Look a client up in a list: addresses first, names only where no address decides."""
    named = False
    for entry in addresses.list:
        if not isinstance(entry, IPv4Network | IPv6Network):
            named = True
        elif client.address in entry:
            return Listed(True, f"is listed as {entry}")
    if not named:
        return Listed(False, "is not listed")
    names = client.names
    if not names.asked:
        return Listed(False, "is not listed by address", undecided=True)
    entry = _entry_of(names.confirmed, addresses)
    if entry:
        return Listed(True, f"is listed as {entry} ({names})")
    return Listed(False, f"is not listed ({names})", failed=names.failed)


def _entry_of(names: Iterable[str], addresses: AddressList) -> str:
    """The first entry that holds one of the names; "" where none does."""
    spellings = {spelling for name in names for spelling in _spellings(name)}
    return next((entry for entry in addresses.list if isinstance(entry, str) and entry in spellings), "")


def _spellings(name: str) -> list[str]:
    """The entries that would hold a name: "example.com" holds itself and all below it, "*.example.com" all below."""
    spellings = [name]
    _, _, above = name.partition(".")
    while above:
        spellings += [above, f"*.{above}"]
        _, _, above = above.partition(".")
    return spellings


def names_of_interest(*lists: AddressList) -> Callable[[str], bool] | None:
    """The question whether an entry of the lists would hold a name; None where no list has names."""
    entries = frozenset(entry for one in lists for entry in one.list if isinstance(entry, str))
    if not entries:
        return None
    return lambda name: not entries.isdisjoint(_spellings(name))


def may_connect(client: Client, connection: AddressList) -> Verdict | Undecided:
    """Whether the client may connect at all."""
    place = listed(client, connection)
    cause = f"{client.address} {place.words} in access.connection ({connection.mode.value})"
    if place.undecided:
        return Undecided(cause)
    if place.found == (connection.mode is ListMode.ONLY):
        return Accept(cause)
    if place.failed:
        return Refuse(REPLIES.connection_uncertain(address=client.address), cause)
    return Refuse(REPLIES.connection_refused(address=client.address), cause)
