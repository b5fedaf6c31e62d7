"""8-bit and binary content as 7-bit content (RFC 6152 section 3): what MIME allows, and nothing else.

Not responsible for whether it is needed. Headers stay as they are but for Content-Transfer-Encoding; what is signed or
cannot be encoded is not converted, and neither is a header that is not ASCII itself.
"""

import base64
import re
from dataclasses import dataclass

# Deeper nesting is an attack; no mail program makes it. MimeKit has limits of the same order.
DEPTH_LIMIT = 100
# RFC 2046 section 5.1.1 allows 70 characters.
_BOUNDARY_LIMIT = 2048
# RFC 5322 section 2.1.1: octets of a line without its end.
_LINE_LIMIT = 998
# RFC 2045 section 6.7: encoded lines have at most 76 characters.
_QP_LINE = 76
_BASE64_OCTETS = 57
# RFC 6532 section 3.7 and RFC 6533 section 6 allow encodings for these, unlike for all other messages.
_GLOBAL = b"message/global"


class Unconvertible(Exception):
    """The content cannot become 7-bit. Its text is a clause that says why."""


@dataclass(frozen=True, slots=True)
class _Type:
    """A Content-Type, as far as conversion needs it: "text/plain" in lower case, and its boundary."""

    name: bytes
    boundary: bytes


def seven_bit(content: bytes) -> bytes:
    """The content with every 8-bit or binary part in quoted-printable or base64. Raises `Unconvertible`."""
    return _entity(content, 0)


def is_binary(content: bytes) -> bool:
    """Whether the content needs BINARYMIME: NUL, CR or LF alone, or lines beyond 998 octets (RFC 2045 section 2.7)."""
    if b"\0" in content:
        return True
    line_ends = content.count(b"\r\n")
    if content.count(b"\n") != line_ends or content.count(b"\r") != line_ends:
        return True
    return len(max(content.split(b"\r\n"), key=len)) > _LINE_LIMIT


class Scan:
    """What a content needs of a server, found piece by piece: `ascii`, and `binary` as `is_binary` has it."""

    __slots__ = ("_held", "_line", "ascii", "binary")

    def __init__(self) -> None:
        self.ascii, self.binary = True, False
        self._held = b""
        self._line = 0

    def feed(self, piece: bytes) -> None:
        """Take the next piece; the last one is empty."""
        self.ascii = self.ascii and piece.isascii()
        text = self._held + piece
        # A CR at the border of two pieces: what it means shows with the next one.
        self._held = b"\r" if piece and text.endswith(b"\r") else b""
        text = text[: len(text) - len(self._held)]
        first, *others = text.split(b"\r\n")
        longest = max([self._line + len(first), *map(len, others)])
        self._line = len(others[-1]) if others else self._line + len(first)
        self.binary = self.binary or is_binary_text(text) or longest > _LINE_LIMIT


def _entity(entity: bytes, depth: int) -> bytes:
    """One entity, converted; the same octets where nothing needs to be."""
    if not _needs_change(entity):
        return entity
    if depth > DEPTH_LIMIT:
        raise Unconvertible(f"its parts are nested more than {DEPTH_LIMIT} deep")
    header, body = _halves(entity)
    if not header.isascii():
        raise Unconvertible("a header field has 8-bit characters")
    fields = _fields(header)
    kind = _type_of(fields.get(b"content-type", b""))
    if kind.name in {b"multipart/signed", b"multipart/encrypted"}:
        raise Unconvertible("a signed part must not be changed")
    if kind.name.startswith(b"multipart/"):
        return _with_encoding(header, b"7bit") + b"\r\n" + _multipart(body, kind.boundary, depth)
    if kind.name == b"message/rfc822":
        return _with_encoding(header, b"7bit") + b"\r\n" + _entity(body, depth + 1)
    if kind.name.startswith(b"message/") and not kind.name.startswith(_GLOBAL):
        raise Unconvertible(f"MIME allows no encoding for {kind.name.decode()}")
    return _leaf(header, body, kind, fields)


def _leaf(header: bytes, body: bytes, kind: _Type, fields: dict[bytes, bytes]) -> bytes:
    encoding = fields.get(b"content-transfer-encoding", b"7bit").strip().lower()
    if encoding in {b"quoted-printable", b"base64"}:
        raise Unconvertible(f"a part says that it is {encoding.decode()}, and is not")
    if b"mime-version" not in fields and b"content-type" not in fields and encoding == b"7bit":
        # Without MIME nobody could tell that the body is encoded; the added fields say so and nothing untrue.
        header += b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
    if kind.name.startswith((b"text/", _GLOBAL)) and not is_binary_text(body):
        return _with_encoding(header, b"quoted-printable") + b"\r\n" + quoted_printable(body)
    return _with_encoding(header, b"base64") + b"\r\n" + _base64(body)


