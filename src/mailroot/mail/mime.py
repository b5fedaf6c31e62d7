"""What MIME says of an entity by its header, and what octets need of a server.

Not responsible for where entities begin and end (`mail.mimewalk`), or for their conversion (`mail.sevenbit`).
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

# Deeper nesting is an attack; no mail program makes it. MimeKit has limits of the same order.
DEPTH_LIMIT = 100
# RFC 2046 section 5.1.1 allows 70 characters.
BOUNDARY_LIMIT = 2048
# RFC 5322 section 2.1.1: octets of a line without its end.
_LINE_LIMIT = 998
# RFC 6532 section 3.7 and RFC 6533 section 6 allow encodings for these, unlike for all other messages.
_GLOBAL = b"message/global"


class Form(Enum):
    """What the body of an entity consists of."""

    PARTS = auto()
    MESSAGE = auto()
    OCTETS = auto()


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity, as far as conversion needs it. `fault` is a clause that says why it cannot become 7-bit, or "".

    `is_text` says that its type is text, `is_bare` that nothing in its header is of MIME.
    """

    header: bytes
    form: Form = Form.OCTETS
    boundary: bytes = b""
    is_text: bool = False
    is_bare: bool = False
    fault: str = ""


def entity(header: bytes, depth: int) -> Entity:
    """What a header block, with its last line end, says of its entity, which has so many others around it."""
    fault = _unfit(header, depth)
    if fault:
        return Entity(header, fault=fault)
    fields = _fields(header)
    name, boundary = _type_of(fields.get(b"content-type", b""))
    encoding = fields.get(b"content-transfer-encoding", b"7bit").strip().lower()
    fault = _fault(name, boundary, encoding)
    if fault:
        return Entity(header, fault=fault)
    if name.startswith(b"multipart/"):
        return Entity(header, Form.PARTS, boundary)
    if name == b"message/rfc822":
        return Entity(header, Form.MESSAGE)
    bare = b"mime-version" not in fields and b"content-type" not in fields and encoding == b"7bit"
    return Entity(header, is_text=name.startswith((b"text/", _GLOBAL)), is_bare=bare)


def _unfit(header: bytes, depth: int) -> str:
    """Why an entity is not to be changed, whatever its header says; "" where nothing is against it."""
    if depth > DEPTH_LIMIT:
        return f"its parts are nested more than {DEPTH_LIMIT} deep"
    if not header.isascii():
        return "a header field has 8-bit characters"
    # Headers have no encoding, and a server that takes lines may see an end in CR or LF alone.
    return "its header has NUL, or CR or LF alone" if is_binary_text(header) else ""


def _fault(name: bytes, boundary: bytes, encoding: bytes) -> str:
    """Why an entity of this type and encoding is not to be changed; "" where it may be."""
    if name in {b"multipart/signed", b"multipart/encrypted"}:
        return "a signed part must not be changed"
    if name.startswith(b"multipart/"):
        return "" if 0 < len(boundary) <= BOUNDARY_LIMIT else "a multipart has no usable boundary"
    if name == b"message/rfc822":
        return ""
    if name.startswith(b"message/") and not name.startswith(_GLOBAL):
        return f"MIME allows no encoding for {name.decode()}"
    if encoding in {b"quoted-printable", b"base64"}:
        return f"a part says that it is {encoding.decode()}, and is not"
    return ""


def _fields(header: bytes) -> dict[bytes, bytes]:
    """The header fields, by lower-case name; of several the first."""
    fields: dict[bytes, bytes] = {}
    for line in re.sub(rb"\r\n(?=[ \t])", b"", header).split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon:
            fields.setdefault(name.strip().lower(), value.strip())
    return fields


_BOUNDARY = re.compile(rb';\s*boundary\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))', re.IGNORECASE | re.DOTALL)


def _type_of(value: bytes) -> tuple[bytes, bytes]:
    """The type of a Content-Type field in lower case, "text/plain" where there is none; and its boundary."""
    name = value.split(b";", 1)[0].strip().lower() or b"text/plain"
    found = _BOUNDARY.search(value)
    if found is None:
        return name, b""
    quoted = found[1]
    return name, re.sub(rb"\\(.)", rb"\1", quoted) if quoted is not None else found[2]


def is_binary(content: bytes) -> bool:
    """Whether the content needs BINARYMIME: NUL, CR or LF alone, or lines beyond 998 octets (RFC 2045 section 2.7)."""
    return is_binary_text(content) or len(max(content.split(b"\r\n"), key=len)) > _LINE_LIMIT


def is_binary_text(body: bytes) -> bool:
    """Whether text has octets that its lines alone cannot keep: NUL, or CR or LF alone."""
    line_ends = body.count(b"\r\n")
    return b"\0" in body or body.count(b"\n") != line_ends or body.count(b"\r") != line_ends


class Lines:
    """Looks at octets piece by piece for lines that are too long; no piece ends between CR and LF."""

    __slots__ = ("_length",)

    def __init__(self) -> None:
        self._length = 0

    def too_long(self, piece: bytes) -> bool:
        """Whether a line that is in this piece, or goes on in it, is longer than 998 octets so far."""
        first, *others = piece.split(b"\r\n")
        begun = self._length + len(first)
        self._length = len(others[-1]) if others else begun
        return max([begun, *map(len, others)]) > _LINE_LIMIT


class Scan:
    """What a content needs of a server, found piece by piece: `ascii`, and `binary` as `is_binary` has it."""

    __slots__ = ("_held", "_lines", "ascii", "binary")

    def __init__(self) -> None:
        self.ascii, self.binary = True, False
        self._held = b""
        self._lines = Lines()

    def feed(self, piece: bytes) -> None:
        """Take the next piece; the last one is empty."""
        self.ascii = self.ascii and piece.isascii()
        text = self._held + piece
        # A CR at the border of two pieces: what it means shows with the next one.
        self._held = b"\r" if piece and text.endswith(b"\r") else b""
        text = text[: len(text) - len(self._held)]
        long = self._lines.too_long(text)
        self.binary = self.binary or is_binary_text(text) or long
