"""What a directory is asked, as values and as searches. Values are put into parsed filters, never into text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from mailroot.mail.address import Mailbox
from mailroot.routing.directory.entry import Entry
from mailroot.routing.directory.schemas import Schema
from mailroot.settings import filters
from mailroot.wire.ldap.ber import OCTETS, boolean, tlv
from mailroot.wire.ldap.messages import Scope, Search

# RFC 4511 section 4.5.1: the tags of a filter's choices.
_GROUPS = {"&": 0xA0, "|": 0xA1, "!": 0xA2}
_COMPARISONS = {"=": 0xA3, ">=": 0xA5, "<=": 0xA6, "~=": 0xA8}
_OR, _SUBSTRINGS, _PRESENT, _EXTENSIBLE = 0xA1, 0xA4, 0x87, 0xA9
_FIRST, _BETWEEN, _LAST = 0x80, 0x81, 0x82
# Two entries are ambiguous already; a few more make the cause plain.
_MOST_MATCHES = 5
_ANYTHING = tlv(_PRESENT, b"objectClass")


@dataclass(frozen=True, slots=True)
class ByAddress:
    """Whose is this address? The same person may be known by it under each of our domains: the one asked for first."""

    addresses: tuple[Mailbox, ...]

    def __str__(self) -> str:
        return f"whose is {' or '.join(str(one) for one in self.addresses)}?"


@dataclass(frozen=True, slots=True)
class ByName:
    """What is the entry with this name?"""

    dn: str

    def __str__(self) -> str:
        return f"what is {self.dn}?"


@dataclass(frozen=True, slots=True)
class ByAccount:
    """Who is it that signs in with this name?"""

    user: str


Question: TypeAlias = ByAddress | ByName | ByAccount


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The directory could not be asked now; `cause` is a clause."""

    cause: str


Answer: TypeAlias = tuple[Entry, ...] | NoAnswer


def search_of(question: Question, schema: Schema, base: str, seconds: int) -> Search:
    """A question as a search below `base`; the directory is to give up after so many seconds."""
    if isinstance(question, ByName):
        return Search(question.dn, Scope.BASE, _ANYTHING, schema.attributes, 1, seconds)
    if isinstance(question, ByAccount):
        asked = encoded(schema.account.root, {"user": question.user.encode("utf-8", "surrogateescape")})
        return Search(base, Scope.SUBTREE, asked, schema.attributes, _MOST_MATCHES, seconds)
    each = [encoded(schema.recipient.root, _values(one)) for one in question.addresses]
    asked = each[0] if len(each) == 1 else tlv(_OR, *each)
    return Search(base, Scope.SUBTREE, asked, schema.attributes, _MOST_MATCHES, seconds)


def _values(address: Mailbox) -> dict[str, bytes]:
    return {
        "address": str(address).encode("utf-8", "surrogateescape"),
        "local": address.local.encode("utf-8", "surrogateescape"),
        "domain": address.domain.encode("utf-8", "surrogateescape"),
    }


def encoded(node: filters.Node, values: Mapping[str, bytes]) -> bytes:
    """A filter in BER, with the values in their places."""
    match node:
        case filters.Group(sign, inner):
            return tlv(_GROUPS[sign], *[encoded(one, values) for one in inner])
        case filters.Compared(sign, attribute, value):
            return tlv(_COMPARISONS[sign], tlv(OCTETS, attribute.encode()), tlv(OCTETS, _filled(value, values)))
        case filters.Present(attribute):
            return tlv(_PRESENT, attribute.encode())
        case filters.Substrings(attribute, pieces):
            return tlv(_SUBSTRINGS, tlv(OCTETS, attribute.encode()), tlv(0x30, *_pieces(pieces, values)))
        case filters.Extensible(rule, attribute, value, of_names):
            parts = [tlv(tag, text.encode()) for tag, text in ((0x81, rule), (0x82, attribute)) if text]
            parts.append(tlv(0x83, _filled(value, values)))
            return tlv(_EXTENSIBLE, *parts, *([boolean(True, 0x84)] if of_names else []))


def _pieces(pieces: tuple[filters.Value, ...], values: Mapping[str, bytes]) -> list[bytes]:
    last = len(pieces) - 1
    tags = [_FIRST, *([_BETWEEN] * (last - 1)), _LAST]
    filled = [_filled(piece, values) for piece in pieces]
    return [tlv(tag, text) for tag, text in zip(tags, filled, strict=True) if text]


def _filled(value: filters.Value, values: Mapping[str, bytes]) -> bytes:
    parts = [value.fixed[0]]
    for name, behind in zip(value.places, value.fixed[1:], strict=True):
        parts += (values[name], behind)
    return b"".join(parts)
