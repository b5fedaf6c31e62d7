"""What administrators ask about operators and tokens, as the supervisor carries it out."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from mailroot.edge.accounts.passwords import PasswordHashes
from mailroot.edge.operators import OperatorFile
from mailroot.mail.faults import Misconfigured, Missing
from mailroot.policy.account import password_fault
from mailroot.policy.operators import Operator, OperatorBook, Right, Role, Token, token_digest
from mailroot.settings.spelling import duration

Arguments = Mapping[str, Any]

_TOKEN_OCTETS = 32
TOKEN_PREFIX = "mailroot_"  # noqa: S105 - what scanners for leaked secrets know ours by
_SHORTEST_PASSWORD = 10
_LONGEST_PASSWORD = 1_024


class OperatorControl:
    """Serves the operations on operators and tokens. `file` gives their file, `known` the virtual servers."""

    def __init__(self, file: Callable[[], OperatorFile], known: Callable[[], Mapping[str, Any]]) -> None:
        self._file = file
        self._known = known
        self._hashes = PasswordHashes()

    def operations(self) -> dict[str, Callable[[Arguments], Awaitable[object]]]:
        """Each by its name."""
        return {
            "operator.list": self._list,
            "operator.add": self._add,
            "operator.password": self._password,
            "operator.role": self._role,
            "operator.remove": self._remove,
            "token.list": self._tokens,
            "token.create": self._create,
            "token.revoke": self._revoke,
        }

    async def _list(self, _arguments: Arguments) -> object:
        book = await self._book()
        return [{"name": one.name, **_shown(one.right)} for one in book.operators]

    async def _add(self, arguments: Arguments) -> object:
        name, right = str(arguments.get("name", "")), self._right(arguments)
        operator = Operator(name, right, await self._hash(arguments))
        await self._change(lambda book: book.added(operator))
        return {"operator": name, **_shown(right)}

    async def _password(self, arguments: Arguments) -> object:
        name, hashed = str(arguments.get("name", "")), await self._hash(arguments)
        await self._change(lambda book: book.changed(Operator(name, _known(book, name).right, hashed)))
        return {"operator": name}

    async def _role(self, arguments: Arguments) -> object:
        name, right = str(arguments.get("name", "")), self._right(arguments)
        await self._change(lambda book: book.changed(Operator(name, right, _known(book, name).hashed)))
        return {"operator": name, **_shown(right)}

    async def _remove(self, arguments: Arguments) -> object:
        name = str(arguments.get("name", ""))
        await self._change(lambda book: book.without(Operator, name))
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
            for one in (await self._book()).tokens
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

    async def _book(self) -> OperatorBook:
        return await asyncio.to_thread(self._file().book)

    async def _change(self, change: Callable[[OperatorBook], OperatorBook]) -> None:
        await asyncio.to_thread(self._file().change, change)

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


def _known(book: OperatorBook, name: str) -> Operator:
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
