"""Line ends and leading dots of Pickup files, piece by piece, so that a file of any size needs little memory.

Some programs double the leading dots of a file as SMTP does (the .NET Framework), others do not (newer .NET, scripts).
"""

import enum
import re

_STUFFED = re.compile(rb"(?<=\n)\.(?!\r)")  # in normalised text a CR is always the end of a line
_SINGLE = re.compile(rb"\n\.[^.]")
BOM = b"\xef\xbb\xbf"


class Dots(enum.Enum):
    """What leading dots mean: one is taken away (stuffed), none is (plain), or the file's own evidence decides."""

    AUTO = "auto"
    STUFFED = "stuffed"
    PLAIN = "plain"


class LineEnds:
    """Makes every CR, LF and CRLF a CRLF, drops a UTF-8 byte order mark, and ends the last line."""

    def __init__(self) -> None:
        self._begun = False
        self._held = b""
        self._last = b""

    def feed(self, piece: bytes) -> bytes:
        """The normalised form of what is decided by now. The first piece has 3 octets or more, if the file has."""
        if not self._begun:
            self._begun = True
            piece = piece.removeprefix(BOM)
        piece = self._held + piece
        self._held = b"\r" if piece.endswith(b"\r") else b""
        if self._held:
            piece = piece[:-1]
        return self._kept(crlf(piece))

    def close(self) -> bytes:
        """What is left at the end of the file."""
        rest = b"\r\n" if self._held or not self._last.endswith(b"\n") else b""
        self._held = b""
        return rest

    def _kept(self, piece: bytes) -> bytes:
        self._last = piece[-1:] or self._last
        return piece


def crlf(text: bytes) -> bytes:
    """Text with every CR, LF and CRLF as CRLF."""
    pairs = text.count(b"\r\n")
    if pairs == text.count(b"\n") and pairs == text.count(b"\r"):
        return text
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


def normalised(text: bytes) -> bytes:
    """A whole file with CRLF line ends, the last one too, and without a byte order mark."""
    ends = LineEnds()
    return ends.feed(text) + ends.close()


class DotEvidence:
    """Tells a stuffed body: every line that begins with a dot begins with two, and there is one."""

    def __init__(self) -> None:
        self._tail = b"\n"
        self._double = self._single = False

    def feed(self, piece: bytes) -> None:
        """Look at the next piece of the normalised body."""
        text = self._tail + piece
        self._double = self._double or b"\n.." in text
        self._single = self._single or _SINGLE.search(text) is not None
        self._tail = text[-2:]

    @property
    def stuffed(self) -> bool:
        """What the body up to here says."""
        return self._double and not self._single


class Unstuff:
    """Takes one leading dot off each line of a normalised body; a lone dot stays, it never ends the message."""

    def __init__(self) -> None:
        self._held = b"\n"  # the line end that is imagined before the first line
        self._imagined = 1

    def feed(self, piece: bytes) -> bytes:
        """The unstuffed form of what is decided by now."""
        text = self._held + piece
        cut = len(text) - next((len(end) for end in (b"\n", b"\n.") if text.endswith(end)), 0)
        self._held = text[cut:]
        return self._without_dots(text[:cut])

    def close(self) -> bytes:
        """What is left at the end of the body."""
        return self._without_dots(self._held)

    def _without_dots(self, text: bytes) -> bytes:
        if text and self._imagined:
            self._imagined = 0
            return _STUFFED.sub(b"", text)[1:]
        return _STUFFED.sub(b"", text)


def unstuffed(body: bytes, dots: Dots) -> bytes:
    """A whole normalised body by this rule."""
    if dots is Dots.PLAIN or (b"\n." not in body and not body.startswith(b".")):
        return body
    evidence = DotEvidence()
    evidence.feed(body)
    if dots is Dots.AUTO and not evidence.stuffed:
        return body
    lines = Unstuff()
    return lines.feed(body) + lines.close()
