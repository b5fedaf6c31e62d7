"""Who may send to other people's domains: the relay restrictions of the Access sheet (facts 1.2, 5.5)."""

from dataclasses import dataclass

from mailroot.policy.access import listed
from mailroot.policy.client import Client
from mailroot.settings.access import ListMode, Relay


@dataclass(frozen=True, slots=True)
class RelayRight:
    """Whether a client may relay, and which rule says so."""

    allowed: bool
    cause: str


def relay_right(client: Client, relay: Relay) -> RelayRight:
    """The client's right to relay: by account where that is enough, else by the list and its mode."""
    if client.user and relay.authenticated:
        return RelayRight(True, f"{client.user} is authenticated, and access.relay lets such clients relay")
    entry = listed(client.address, relay)
    allowed = bool(entry) == (relay.mode is ListMode.ONLY)
    found = f"listed as {entry}" if entry else "not listed"
    return RelayRight(allowed, f"{client.address} is {found} in access.relay ({relay.mode.value})")
