"""The content of one message while it comes in: its limits, and its first failure.

What is refused is still read to its end, so that the client sees why, but nothing of it is kept.
"""

from collections.abc import Callable

from mailroot.mail.reply import REPLIES, Reply
from mailroot.wire.body import first_bare_newline, has_bare_newline, normalized
from mailroot.wire.events import BodyFailed, BodyPiece, Event
from mailroot.wire.profile import ServerProfile

SESSION_TOO_LARGE: Reply = REPLIES.session_too_large()
_MESSAGE_TOO_LARGE: Reply = REPLIES.message_too_large()
_BARE_NEWLINE: Reply = REPLIES.bare_newline()
_NO_LIMIT = 1 << 62


class Incoming:
    """Turns content into events, until it fails; which failure comes first does not depend on how it was split."""

    __slots__ = (
        "_binary",
        "_drain_limit",
        "_emit",
        "_limit",
        "_reject",
        "_too_large",
        "bare_newlines",
        "failure",
        "size",
    )

    def __init__(self, profile: ServerProfile, session_size: int, binary: bool, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self._binary = binary
        self._reject = profile.reject_bare_newline
        self._drain_limit = profile.drain_limit
        self._limit = profile.size_limit or _NO_LIMIT
        self._too_large = _MESSAGE_TOO_LARGE
        left = profile.session_limit - session_size
        if profile.session_limit and left < self._limit:
            self._limit, self._too_large = left, SESSION_TOO_LARGE
        self.size = 0
        """Octets so far; after a failure, octets since it."""
        self.bare_newlines = False
        self.failure: Reply | None = None

    @property
    def drained_enough(self) -> bool:
        """Whether so much came after a failure that the client will not be waited for any longer."""
        return self.failure is not None and self.size > self._drain_limit

    def announce(self, size: int) -> None:
        """So many octets will follow: fail now if they are too many."""
        if self.failure is None and self.size + size > self._limit:
            self._fail_by_size()

    def take(self, content: bytes) -> None:
        """More content, that neither begins nor ends inside a CRLF unless it is binary."""
        if not content:
            return
        if self.failure is None and not self._binary and has_bare_newline(content):
            content = self._mend(content)
        self.size += len(content)
        if self.failure is not None:
            return
        if self.size > self._limit:
            self._fail_by_size()
        else:
            self._emit(BodyPiece(content))

    def _mend(self, content: bytes) -> bytes:
        if not self._reject:
            self.bare_newlines = True
            return normalized(content)
        if self.size + first_bare_newline(content) <= self._limit:  # else the size failed before
            self._fail(_BARE_NEWLINE, "bare CR or LF in the content")
        return content

    def _fail_by_size(self) -> None:
        self._fail(self._too_large, f"more than {self._limit} octets")

    def _fail(self, reply: Reply, cause: str) -> None:
        self.failure = reply
        self.size = 0
        self._emit(BodyFailed(reply, cause))
