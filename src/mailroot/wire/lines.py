"""Input that has come and is not used yet, given out as command lines or as octets.

Not responsible for what a line means. Memory is bounded as long as the caller pauses when `full` is true; what is
thrown away of an endless line is never kept.
"""

import enum

LINE_LIMIT = 2048  # More than any command of ours may have; RFC 5321 section 4.5.3.1.4 asks for 512 and extensions.
ENDLESS = 1024 * 1024  # A line without an end is cut here.
INPUT_LIMIT = 64 * 1024
TLS_HANDSHAKE = 0x16


class NoLine(enum.Enum):
    """Why there is no line to give out."""

    TLS = enum.auto()
    """A line begins like a TLS handshake (RFC 8446 section 5.1); no command does."""
    STARVED = enum.auto()
    """More input is needed."""
    TOO_LONG = enum.auto()
    """A line of more than `LINE_LIMIT` octets has ended and was thrown away."""
    ENDLESS = enum.auto()
    """A line has passed `ENDLESS` octets."""


STARVED = NoLine.STARVED


class Input:
    """The unused input of a connection."""

    __slots__ = ("_at", "_octets", "_skipped")

    def __init__(self) -> None:
        self._octets = b""
        self._at = 0
        self._skipped = 0  # octets of the present line that were thrown away

    def __len__(self) -> int:
        return len(self._octets) - self._at

    @property
    def empty(self) -> bool:
        """Whether nothing is left."""
        return self._at >= len(self._octets)

    @property
    def full(self) -> bool:
        """Whether the caller should stop reading from its peer until input has been used."""
        return len(self._octets) - self._at >= INPUT_LIMIT

    def append(self, octets: bytes) -> None:
        """Take more input."""
        self._octets = self._octets[self._at :] + octets if self._at < len(self._octets) else octets
        self._at = 0

    def clear(self) -> None:
        """Forget what has come."""
        self._octets = b""
        self._at = self._skipped = 0

    def peek(self, limit: int) -> bytes:
        """The first octets, which stay."""
        return self._octets[self._at : self._at + limit]

    def take(self, limit: int) -> bytes:
        """Up to `limit` octets, for a chunk."""
        start = self._at
        if not start and len(self._octets) <= limit:
            octets, self._octets = self._octets, b""
            return octets
        self._at = min(start + limit, len(self._octets))
        return self._octets[start : self._at]

    def take_all(self) -> bytes:
        """All that has come."""
        octets = self._octets[self._at :]
        self._octets = b""
        self._at = 0
        return octets

    def line(self) -> bytes | NoLine:
        """The next line without its LF, or why there is none."""
        start = self._at
        end = self._octets.find(b"\n", start)
        if end < 0:
            return self._unfinished(len(self._octets) - start)
        if not self._skipped and (end - start <= LINE_LIMIT or self._is_tls()):
            self._at = end + 1
            return self._octets[start:end] if self._octets[start] != TLS_HANDSHAKE else NoLine.TLS
        self._at = end + 1
        length = self._skipped + end - start
        self._skipped = 0
        return NoLine.TOO_LONG if length <= ENDLESS else NoLine.ENDLESS

    def _unfinished(self, length: int) -> NoLine:
        if length and self._is_tls():
            return NoLine.TLS
        if self._skipped + length <= LINE_LIMIT:
            return STARVED
        self._skipped += length
        self._octets = b""
        self._at = 0
        return STARVED if self._skipped <= ENDLESS else NoLine.ENDLESS

    def _is_tls(self) -> bool:
        return not self._skipped and self._octets[self._at] == TLS_HANDSHAKE
