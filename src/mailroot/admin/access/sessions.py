"""Who is signed in by browser: secrets given out at a sign-in, each with an end. They live as long as the process."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from mailroot.policy.operators import Member, Operator

_MOST = 10_000
_OCTETS = 32


@dataclass(slots=True)
class Session:
    """`who` is an operator as he was at the sign-in: one who was changed since is another. Moments are in seconds."""

    who: Operator | Member
    csrf: str
    begun: float
    used: float


class Sessions:
    """All sessions. `idle` without use, or `longest` after the sign-in, one ends."""

    def __init__(self, now: Callable[[], float], idle: timedelta, longest: timedelta) -> None:
        self._now = now
        self._idle = idle.total_seconds()
        self._longest = longest.total_seconds()
        self._sessions: dict[str, Session] = {}

    def begin(self, who: Operator | Member) -> str:
        """A new session's secret. Never one that the browser brought, so nobody can plant one."""
        self._sweep()
        if len(self._sessions) >= _MOST:
            self._sessions.pop(next(iter(self._sessions)))
        secret, moment = secrets.token_urlsafe(_OCTETS), self._now()
        self._sessions[_mark(secret)] = Session(who, secrets.token_urlsafe(_OCTETS), moment, moment)
        return secret

    def find(self, secret: str) -> Session | None:
        """The session of this secret; None where there is none, or it has ended."""
        session = self._sessions.get(_mark(secret))
        if session is not None and self._ended(session):
            self.end(secret)
            return None
        return session

    def use(self, session: Session) -> None:
        """Somebody has used it now."""
        session.used = self._now()

    def end(self, secret: str) -> None:
        """End a session."""
        self._sessions.pop(_mark(secret), None)

    def _ended(self, session: Session) -> bool:
        now = self._now()
        return now - session.used > self._idle or now - session.begun > self._longest

    def _sweep(self) -> None:
        for mark in [mark for mark, session in self._sessions.items() if self._ended(session)]:
            del self._sessions[mark]


def _mark(secret: str) -> str:
    """Looked up by digest, so that the time of the look-up tells nothing of the secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
