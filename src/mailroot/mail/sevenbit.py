"""8-bit and binary content as 7-bit content (RFC 6152 section 3): what MIME allows, and nothing else.

Not responsible for whether it is needed. Headers stay as they are but for Content-Transfer-Encoding; what is signed or
cannot be encoded is not converted, and neither is a header that is not ASCII itself.

A message is read twice, and never held as a whole: first to find out what becomes of each entity, for its header comes
before the octets that decide it; then, as often as the converted message is wanted, to convert it.
"""

import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from mailroot.mail.message import Content
from mailroot.mail.mime import Entity, Form, Lines, is_binary_text
from mailroot.mail.mimewalk import Begin, End, Mark, Text, walk

# RFC 2045 section 6.7 and 6.8: encoded lines have at most 76 characters.
_BASE64_OCTETS, _BASE64_LINE = 57, 76
# A line of text is encoded in pieces of this size where it is longer.
_LONGEST_TEXT = 64 * 1024
# Pieces of converted content have at least so many octets, but the last one.
_PIECE = 64 * 1024
# What has more entities is an attack on whoever reads it.
_MOST_ENTITIES = 100_000
_CRLF = b"\r\n"


class Unconvertible(Exception):
    """The content cannot become 7-bit. Its text is a clause that says why."""


class Change(IntEnum):
    """What becomes of an entity. Small numbers, for a large message may have millions."""

    NONE = 0
    SEVEN_BIT = 1
    QUOTED_PRINTABLE = 2
    BASE64 = 3


@dataclass(frozen=True, slots=True)
class Converted:
    """Content as 7-bit content, made of the original each time it is read. `changes` are those of its entities."""

    original: Content
    changes: bytes
    size: int

    @property
    def in_memory(self) -> bool:
        """Always false: to read it costs time."""
        return False

    def pieces(self) -> Iterator[bytes]:
        """The converted content. Raises `Unavailable` where the original cannot be read."""
        return _in_large_pieces(_rewritten(self.original.pieces(), self.changes))


def seven_bit(content: bytes) -> bytes:
    """The content with every 8-bit or binary part in quoted-printable or base64. Raises `Unconvertible`."""
    changes = survey(iter((content,)))
    return b"".join(_rewritten(iter((content,)), changes)) if changes[0] else content


def converted(content: Content) -> Content:
    """The same for content of any size; it blocks. Raises `Unconvertible`, and `Unavailable` as reading does."""
    changes = survey(content.pieces())
    if not changes[0]:
        return content
    return Converted(content, changes, sum(map(len, _rewritten(content.pieces(), changes))))


@dataclass(slots=True)
class _Open:
    """An open entity: its place in their order, whether it cannot stay as it is, and whether its body is binary."""

    place: int
    entity: Entity
    needs_change: bool = False
    is_binary: bool = False

    def change(self) -> Change:
        """What becomes of it, once its end is known. Raises `Unconvertible`."""
        if not self.needs_change:
            return Change.NONE
        if self.entity.fault:
            raise Unconvertible(self.entity.fault)
        if self.entity.form is not Form.OCTETS:
            return Change.SEVEN_BIT
        return Change.QUOTED_PRINTABLE if self.entity.is_text and not self.is_binary else Change.BASE64


def survey(pieces: Iterator[bytes]) -> bytes:
    """What becomes of each entity, a `Change` in an octet, in the order in which they begin. Raises `Unconvertible`."""
    changes, lines = bytearray(), Lines()
    opened: list[_Open] = []
    for event in walk(pieces):
        match event:
            case Begin(entity):
                opened.append(_Open(len(changes), entity, _needs_change(entity.header, lines)))
                changes.append(Change.NONE)
                if len(changes) > _MOST_ENTITIES:
                    raise Unconvertible(f"it has more than {_MOST_ENTITIES} parts")
            case Text(octets):
                inner, needs_change = opened[-1], _needs_change(octets, lines)
                if needs_change and inner.entity.form is Form.PARTS:
                    raise Unconvertible("text outside of the parts has 8-bit characters")
                inner.needs_change |= needs_change
                inner.is_binary |= is_binary_text(octets)
            case Mark(octets):
                opened[-1].needs_change |= lines.too_long(octets)
            case End():
                ended = opened.pop()
                changes[ended.place] = ended.change()
                if opened:
                    opened[-1].needs_change |= ended.needs_change
    return bytes(changes)


