"""Input that has come and is not used yet, given out as command lines or as octets.

Not responsible for what a line means. Memory is bounded as long as the caller pauses when `full` is true; what is
thrown away of an endless line is never kept.
"""

import enum

LINE_LIMIT = 12 * 1024 + 64  # What AUTH may have (RFC 4954 section 4); no other command may have nearly as much.
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

    __slots__ = ("_at", "_skipped", "octets", "thrown_away")

    def __init__(self) -> None:
        self.octets = b""
        """What has come; empty once all of it is used. For reading: only its emptiness means something outside."""
        self._at = 0
        self._skipped = 0  # octets of the present line that were thrown away
        self.thrown_away = b""
        """How the line began that was last thrown away because of its length."""

    def __len__(self) -> int:
        return len(self.octets) - self._at

    @property
    def full(self) -> bool:
        """Whether the caller should stop reading from its peer until input has been used."""
        return len(self.octets) - self._at >= INPUT_LIMIT

    def append(self, octets: bytes) -> None:
        """Take more input."""
        self.octets = self.octets[self._at :] + octets if self.octets else octets
        self._at = 0

    def clear(self) -> None:
        """Forget what has come."""
        self.octets = b""
        self._at = self._skipped = 0

    def peek(self, limit: int) -> bytes:
        """The first octets, which stay."""
        return self.octets[self._at : self._at + limit]

    def take(self, limit: int) -> bytes:
        """Up to `limit` octets, for a chunk."""
        octets = self.octets[self._at : self._at + limit]
        self._use(self._at + len(octets))
        return octets

    def take_all(self) -> bytes:
        """All that has come."""
        octets = self.octets[self._at :] if self._at else self.octets
        self._use(len(self.octets))
        return octets

    def line(self) -> bytes | NoLine:
        """The next line without its LF, or why there is none."""
        octets, start = self.octets, self._at
        end = octets.find(b"\n", start)
        if end < 0:
            return self._unfinished(len(octets) - start)
        if self._is_tls():
            return NoLine.TLS
        length = self._skipped + end - start
        if length <= LINE_LIMIT:
            self._use(end + 1)
            return octets[start:end]
        self._note(start)
        self._skipped = 0
        self._use(end + 1)
        return NoLine.TOO_LONG if length <= ENDLESS else NoLine.ENDLESS

    def _use(self, end: int) -> None:
        if end == len(self.octets):
            self.octets = b""
            end = 0
        self._at = end

    def _unfinished(self, length: int) -> NoLine:
        if length and self._is_tls():
            return NoLine.TLS
        if self._skipped + length <= LINE_LIMIT:
            return STARVED
        self._note(self._at)
        self._skipped += length
        self._use(len(self.octets))
        return STARVED if self._skipped <= ENDLESS else NoLine.ENDLESS

    def _note(self, start: int) -> None:
        if not self._skipped:
            self.thrown_away = self.octets[start : start + 16]

    def _is_tls(self) -> bool:
        """Whether a line begins here, and like no command."""
        return self.octets[self._at] == TLS_HANDSHAKE and not self._skipped
