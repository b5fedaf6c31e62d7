"""What RCPT may say: relay tricks, local domains, relayed domains, the right to relay (facts 5.5)."""

from dataclasses import dataclass

from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Recipient
from mailroot.mail.reply import REPLIES
from mailroot.mail.status import Status
from mailroot.policy.relay import RelayRight
from mailroot.policy.verdict import Accept, Refuse, Undecided, Verdict
from mailroot.settings.domains import Domain, DomainType

# Signs of a second route inside a local part: percent hack, bang path, second address, source route, UUCP style.
_ROUTING_CHARACTERS = frozenset('%!@:"')
_ENCAPSULATED = "imcea"  # Exchange's encapsulated addresses: IMCEASMTP-user+40example.com (MS99-027)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a recipient's domain stands in the settings.

    `name` is the entry that matched, "*.partner.example" too, "" where none did. `default_domain` is the local default
    domain of the virtual server. `local`: mail for it ends here; `alias`: under the default domain's name. `relayed`:
    it is open to all who may connect.
    """

    name: str
    default_domain: str
    local: bool = False
    alias: bool = False
    relayed: bool = False


def place_of(name: str, domain: Domain, default_domain: str) -> Place:
    """The place of a domain that has an entry."""
    return Place(
        name=name,
        default_domain=default_domain,
        local=domain.type is not DomainType.REMOTE,
        alias=domain.type is DomainType.ALIAS,
        relayed=domain.relay,
    )


def tricky(local: str) -> bool:
    """Whether a local part carries a further route: such addresses once made relays of honest servers."""
    return not _ROUTING_CHARACTERS.isdisjoint(local) or local[:5].lower() == _ENCAPSULATED


def may_receive(address: Mailbox, place: Place, right: RelayRight) -> Verdict | Undecided:
    """Whether mail for the recipient is taken. `address` has a domain by now."""
    if place.local:
        if tricky(address.local):
            return Refuse(REPLIES.relay_trick(address=address), "the local part of a local address names another route")
        return Accept(f"{place.name} is a local domain")
    if place.relayed:
        return Accept(f"domain {place.name} is relayed for everybody")
    return Accept(right.cause) if right.allowed else _without_right(address, right)


def undeliverable(address: Mailbox, status: Status) -> Refuse:
    """The refusal of a recipient that a directory knows to get no mail."""
    match status.code:  # as `routing.directory` gives them
        case "5.1.4":
            reply = REPLIES.ambiguous_recipient(address=address)
        case "5.2.1":
            reply = REPLIES.disabled_recipient(address=address)
        case _:
            reply = REPLIES.unknown_recipient(address=address)
    return Refuse(reply, status.reason)


def _without_right(address: Mailbox, right: RelayRight) -> Refuse | Undecided:
    if right.undecided:
        return Undecided(right.cause)
    if right.failed:
        return Refuse(REPLIES.relay_uncertain(address=address), right.cause)
    return Refuse(REPLIES.relay_denied(address=address), right.cause)


def stamped_recipient(recipient: Recipient, place: Place) -> Recipient:
    """The recipient with the default domain in place of an alias, its original address kept (RFC 3461 section 4.2)."""
    address = recipient.address
    if not place.alias:
        return recipient
    orcpt = recipient.orcpt or original_recipient(address)
    return Recipient(address.at(place.default_domain), recipient.notify, orcpt)


def original_recipient(address: Mailbox) -> str | None:
    """What ORCPT says of an address (RFC 3461 section 4.2); None for one that it could not hold as it is."""
    text = str(address)
    # xtext (RFC 3461 section 4) leaves printable ASCII but "+" and "=" as it is; other addresses go without.
    plain = text.isascii() and text.isprintable() and not set("+= ") & set(text)
    return f"rfc822;{text}" if plain else None