def _needs_change(octets: bytes, lines: Lines) -> bool:
    long = lines.too_long(octets)
    return long or not octets.isascii() or is_binary_text(octets)


def _rewritten(pieces: Iterator[bytes], changes: bytes) -> Iterator[bytes]:
    """The message with these changes made to its entities."""
    coming = iter(changes)
    encoders: list[_Encoder] = []
    for event in walk(pieces):
        match event:
            case Begin(entity):
                change = Change(next(coming))
                encoders.append(_ENCODERS[change]())
                yield _header(entity, change)
            case Text(octets):
                yield encoders[-1].feed(octets)
            case Mark(octets):
                yield octets
            case End():
                yield encoders.pop().end()


def _in_large_pieces(octets: Iterator[bytes]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for one in octets:
        held.append(one)
        size += len(one)
        if size >= _PIECE:
            yield b"".join(held)
            held, size = [], 0
    if size:
        yield b"".join(held)


# -- headers


def _header(entity: Entity, change: Change) -> bytes:
    header = entity.header
    if change is Change.NONE:
        return header
    if change is Change.SEVEN_BIT:
        return _with_encoding(header, b"7bit")
    if entity.is_bare:
        # Without MIME nobody could tell that the body is encoded; the added fields say so and nothing untrue.
        header += b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
    return _with_encoding(header, b"base64" if change is Change.BASE64 else b"quoted-printable")


def _with_encoding(header: bytes, encoding: bytes) -> bytes:
    """The header with another Content-Transfer-Encoding, in the place of the old one."""
    pattern = re.compile(rb"^content-transfer-encoding[ \t]*:.*\r\n(?:[ \t].*\r\n)*", re.IGNORECASE | re.MULTILINE)
    line = b"Content-Transfer-Encoding: " + encoding + b"\r\n"
    changed, count = pattern.subn(line, header, count=1)
    return changed if count else header + (b"" if encoding == b"7bit" else line)


# -- bodies


class _Encoder:
    """Takes the body of an entity piece by piece, and gives it back as it is to go out."""

    def feed(self, octets: bytes) -> bytes:
        """What can be told by now."""
        return octets

    def end(self) -> bytes:
        """What is left."""
        return b""


class _Base64(_Encoder):
    def __init__(self) -> None:
        self._rest = b""

    def feed(self, octets: bytes) -> bytes:
        octets = self._rest + octets
        whole = len(octets) - len(octets) % _BASE64_OCTETS
        self._rest = octets[whole:]
        return _base64_lines(octets[:whole])

    def end(self) -> bytes:
        return binascii.b2a_base64(self._rest, newline=False) + _CRLF if self._rest else b""


class _QuotedPrintable(_Encoder):
    def __init__(self) -> None:
        self._rest = b""

    def feed(self, octets: bytes) -> bytes:
        octets = self._rest + octets
        lines = octets.rfind(_CRLF) + len(_CRLF) if _CRLF in octets else 0
        self._rest = octets[lines:]
        encoded = quoted_printable(octets[:lines])
        if len(self._rest) > _LONGEST_TEXT:
            encoded += quoted_printable(self._rest) + b"=\r\n"
            self._rest = b""
        return encoded

    def end(self) -> bytes:
        return quoted_printable(self._rest)


_ENCODERS: dict[Change, Callable[[], _Encoder]] = {
    Change.NONE: _Encoder,
    Change.SEVEN_BIT: _Encoder,
    Change.QUOTED_PRINTABLE: _QuotedPrintable,
    Change.BASE64: _Base64,
}


def _base64_lines(octets: bytes) -> bytes:
    """Octets of whole lines, encoded. Column by column, since a large message has millions of lines."""
    encoded, count = binascii.b2a_base64(octets, newline=False), len(octets) // _BASE64_OCTETS
    width = _BASE64_LINE + len(_CRLF)
    lines = bytearray(count * width)
    for column in range(_BASE64_LINE):
        lines[column::width] = encoded[column::_BASE64_LINE]
    for column, octet in enumerate(_CRLF, _BASE64_LINE):
        lines[column::width] = bytes([octet]) * count
    return bytes(lines)


def quoted_printable(text: bytes) -> bytes:
    """Text with CRLF lines in quoted-printable (RFC 2045 section 6.7)."""
    # The library ends the lines that it adds as the first one of the text ends.
    return binascii.b2a_qp(_CRLF + text, quotetabs=False, istext=True)[len(_CRLF) :]
