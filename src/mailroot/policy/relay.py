"""Who may send to other people's domains: the relay restrictions of the Access sheet (facts 1.2, 5.5)."""

from dataclasses import dataclass

from mailroot.policy.access import listed
from mailroot.policy.client import Client
from mailroot.settings.access import ListMode, Relay


@dataclass(frozen=True, slots=True)
class RelayRight:
    """Whether a client may relay, and which rule says so.

    `undecided`: only its names could give it the right, and nobody has looked for them. `failed`: the search for them
    failed, and a later one may give it the right.
    """

    allowed: bool
    cause: str
    undecided: bool = False
    failed: bool = False


def relay_right(client: Client, relay: Relay, trapped: bool = False) -> RelayRight:
    """The client's right to relay: by account where that is enough, else by the list and its mode.

    `trapped`: everybody has it, since mail reaches none of its recipients.
    """
    if trapped:
        return RelayRight(True, "delivery.trap is set: mail is taken for everybody, and goes where the trap has it")
    if client.user and relay.authenticated:
        return RelayRight(True, f"{client.user} is authenticated, and access.relay lets such clients relay")
    place = listed(client, relay)
    cause = f"{client.address} {place.words} in access.relay ({relay.mode.value})"
    if place.undecided:
        return RelayRight(False, cause, undecided=True)
    return RelayRight(place.found == (relay.mode is ListMode.ONLY), cause, failed=place.failed)