def is_binary_text(body: bytes) -> bool:
    """Whether text has octets that its lines alone cannot keep: NUL, or CR or LF alone."""
    line_ends = body.count(b"\r\n")
    return b"\0" in body or body.count(b"\n") != line_ends or body.count(b"\r") != line_ends


def _needs_change(entity: bytes) -> bool:
    return not entity.isascii() or is_binary(entity)


def _halves(entity: bytes) -> tuple[bytes, bytes]:
    """The header block with its last line end, and the body."""
    if entity.startswith(b"\r\n"):
        return b"", entity[2:]
    header, gap, body = entity.partition(b"\r\n\r\n")
    if not gap:
        raise Unconvertible("a part has no end of its header")
    return header + b"\r\n", body


def _fields(header: bytes) -> dict[bytes, bytes]:
    """The header fields, by lower-case name; of several the first."""
    fields: dict[bytes, bytes] = {}
    for line in re.sub(rb"\r\n(?=[ \t])", b"", header).split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon:
            fields.setdefault(name.strip().lower(), value.strip())
    return fields


_BOUNDARY = re.compile(rb';\s*boundary\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))', re.IGNORECASE | re.DOTALL)


def _type_of(value: bytes) -> _Type:
    name = value.split(b";", 1)[0].strip().lower() or b"text/plain"
    found = _BOUNDARY.search(value)
    if found is None:
        return _Type(name, b"")
    quoted = found[1]
    return _Type(name, re.sub(rb"\\(.)", rb"\1", quoted) if quoted is not None else found[2])


def _multipart(body: bytes, boundary: bytes, depth: int) -> bytes:
    """Preamble, parts and epilogue; the delimiter lines stay as they are (RFC 2046 section 5.1.1)."""
    if not boundary or len(boundary) > _BOUNDARY_LIMIT:
        raise Unconvertible("a multipart has no usable boundary")
    delimiter = re.compile(rb"(?:\A|\r\n)--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r\n|\Z)")
    pieces: list[bytes] = []
    start, inside = 0, False
    for found in delimiter.finditer(body):
        pieces += [_section(body[start : found.start()], inside, depth), found[0]]
        start, inside = found.end(), True
        if found[1]:
            inside = False
            break
    pieces.append(_section(body[start:], inside, depth))
    return b"".join(pieces)


def _section(octets: bytes, is_part: bool, depth: int) -> bytes:
    """What stands between two delimiters. A part begins with the line end of its delimiter."""
    if not _needs_change(octets):
        return octets
    if not is_part:
        raise Unconvertible("text outside of the parts has 8-bit characters")
    return b"\r\n" + _entity(octets[2:], depth + 1)


def _with_encoding(header: bytes, encoding: bytes) -> bytes:
    """The header with another Content-Transfer-Encoding, in the place of the old one."""
    pattern = re.compile(rb"^content-transfer-encoding[ \t]*:.*\r\n(?:[ \t].*\r\n)*", re.IGNORECASE | re.MULTILINE)
    line = b"Content-Transfer-Encoding: " + encoding + b"\r\n"
    changed, count = pattern.subn(line, header, count=1)
    return changed if count else header + (b"" if encoding == b"7bit" else line)


def _base64(body: bytes) -> bytes:
    return b"".join(
        base64.b64encode(body[start : start + _BASE64_OCTETS]) + b"\r\n"
        for start in range(0, len(body), _BASE64_OCTETS)
    )


_QP_ESCAPES = [b"=%02X" % octet for octet in range(256)]
_QP_TABLE = [
    bytes([octet]) if octet == 9 or (32 <= octet <= 126 and octet != 61) else _QP_ESCAPES[octet] for octet in range(256)
]


def quoted_printable(text: bytes) -> bytes:
    """Text with CRLF lines in quoted-printable (RFC 2045 section 6.7)."""
    return b"\r\n".join(_quoted_line(line) for line in text.split(b"\r\n"))


def _quoted_line(line: bytes) -> bytes:
    if not line:
        return line
    tokens = [_QP_TABLE[octet] for octet in line]
    if line[-1] in b" \t":
        tokens[-1] = _QP_ESCAPES[line[-1]]
    if sum(map(len, tokens)) <= _QP_LINE:
        return b"".join(tokens)
    pieces: list[bytes] = []
    width = 0
    for token in tokens:
        if width + len(token) >= _QP_LINE:
            pieces.append(b"=\r\n")
            width = 0
        pieces.append(token)
        width += len(token)
    return b"".join(pieces)
