"""Lets people and programs in: by password, by session, by token; and makes who guesses wait."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from mailroot.admin.access.askedonce import AskedOnce
from mailroot.admin.access.caller import Caller
from mailroot.admin.access.sessions import Sessions
from mailroot.admin.asking import Asker
from mailroot.admin.crowd import where_from
from mailroot.edge.accounts.eventime import EVEN_SECONDS, even
from mailroot.edge.accounts.passwords import NOBODYS, PasswordHashes
from mailroot.edge.boundedpool import BoundedPool
from mailroot.edge.operatorgroups import MachineOperators
from mailroot.mail.by import By, member_name
from mailroot.mail.faults import Fault
from mailroot.policy.operatorguesses import Guesses
from mailroot.policy.operators import Member, Operator, OperatorBook, read_book

# Wrong passwords within `guesses.WINDOW`: of one name from one origin, from one origin, of one name.
_BY_BOTH, _BY_ADDRESS, _BY_NAME = 5, 30, 100
_WRONG_TOKENS = 60
_LONGEST_NAME = 200
_LONGEST_PASSWORD = 1_024
_WRONG = "wrong name or password"


class Refusal(Exception):
    """Somebody is not let in. `wait` is in seconds, 0 where trying again at once is worth it."""

    def __init__(self, text: str, wait: float = 0.0) -> None:
        super().__init__(text)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Known:
    """Who may administer, at this moment; the display names of the virtual servers by their short ones."""

    book: OperatorBook
    servers: Mapping[str, str]
    setup: str


class Machine(Protocol):
    """The machine's groups and accounts (`edge.operatorgroups`)."""

    async def member(self, account: str, book: OperatorBook) -> Member | None:
        """What an account is by its groups. Raises `Fault`."""

    async def admits(self, account: str, password: str) -> bool:
        """Whether this is its password. Raises `Fault`."""


