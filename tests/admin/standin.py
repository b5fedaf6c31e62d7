"""The application in memory, with a stand-in for the service that remembers what it was asked."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from mailroot.admin.access.access import Access, Machine
from mailroot.admin.application import Pages, application
from mailroot.edge.accounts.passwords import PasswordHashes
from mailroot.edge.control import Refused
from mailroot.mail.by import By
from mailroot.mail.faults import Unavailable
from mailroot.policy.operators import (
    Member,
    Operator,
    OperatorBook,
    Right,
    Role,
    Token,
    book_text,
    token_digest,
)

PASSWORD = "a long enough password"
_HASHED = PasswordHashes().hash(PASSWORD)
SERVERS = {"one": "First", "two": "Second", "three": "Third"}
ORIGIN = "http://mail.test"


def operator(name: str, role: Role, *servers: str) -> Operator:
    """An operator whose password is `PASSWORD`."""
    return Operator(name, Right(role, servers), _HASHED)


def secret(name: str) -> str:
    """The secret of a token."""
    return f"mailroot_{name}-0123456789"


def token(name: str, role: Role, *servers: str, lasts: timedelta | None = None) -> Token:
    """A token whose secret is `secret(name)`."""
    now = datetime.now(UTC)
    return Token(name, Right(role, servers), token_digest(secret(name)), now, now + lasts if lasts else None)


@dataclass
class StandIn:
    """Answers for the service. `asked` are operations, arguments and askers; `told` the events that it was told."""

    book: OperatorBook
    answer: Callable[[str, Mapping[str, object]], Any] = lambda operation, arguments: {"done": operation}
    asked: list[tuple[str, dict[str, object], By]] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)
    code: str = ""

    async def ask(self, operation: str, arguments: Mapping[str, object], by: By) -> Any:
        if operation == "access.book":
            return {"book": book_text(self.book), "servers": SERVERS, "setup": "/x/Operators.setup"}
        if operation == "access.told":
            self.told.append((str(arguments["event"]), by.name))
            return {}
        if operation == "access.claim":
            if arguments["code"] != self.code:
                raise Refused("this is not the set-up code", "conflict")
            self.book = self.book.added(operator(str(arguments["name"]), Role.ADMINISTRATOR))
            return {}
        self.asked.append((operation, dict(arguments), by))
        return self.answer(operation, arguments)


@dataclass
class KnownMachine:
    """A machine whose accounts have the password `PASSWORD`, and are in the groups `groups`; `asked` for passwords."""

    groups: dict[str, set[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    broken: str = ""

    async def member(self, account: str, book: OperatorBook) -> Member | None:
        return book.member(account, self.groups.get(account, set()))

    async def admits(self, account: str, password: str) -> bool:
        self.asked.append(account)
        if self.broken:
            raise Unavailable(self.broken)
        return password == PASSWORD


@dataclass
class Clock:
    """Seconds that pass when they are told to."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def browsing(
    service: StandIn,
    clock: Clock | None = None,
    address: str = "192.0.2.1",
    pages: Pages | None = None,
    public_url: str = "",
    machine: Machine | None = None,
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the application."""
    access = Access(service, timedelta(minutes=30), timedelta(hours=12), clock or Clock(), machine or KnownMachine())
    made = application(service, access, pages, public_url)
    transport = httpx2.ASGITransport(made, client=(address, 1234), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        yield client


def bearer(name: str) -> dict[str, str]:
    """The header of a token."""
    return {"Authorization": f"Bearer {secret(name)}"}


ALL = OperatorBook(
    operators=(
        operator("ann", Role.ADMINISTRATOR),
        operator("oda", Role.OPERATOR, "one"),
        operator("vic", Role.VIEWER),
    ),
    tokens=(
        token("admin", Role.ADMINISTRATOR),
        token("operator", Role.OPERATOR),
        token("viewer", Role.VIEWER),
        token("operator-one", Role.OPERATOR, "one"),
        token("viewer-one", Role.VIEWER, "one"),
        token("operator-two", Role.OPERATOR, "one", "two"),
    ),
)
