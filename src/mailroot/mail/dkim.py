"""DKIM signatures (RFC 6376): what is signed of a message, and the field that says so.

Relaxed canonical forms of header and body, which survive what other servers do to blanks. Not responsible for keys
(`edge.signingkeys`), or for who signs what (`service.relay.signing`). A body is hashed as it streams by.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from mailroot.mail.address import Mailbox
from mailroot.mail.addresslist import listed

# RFC 6376 section 5.4.1, the fields of MIME and Message-ID, and that of RFC 8058 section 4.
SIGNED_FIELDS = frozenset(
    b"from reply-to subject date to cc sender message-id in-reply-to references mime-version content-type"
    b" content-transfer-encoding resent-date resent-from resent-to resent-cc resent-sender resent-message-id list-id"
    b" list-help list-unsubscribe list-unsubscribe-post list-subscribe list-post list-owner list-archive".split()
)
# More fields than any program writes; what comes beyond is not signed.
_MOST_FIELDS = 500
_LINE = 76
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)\r\n")
_BLANKS = re.compile(rb"[ \t]+")
_EMPTY_LINES = 4096


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key at work. `algorithm` is "rsa-sha256" or "ed25519-sha256"; `sign` makes a signature of octets."""

    domain: str
    selector: str
    algorithm: str
    sign: Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class HeaderField:
    """One field: its name in lower case, and its relaxed canonical form without the line end."""

    name: bytes
    canonical: bytes


class BodyHash:
    """SHA-256 of a body's relaxed form (RFC 6376 section 3.4.4), piece by piece; any cut gives the same hash."""

    __slots__ = ("_begun", "_empty_lines", "_hash", "_rest")

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._rest = b""
        self._empty_lines = 0
        self._begun = False

    def update(self, piece: bytes) -> None:
        """Take the next piece of the body."""
        text = _one_blank(self._rest + piece)
        # A blank, or the CR of a line end, at the border of two pieces: what they mean shows with the next one.
        cut = len(text) - text.endswith(b"\r")
        cut -= text.endswith(b" ", 0, cut)
        self._rest, text = text[cut:], text[:cut]
        self._take(text.replace(b" \r\n", b"\r\n"))

    def digest(self) -> bytes:
        """The hash of the whole body, which ends with one line end, or is empty."""
        self._take(self._rest.removeprefix(b" "))
        self._rest = b""
        if self._begun:
            self._hash.update(b"\r\n")
        return self._hash.digest()

    def _take(self, text: bytes) -> None:
        """Hash what is known not to be an empty line at the end; line ends wait until more text comes."""
        kept = text.rstrip(b"\r\n")
        tail = text[len(kept) :].replace(b"\r\n", b"\0")
        ends = len(tail) - len(tail.rstrip(b"\0"))
        kept = text[: len(text) - 2 * ends]
        if kept:
            self._flush()
            self._hash.update(kept)
            self._begun = True
        self._empty_lines += ends

    def _flush(self) -> None:
        while self._empty_lines:
            count = min(self._empty_lines, _EMPTY_LINES)
            self._hash.update(b"\r\n" * count)
            self._empty_lines -= count


def _one_blank(text: bytes) -> bytes:
    """Every run of blanks as one; each turn halves the longest run."""
    if b"\t" in text:
        text = text.replace(b"\t", b" ")
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text


def fields_of(head: bytes) -> list[HeaderField]:
    """The fields of a header block (whole lines, the empty line may follow), in their order."""
    found: list[HeaderField] = []
    for field in _FIELD.finditer(head):
        name = field[1].lower()
        found.append(HeaderField(name, name + b":" + _BLANKS.sub(b" ", field[2].replace(b"\r\n", b"")).strip(b" \t")))
        if len(found) == _MOST_FIELDS:
            break
    return found


def author(fields: Iterable[HeaderField]) -> Mailbox | None:
    """The mailbox that a message is from; None where that is not clear: no From, two of them, or a malformed one."""
    values = [field.canonical[len(b"from:") :] for field in fields if field.name == b"from"]
    if len(values) != 1:
        return None
    mailboxes = listed(values[0].decode("utf-8", "surrogateescape"))
    return mailboxes[0] if mailboxes else None


def signature(
    fields: list[HeaderField], body_hash: bytes, key: SigningKey, oversigned: Collection[bytes], moment: int
) -> bytes:
    """The DKIM-Signature field, whole lines. `moment` is in seconds since 1970.

    Each instance of a signed field is signed, the last one first (RFC 6376 section 5.4.2). `oversigned` names are
    signed once more than they are there, so that none can be added.
    """
    chosen = [field for field in reversed(fields) if field.name in SIGNED_FIELDS]
    names = [field.name for field in chosen] + sorted(oversigned)
    parts = [
        b"v=1; a=%b; c=relaxed/relaxed; d=%b;" % (key.algorithm.encode(), key.domain.encode()),
        b"s=%b; t=%d;" % (key.selector.encode(), moment),
        *_folded(b"h=", b":".join(names).split(b":"), b":"),
        b"bh=%b; b=" % base64.b64encode(body_hash),
    ]
    value = b"\r\n\t".join(parts)
    unsigned = HeaderField(b"", b"dkim-signature:" + _BLANKS.sub(b" ", value.replace(b"\r\n", b"")).strip())
    text = b"\r\n".join(field.canonical for field in (*chosen, unsigned))
    signed = base64.b64encode(key.sign(text))
    lines = [signed[at : at + _LINE - 1] for at in range(0, len(signed), _LINE - 1)]
    return b"DKIM-Signature: " + value + b"\r\n\t" + b"\r\n\t".join(lines) + b"\r\n"


def _folded(begin: bytes, words: list[bytes], between: bytes) -> list[bytes]:
    """Words in lines that are not too long, the last one with a semicolon."""
    lines, line = [], begin
    for place, word in enumerate(words):
        last = place == len(words) - 1
        if len(line) + len(word) >= _LINE and line != begin:
            lines.append(line)
            line = b""
        line += word + (b";" if last else between)
    return [*lines, line]
