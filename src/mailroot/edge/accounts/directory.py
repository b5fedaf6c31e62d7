"""Accounts of a directory: who it is is searched for, and the directory says whether the password is right (LDAP bind).

What a client calls itself is only ever a value of a filter; the name that we sign in with is the one that the directory
gave for it. No password is remembered.
"""

import asyncio
import operator
from collections.abc import Set
from typing import NoReturn, Protocol

from mailroot.edge.accounts.eventime import EVEN_SECONDS, even
from mailroot.edge.accounts.passwordsalone import PasswordsAlone
from mailroot.mail.faults import Unavailable
from mailroot.routing.directory.questions import Answer, ByAccount, NoAnswer, Question
from mailroot.wire.sasl.prepare import prepared
from mailroot.wire.sasl.server import Need

_LONGEST_NAME = 256
# Each check has a connection of its own while it lasts; others wait for one of these, and not too many of them.
_AT_ONCE, _MOST = 16, 256


class Admitting(Protocol):
    """The directory as it is asked here (`service.resolve.directory`)."""

    async def ask(self, question: Question) -> Answer:
        """The entries that a question leads to."""

    async def admits(self, dn: str, password: str) -> bool:
        """Whether the directory lets this entry in with this password. Raises `Unavailable`."""


class DirectoryAccounts(PasswordsAlone):
    """The accounts that a directory knows (`service.receive.accounts.Accounts`). `domains` may stand before a name."""

    answers: Set[Need] = frozenset({Need.PASSWORD})

    def __init__(self, directory: Admitting, domains: Set[str], even_seconds: float = EVEN_SECONDS) -> None:
        self._directory = directory
        self._domains = domains
        self._even = even_seconds
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    async def check(self, user: str, password: str, _client: str = "") -> bool:
        """Whether the directory takes the password; a refusal takes a while, whatever its cause."""
        return await even(self._bounded(user, password), operator.not_, self._even)

    def context(self, need: Need) -> NoReturn:
        """There are none."""
        raise TypeError(f"a directory has no context for {need}")

    async def _bounded(self, user: str, password: str) -> bool:
        name = self._name(user)
        if not name or not _is_text(password):
            return False
        if self._waiting >= _MOST:
            raise Unavailable(f"the directory: {_MOST} sign-ins are under way")
        self._waiting += 1
        try:
            async with self._room:
                return await self._checked(name, password)
        finally:
            self._waiting -= 1

    async def _checked(self, name: str, password: str) -> bool:
        answer = await self._directory.ask(ByAccount(name))
        if isinstance(answer, NoAnswer):
            raise Unavailable(answer.cause)
        if len(answer) != 1 or answer[0].disabled:
            return False
        return await self._directory.admits(answer[0].dn, password)

    def _name(self, user: str) -> str:
        """The name as the directory may know it; "" for what is nobody's: directories do not mind blanks around it."""
        domain, backslash, name = user.rpartition("\\")
        if backslash and domain.casefold() not in self._domains:
            return ""
        if not name or len(name) > _LONGEST_NAME or name != name.strip() or prepared(name) != name:
            return ""
        return name if "  " not in name else ""


def _is_text(password: str) -> bool:
    """Whether the password has octets to send, and is one at all: an empty one lets everybody in, as nobody."""
    try:
        return bool(password.encode())
    except UnicodeEncodeError:
        return False