class Access:
    """Asks the service who may administer each time anew, so that what was revoked counts no more at once."""

    def __init__(
        self,
        asker: Asker,
        idle: timedelta,
        longest: timedelta,
        now: Callable[[], float] = time.monotonic,
        machine: Machine | None = None,
    ) -> None:
        self._asker = asker
        self._book = AskedOnce(self._ask_book)
        self._machine = machine or MachineOperators()
        self._even = EVEN_SECONDS if machine is None else 0.0
        self._sessions = Sessions(now, idle, longest)
        self._guesses = Guesses(now)
        self._hashes = PasswordHashes()
        self._pool = BoundedPool("passwords of operators", threads=2, most=16, patience=10.0)

    async def known(self) -> Known:
        """Who may administer. Raises `Fault` where the service cannot tell."""
        return await self._book.answer()

    async def _ask_book(self) -> Known:
        answer = await self._asker.ask("access.book", {}, By("", ""))
        return Known(read_book(answer["book"]), answer["servers"], answer["setup"])

    # -- people

    async def sign_in(self, name: str, password: str, address: str) -> str:
        """The secret of a new session. Raises `Refusal`, which says the same whatever was wrong."""
        name, origin = name[:_LONGEST_NAME], where_from(address)
        limits = {f"{name}\0{origin}": _BY_BOTH, f"\0{origin}": _BY_ADDRESS, f"{name}\0": _BY_NAME}
        wait = self._guesses.wait(limits)
        if wait > 0:
            # Once is enough: who goes on at this must not fill the event log, which forgets the oldest.
            once = f"told\0{origin}"
            if self._guesses.wait({once: 1}) == 0:
                self._guesses.wrong(once)
                await self._told("operator_refused", name, address, "too many wrong passwords")
            raise Refusal("Too many wrong passwords; try again later.", wait)
        # Counted before anything is waited for: many guesses at the same time are as many guesses.
        self._guesses.wrong(*limits)
        book = (await self.known()).book
        found = self._found(name, password[:_LONGEST_PASSWORD], book)
        # A group's member is asked about elsewhere, in a time that would tell him from others.
        who, cause = await (even(found, lambda one: one[0] is None, self._even) if book.groups else found)
        if who is None:
            await self._told("operator_refused", name, address, cause)
            raise Refusal("The name or the password is wrong.")
        self._guesses.right(*limits)
        await self._told("operator_signed_in", _recorded(who), address, "")
        return self._sessions.begin(who)

    async def _found(self, name: str, password: str, book: OperatorBook) -> tuple[Operator | Member | None, str]:
        """Whose name and password these are, or why nobody's; an operator comes before an account of the machine."""
        operator = book.operator(name)
        try:
            member = await self._machine.member(name, book) if operator is None else None
            if member is not None:
                right = await self._machine.admits(member.name, password)
                return (member if right else None), _WRONG
        except Fault as fault:
            return None, f"{_WRONG}: {fault}"
        right = await self._pool.run(self._hashes.verify, operator.hashed if operator else NOBODYS, password)
        return (operator if right else None), _WRONG

    async def claim(self, code: str, name: str, password: str, address: str) -> str:
        """Make the first administrator by the set-up code, and sign him in. Raises `Refusal` or `Refused`."""
        origin = f"\0{where_from(address)}"
        wait = self._guesses.wait({origin: _BY_ADDRESS})
        if wait > 0:
            raise Refusal("Too many wrong codes; try again later.", wait)
        self._guesses.wrong(origin)
        arguments = {"code": code[:200], "name": name[:_LONGEST_NAME], "password": password}
        await self._asker.ask("access.claim", arguments, By(name[:_LONGEST_NAME], "console", address))
        return await self.sign_in(name, password, address)

    async def by_session(self, secret: str, address: str, *, used: bool = True) -> Caller | None:
        """Who has this session; None where it has ended. It is not `used` by what a page does by itself."""
        session = self._sessions.find(secret)
        if session is None:
            return None  # whoever has none makes the service no work
        who = await self._now(session.who, (await self.known()).book)
        if who is None:
            self._sessions.end(secret)
            return None
        if used:
            self._sessions.use(session)
        if isinstance(who, Member):
            return Caller(member_name(who.name, who.group), who.right, "console", address, session.csrf)
        return Caller(who.name, who.right, "console", address, session.csrf, own_password=True)

    async def _now(self, who: Operator | Member, book: OperatorBook) -> Operator | Member | None:
        """Who that is at this moment; None where he is another one by now, or no group has him any more."""
        if isinstance(who, Member):
            return await self._machine.member(who.name, book)
        return who if book.operator(who.name) == who else None

    async def begin_anew(self, secret: str) -> tuple[str, str]:
        """A session of the same operator as he is now, in the place of this one: its secret, and what its forms carry.

        Both are "" where there is none. For whoever has just changed his own password: all other sessions end by that.
        """
        session = self._sessions.find(secret)
        self._sessions.end(secret)
        operator = (await self.known()).book.operator(session.who.name) if session is not None else None
        if operator is None:
            return "", ""
        secret = self._sessions.begin(operator)
        found = self._sessions.find(secret)
        return secret, found.csrf if found is not None else ""

    def sign_out(self, secret: str) -> None:
        """End a session."""
        self._sessions.end(secret)

    # -- programs

    async def by_token(self, secret: str, address: str) -> Caller:
        """Who has this token. Raises `Refusal`.

        One that counts is taken from wherever it comes: nobody guesses it, and who sends wrong ones from the same
        address, on this machine or behind the same proxy, must not shut it out.
        """
        key = f"token\0{where_from(address)}"
        token = (await self.known()).book.token(secret, datetime.now(UTC))
        if token is None:
            wait = self._guesses.wait({key: _WRONG_TOKENS})
            if wait > 0:
                raise Refusal("Too many wrong tokens; try again later.", wait)
            self._guesses.wrong(key)
            await self._told("operator_refused", "", address, "wrong token", face="rest")
            raise Refusal("This token does not count, or not any more.")
        return Caller(f"token {token.name}", token.right, "rest", address)

    async def forbidden(self, caller: Caller, cause: str) -> None:
        """Tell that somebody asked for what he may not do."""
        await self._told("operator_refused", caller.name, caller.address, cause, face=caller.face)

    async def _told(self, event: str, name: str, address: str, cause: str, face: str = "console") -> None:
        async with asyncio.timeout(10):
            await self._asker.ask("access.told", {"event": event, "cause": cause}, By(name, face, address))


def _recorded(who: Operator | Member) -> str:
    return member_name(who.name, who.group) if isinstance(who, Member) else who.name
