"""Accounts and counts of guesses in memory, for tests of signing in."""

from collections.abc import Set
from typing import Any

from mailroot.mail.faults import Fault
from mailroot.mail.reply import REPLIES
from mailroot.policy.verdict import Refuse
from mailroot.service.receive.signin import Entrance
from mailroot.wire.sasl.keys import cram_secret, nt_hash, scram_keys
from mailroot.wire.sasl.server import Need
from mailroot.wire.sasl.words import ContextFailed, ContextToken, ScramKeys


class Context:
    """A security context that is established by the third token, as the user that it names."""

    def __init__(self) -> None:
        self.steps = 0
        self.closed = False

    async def step(self, token: bytes) -> ContextToken | ContextFailed:
        self.steps += 1
        if token == b"bad":
            return ContextFailed("the token is bad")
        return ContextToken(b"more", None) if self.steps < 3 else ContextToken(b"", token.decode())

    async def wrap(self, data: bytes) -> bytes | ContextFailed:
        return data

    async def unwrap(self, data: bytes) -> bytes | ContextFailed:
        return data

    def close(self) -> None:
        self.closed = True


class FakeAccounts:
    """Accounts with passwords; `fault` is raised instead of an answer."""

    def __init__(self, *needs: Need) -> None:
        self.passwords = {"user": "right", "ann": "secret"}
        self.needs = frozenset(needs) or frozenset({Need.PASSWORD})
        self.fault: Fault | None = None
        self.contexts: list[Context] = []
        self.asked = 0

    @property
    def answers(self) -> Set[Need]:
        return self.needs

    def _password(self, user: str) -> str | None:
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        return self.passwords.get(user)

    async def check(self, user: str, password: str, client: str) -> bool:
        return self._password(user) == password

    async def scram_keys(self, user: str) -> ScramKeys:
        return scram_keys(self._password(user) or "nobody's", b"salt" * 4)

    async def cram_secret(self, user: str) -> bytes | None:
        password = self._password(user)
        return None if password is None else cram_secret(password)

    async def nt_hash(self, user: str, domain: str) -> bytes | None:
        password = self._password(user)
        return None if password is None else nt_hash(password)

    def context(self, need: Need) -> Context:
        self.contexts.append(Context())
        return self.contexts[-1]


class FakeGuesses:
    """Refuses the addresses and users in `refused`; failures cost `delay` seconds."""

    def __init__(self) -> None:
        self.refused: set[str] = set()
        self.delay = 0.0
        self.failures: list[tuple[str, str]] = []
        self.successes: list[tuple[str, str]] = []

    def refusal(self, address: str, user: str = "") -> Refuse | None:
        if (user or address) in self.refused:
            return Refuse(REPLIES.sign_in_unavailable(), "too many failures")
        return None

    def failed(self, address: str, user: str) -> float:
        self.failures.append((address, user))
        return self.delay

    def succeeded(self, address: str, user: str) -> None:
        self.successes.append((address, user))


def entrance(*needs: Need, **parts: Any) -> Entrance:
    return Entrance(FakeAccounts(*needs), FakeGuesses(), **parts)
