"""What administrators ask about operators, groups and tokens, as the supervisor carries it out."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from mailroot.edge.accounts.passwords import NOBODYS, PasswordHashes
from mailroot.edge.boundedpool import BoundedPool
from mailroot.edge.operators import OperatorFile
from mailroot.mail.by import By
from mailroot.mail.faults import Conflict, Misconfigured, Missing
from mailroot.policy.account import password_fault
from mailroot.policy.operatorguesses import Guesses
from mailroot.policy.operators import Group, Operator, OperatorBook, Right, Role, Token, token_digest
from mailroot.service.life.audit import Audit
from mailroot.settings.spelling import duration

Arguments = Mapping[str, Any]

_ITSELF = By("a deleted virtual server", "file")
_TOKEN_OCTETS = 32
TOKEN_PREFIX = "mailroot_"  # noqa: S105 - what scanners for leaked secrets know ours by
_SHORTEST_PASSWORD = 10
# Wrong present passwords within `operatorguesses.WINDOW`: of a name by one who asks, and by all of them.
_WRONG_BY_ONE, _WRONG_BY_ALL = 5, 100
_LONGEST_PASSWORD = 1_024


@dataclass(frozen=True, slots=True)
class Known:
    """What there is: the file of operators, the virtual servers by their short names, groups of the machine."""

    file: Callable[[], OperatorFile]
    servers: Callable[[], Mapping[str, Any]]
    has_group: Callable[[str], Awaitable[bool]]


class OperatorControl:
    """Serves the operations on operators, groups and tokens. `changed` is called with the book once it is another."""

    def __init__(self, known: Known, changed: Callable[[OperatorBook], None]) -> None:
        self._file = known.file
        self._known = known.servers
        self._has_group = known.has_group
        self._changed = changed
        self._hashes = PasswordHashes()
        self._guesses = Guesses(time.monotonic)
        self._pool = BoundedPool("passwords of operators", threads=1, most=16, patience=10.0)

    def operations(self) -> dict[str, Callable[..., Awaitable[object]]]:
        """Each by its name."""
        return {
            "operator.list": self._list,
            "operator.add": self._add,
            "operator.password": self._password,
            "operator.renew": self._renew,
            "operator.role": self._role,
            "operator.remove": self._remove,
            "token.list": self._tokens,
            "token.create": self._create,
            "token.revoke": self._revoke,
        }

    async def _list(self, _arguments: Arguments) -> object:
        book = await self.book()
        kinds = (("operator", book.operators), ("group", book.groups))
        return [{"name": one.name, "kind": kind, **_shown(one.right)} for kind, rows in kinds for one in rows]

    async def _add(self, arguments: Arguments) -> object:
        name, right = str(arguments.get("name", "")), self._right(arguments)
        if not arguments.get("group"):
            operator = Operator(name, right, await self._hash(arguments))
            await self._change(lambda book: book.added(operator))
            return {"operator": name, **_shown(right)}
        if arguments.get("password"):
            raise Misconfigured("a group has no password: its members have their own; nothing was changed")
        if not await self._has_group(name):
            raise Missing(f"there is no group {name!r} on this machine (getent group)")
        await self._change(lambda book: book.added(Group(name, right)))
        return {"group": name, **_shown(right)}

    async def _password(self, arguments: Arguments) -> object:
        name, hashed = str(arguments.get("name", "")), await self._hash(arguments)
        await self._change(lambda book: book.changed(Operator(name, _operator(book, name).right, hashed)))
        return {"operator": name}

    async def _renew(self, arguments: Arguments, by: By) -> object:
        """Somebody changes the own password: whoever asks, the present one proves it."""
        name, present = str(arguments.get("name", "")), str(arguments.get("present") or "")
        if arguments.get("password") == present:
            raise Misconfigured("the new password is the present one; nothing was changed")
        limits = {f"{name}\0{by.face}\0{by.name}\0{by.address}": _WRONG_BY_ONE, f"{name}\0": _WRONG_BY_ALL}
        if self._guesses.wait(limits) > 0:
            raise Conflict("too many wrong passwords; try again later")
        # Counted before anything is waited for: many guesses at the same time are as many guesses.
        self._guesses.wrong(*limits)
        known = (await self.book()).operator(name)
        hashed = NOBODYS if known is None else known.hashed
        right = await self._pool.run(self._hashes.verify, hashed, present[:_LONGEST_PASSWORD])
        if known is None or not right:
            raise Misconfigured("the name or the present password is wrong; nothing was changed")
        self._guesses.right(*limits)
        renewed = replace(known, hashed=await self._hash(arguments))
        await self._change(lambda book: book.changed(renewed) if book.operator(name) == known else _in_the_way(name))
        return {"operator": name}

    async def _role(self, arguments: Arguments) -> object:
        name, right = str(arguments.get("name", "")), self._right(arguments)
        if arguments.get("group"):
            await self._change(lambda book: book.changed(Group(name, right)))
            return {"group": name, **_shown(right)}
        await self._change(lambda book: book.changed(Operator(name, right, _operator(book, name).hashed)))
        return {"operator": name, **_shown(right)}

    async def _remove(self, arguments: Arguments) -> object:
        name, group = str(arguments.get("name", "")), bool(arguments.get("group"))
        await self._change(lambda book: book.without(Group, name) if group else book.without(Operator, name))
        return {"removed": name}

    async def _tokens(self, _arguments: Arguments) -> object:
        now = datetime.now(UTC)
        return [
            {
                "name": one.name,
                **_shown(one.right),
                "created": _when(one.created),
                "expires": _when(one.expires),
                "expired": one.expires is not None and one.expires <= now,
            }
            for one in (await self.book()).tokens
        ]

    async def _create(self, arguments: Arguments) -> object:
        name, right, now = str(arguments.get("name", "")), self._right(arguments), datetime.now(UTC)
        expires = _expiry(now, str(arguments.get("expires") or ""))
        secret = TOKEN_PREFIX + secrets.token_urlsafe(_TOKEN_OCTETS)
        token = Token(name, right, token_digest(secret), now, expires)
        await self._change(lambda book: book.added(token))
        return {"token": secret, "name": name, **_shown(right), "expires": _when(expires)}

    async def _revoke(self, arguments: Arguments) -> object:
        name = str(arguments.get("name", ""))
        await self._change(lambda book: book.without(Token, name))
        return {"revoked": name}

    async def claim(self, name: str, password: str) -> None:
        """Make the first administrator. Raises `Misconfigured`, also where there is one already."""
        operator = Operator(name, Right(Role.ADMINISTRATOR), await self._hash({"password": password}))

        def first(book: OperatorBook) -> OperatorBook:
            if not book.unclaimed:
                raise Misconfigured("there is an administrator already")
            return book.added(operator)

        await self._change(first)

    async def forget_others(self, audit: Audit) -> None:
        """Have nobody's right name a virtual server that is not in force, so that a new one of that name is new.

        Whoever was of no other one is still there, and may see and do nothing. Each is recorded. Raises `Fault`.
        """
        servers = frozenset(self._known())
        lost = (await self.book()).lost(servers)
        if lost:
            await self._change(lambda book: book.at(servers))
        for one, left in lost:
            kind = type(one).__name__.lower()
            facts = {"name": one.name, "kind": kind, "role": left.role.value, "server": ",".join(left.servers)}
            await audit.record("operator.role", facts, _ITSELF, "done")

    async def book(self) -> OperatorBook:
        """Who may administer. Raises `Fault`."""
        return await asyncio.to_thread(self._file().book)

    async def _change(self, change: Callable[[OperatorBook], OperatorBook]) -> None:
        await asyncio.to_thread(self._file().change, change)
        self._changed(await self.book())

    async def _hash(self, arguments: Arguments) -> str:
        password = str(arguments.get("password") or "")
        fault = password_fault(password)
        if fault or not _SHORTEST_PASSWORD <= len(password) <= _LONGEST_PASSWORD:
            limits = f"a password has {_SHORTEST_PASSWORD} to {_LONGEST_PASSWORD} characters"
            raise Misconfigured(f"{fault or limits}; nothing was changed")
        return await asyncio.to_thread(self._hashes.hash, password)

    def _right(self, arguments: Arguments) -> Right:
        try:
            role = Role(str(arguments.get("role") or ""))
        except ValueError:
            raise Misconfigured(f"the role is one of {', '.join(one.value for one in Role)}") from None
        known = self._known()
        wanted = [one.strip() for one in str(arguments.get("server") or "").split(",") if one.strip()]
        for one in wanted:
            if one not in known:
                raise Missing(f"there is no virtual server {one!r}; there are: {', '.join(known)}")
        return Right(role, tuple(dict.fromkeys(wanted)))


def _in_the_way(name: str) -> NoReturn:
    raise Conflict(f"somebody else has changed {name} meanwhile; nothing was changed")


def _operator(book: OperatorBook, name: str) -> Operator:
    found = book.operator(name)
    if found is None:
        raise Missing(f"there is no operator {name!r}")
    return found


def _shown(right: Right) -> dict[str, object]:
    return {"role": right.role.value, "servers": list(right.servers)}


def _when(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat(timespec="seconds")


def _expiry(now: datetime, text: str) -> datetime | None:
    """When a token ends that is to live for so long; "" is for ever."""
    if not text:
        return None
    try:
        lasts: timedelta = duration().parse(text)
    except ValueError as fault:
        raise Misconfigured(f"expires: {fault}") from fault
    try:
        return now + lasts
    except OverflowError:
        raise Misconfigured("expires: longer than a token can live") from None
