"""Pickup files: who sends, who receives, and the message without what was only said to us.

The rules are the predecessor's: x-sender and x-receiver lines in front are the envelope; without them it is Sender,
else From, and To, Cc and Bcc (Resent- fields instead where there are any). Ours alone: behind an address in brackets,
x-sender and x-receiver may have the parameters of reports that MAIL and RCPT have. Bytes in, values out; line ends and
dots are `mail.pickuplines`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mailroot.mail.address import Mailbox
from mailroot.mail.addresslist import listed, single

NO_RECIPIENTS = "no recipients"
HEADER_LIMIT = 1 << 20  # octets of a header block; more is malformed
_ENVELOPE = frozenset({b"x-sender", b"x-receiver"})
_SECRET = frozenset({b"bcc", b"resent-bcc"})  # RFC 5322 section 3.6.3
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:(.*\r\n(?:[ \t].*\r\n)*)")
_FOLD = re.compile(rb"\r\n(?=[ \t])")
# RFC 3461 section 4; everything else behind an address is taken for words of people.
_PARAMETERS = re.compile(r"(.*?>)((?:[ \t]+(?:NOTIFY|ORCPT|RET|ENVID)=[!-~]+)+)", re.IGNORECASE)
_LONGEST_LINE = 2_000  # of an address with parameters, which have 500 characters each at most
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Malformed:
    """A Pickup file that cannot be sent, and why."""

    cause: str


@dataclass(frozen=True, slots=True)
class PickupHead:
    """What the header of a Pickup file says.

    `sender` is None for the null path (`x-sender: <>`). `recipients` has no address twice. `header` is the block that
    goes out: whole lines, each with its CRLF, without the empty line, the envelope lines and Bcc. `length` is how much
    of the file's normalised text the head took, its empty line included. `sender_said` and `said` are the
    parameters that stand behind the sender and behind each recipient, "" where there are none.
    """

    sender: Mailbox | None
    recipients: tuple[Mailbox, ...]
    header: bytes
    length: int
    sender_said: str = ""
    said: Mapping[Mailbox, str] = field(default_factory=dict)


_Field = tuple[bytes, bytes, bytes]  # name in lower case, value, the field as it stands


def read_head(text: bytes) -> PickupHead | Malformed:
    """Read the header at the beginning of `text`, whose lines end in CRLF (`mail.pickuplines.normalised`).

    `text` is the whole file, or its beginning if that holds the whole header; a missing empty line is made up for.
    """
    if text[:2] in _UTF16 or b"\0" in text[:64]:
        return Malformed("the file is UTF-16 or not text")
    fields, length = _fields(text)
    if length > HEADER_LIMIT:
        return Malformed(f"the header is longer than {HEADER_LIMIT} octets")
    if not fields:
        return Malformed("the file does not begin with a header")
    given = fields[0][0] in _ENVELOPE
    sender = _sender(fields, given)
    if isinstance(sender, Malformed):
        return sender
    recipients = _recipients(fields, given)
    if isinstance(recipients, Malformed):
        return recipients
    dropped = _SECRET | _ENVELOPE if given else _SECRET
    header = b"".join(whole for name, _, whole in fields if name not in dropped)
    return PickupHead(sender[0], tuple(recipients), header, length, sender[1], recipients)


def _fields(text: bytes) -> tuple[list[_Field], int]:
    """The header's fields, and where the body begins."""
    fields: list[_Field] = []
    place = 0
    while place <= HEADER_LIMIT:
        match = _FIELD.match(text, place)
        if match is None:
            break
        value = _FOLD.sub(b"", match[2]).strip()
        fields.append((match[1].lower(), value, match[0]))
        place = match.end()
    return fields, place + 2 if text.startswith(b"\r\n", place) else place


def _values(fields: Iterable[_Field], name: bytes) -> list[str]:
    return [value.decode("utf-8", "surrogateescape") for found, value, _ in fields if found == name and value]


def _first(fields: Sequence[_Field], names: Iterable[bytes]) -> tuple[bytes, str] | None:
    return next(((name, values[0]) for name in names if (values := _values(fields, name))), None)


def _parted(value: str) -> tuple[str, str]:
    """What stands before the parameters behind an address in brackets, and these; "" where there are none."""
    found = _PARAMETERS.fullmatch(value) if len(value) <= _LONGEST_LINE else None
    return (value, "") if found is None else (found[1], found[2].strip())


def _sender(fields: Sequence[_Field], given: bool) -> tuple[Mailbox | None, str] | Malformed:
    """The sender, None for the null path, and its parameters."""
    resent = any(name in {b"resent-from", b"resent-sender"} for name, _, _ in fields)
    names = (b"resent-sender", b"resent-from") if resent else (b"sender", b"from")
    found = _first(fields, (b"x-sender", *names) if given else names)
    if found is None:
        return Malformed("no sender: neither x-sender nor Sender nor From")
    name, value = found
    value, said = _parted(value) if name == b"x-sender" else (value, "")
    if name == b"x-sender" and value.endswith("<>"):
        return None, said
    address = single(value)
    if address is None:  # From may name several authors (RFC 5322 section 3.6.2): the first one sends
        address = next(iter(listed(value) or ()), None)
    return (address, said) if address is not None else Malformed(f"the sender is malformed: {_shown(value)}")


def _recipients(fields: Sequence[_Field], given: bool) -> dict[Mailbox, str] | Malformed:
    """The recipients, each with its parameters."""
    found: dict[tuple[str, str], tuple[Mailbox, str]] = {}
    named = given and any(name == b"x-receiver" and value for name, value, _ in fields)
    for whole in _recipient_values(fields, given):
        value, said = _parted(whole) if named else (whole, "")
        one = single(value) if given else None
        addresses = [one] if one is not None else listed(value)
        if addresses is None:
            return Malformed(f"a recipient is malformed: {_shown(value)}")
        for address in addresses:
            found.setdefault((address.local, address.domain_key), (address, said))
    return dict(found.values()) or Malformed(NO_RECIPIENTS)


def _recipient_values(fields: Sequence[_Field], given: bool) -> list[str]:
    if given and (values := _values(fields, b"x-receiver")):
        return values
    for prefix in (b"resent-", b""):
        values = [value for name in (b"to", b"cc", b"bcc") for value in _values(fields, prefix + name)]
        if values:
            return values
    return []


def _shown(value: str) -> str:
    return ascii(value[:200])
