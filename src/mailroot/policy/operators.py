"""Who may administer: operators, groups of the machine and tokens, each with a role. Values and their text, no files.

Tokens are kept as digests: what is written down here lets nobody in. Whoever changes an operator makes another value of
him, so a session that remembers the old one knows that it has ended.
"""

import enum
import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from mailroot.mail.faults import Conflict, Misconfigured, Missing

# The second knows groups; a book without any is written as the first, so that the way back stays open.
_FORMAT, _WITH_GROUPS = 1, 2
# A name stands in lists, in records and in the address line of nobody.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
# Those of a domain have a backslash and spaces in them; what divides entries of the system's lists is in none.
_GROUP_NAME = re.compile(r"[^\s:,]([^:,]{0,126}[^\s:,])?")

NOWHERE = ("(none)",)
"""The virtual servers of whom all were deleted. It is the short name of none."""


class Role(enum.Enum):
    """What somebody may do: everything; see and operate; see."""

    ADMINISTRATOR = "administrator"
    OPERATOR = "operator"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class Right:
    """A role, for the virtual servers `servers`, by their short names; none: for all of them, and the service."""

    role: Role
    servers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.role is Role.ADMINISTRATOR and self.servers:
            raise Misconfigured("an administrator is one of the whole service: name no servers, or another role")

    @property
    def nowhere(self) -> bool:
        """Whether it is for virtual servers of which none is left."""
        return self.servers == NOWHERE

    def among(self, servers: Collection[str]) -> "Right":
        """This right at those of its virtual servers that there are; it never becomes one for all."""
        if not self.servers or self.nowhere:
            return self
        return replace(self, servers=tuple(one for one in self.servers if one in servers) or NOWHERE)


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody who signs in with a password. `hashed` is its Argon2 hash."""

    name: str
    right: Right
    hashed: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Group:
    """A group of the machine, or of the domain that it is in: whoever is a member has its right."""

    name: str
    right: Right


@dataclass(frozen=True, slots=True)
class Member:
    """An account of the machine that a group lets in."""

    name: str
    group: str
    right: Right


@dataclass(frozen=True, slots=True)
class Token:
    """Somebody, or a program, that is known by a secret. `expires` is None where it does not."""

    name: str
    right: Right
    digest: str = field(repr=False)
    created: datetime
    expires: datetime | None = None


_Row = TypeVar("_Row", Operator, Group, Token)


@dataclass(frozen=True, slots=True)
class OperatorBook:
    """All of them. Rows are ordered by name."""

    operators: tuple[Operator, ...] = ()
    tokens: tuple[Token, ...] = ()
    groups: tuple[Group, ...] = ()

    @property
    def unclaimed(self) -> bool:
        """Whether it has no administrator, so that a first one has to be made. A group may be empty: none counts."""
        return not any(one.right.role is Role.ADMINISTRATOR for one in self.operators)

    def operator(self, name: str) -> Operator | None:
        """The operator of this name."""
        return next((one for one in self.operators if one.name == name), None)

    def member(self, account: str, groups: Collection[str]) -> Member | None:
        """What an account is that is in these groups; None where none of them lets it in.

        The greatest role counts, and where several groups give it, all of their virtual servers.
        """
        having = [one for one in self.groups if one.name in groups]
        for role in Role:
            rights = [one.right for one in having if one.right.role is role]
            if rights:
                names = ", ".join(one.name for one in having if one.right.role is role)
                return Member(account, names, _united(role, rights))
        return None

    def at(self, servers: Collection[str]) -> "OperatorBook":
        """The book with rights at no virtual server but these: a later one of the same name is another one."""
        return OperatorBook(
            tuple(replace(one, right=one.right.among(servers)) for one in self.operators),
            tuple(replace(one, right=one.right.among(servers)) for one in self.tokens),
            tuple(replace(one, right=one.right.among(servers)) for one in self.groups),
        )

    def lost(self, servers: Collection[str]) -> list[tuple[Operator | Token | Group, Right]]:
        """Those whose rights are not all at these virtual servers, each with the right that is left."""
        rows: tuple[Operator | Token | Group, ...] = (*self.operators, *self.tokens, *self.groups)
        return [(one, left) for one in rows if (left := one.right.among(servers)) != one.right]

    def token(self, secret: str, now: datetime) -> Token | None:
        """The token whose secret this is, if it counts now. Digests are compared, so time tells nothing."""
        digest = token_digest(secret)
        for one in self.tokens:
            if one.digest == digest and (one.expires is None or one.expires > now):
                return one
        return None

    def added(self, row: _Row) -> "OperatorBook":
        """The book with one more. Raises `Conflict` where the name is taken, `Misconfigured` where it cannot be."""
        _demand_name(row)
        rows: tuple[Any, ...] = getattr(self, _PLACES[type(row)])
        if any(one.name == row.name for one in rows):
            raise Conflict(f"there is {_called(row)} {row.name!r} already")
        return self._with(row, (*rows, row))

    def changed(self, row: Operator | Group) -> "OperatorBook":
        """The book with another value of one. Raises `Missing`, or `Conflict` (the last administrator)."""
        rows: tuple[Any, ...] = getattr(self, _PLACES[type(row)])
        if all(one.name != row.name for one in rows):
            raise Missing(f"there is no {type(row).__name__.lower()} {row.name!r}")
        return self._with(row, [row if one.name == row.name else one for one in rows]).unless_unclaimed(self)

    def without(self, kind: type[_Row], name: str) -> "OperatorBook":
        """The book without one. Raises `Missing`, or `Conflict` where no administrator would be left."""
        rows: tuple[Any, ...] = getattr(self, _PLACES[kind])
        if all(one.name != name for one in rows):
            raise Missing(f"there is no {kind.__name__.lower()} {name!r}")
        book: OperatorBook = replace(self, **{_PLACES[kind]: tuple(one for one in rows if one.name != name)})
        return book.unless_unclaimed(self)

    def unless_unclaimed(self, before: "OperatorBook") -> "OperatorBook":
        """This book. Raises `Conflict` where it has no administrator and the one before had."""
        if self.unclaimed and not before.unclaimed:
            raise Conflict("this is the last administrator; make another one first")
        return self

    def _with(self, row: object, rows: Iterable[Any]) -> "OperatorBook":
        changed: dict[str, Any] = {_PLACES[type(row)]: tuple(sorted(rows, key=lambda one: one.name))}
        return replace(self, **changed)


_PLACES: Mapping[type, str] = {Operator: "operators", Group: "groups", Token: "tokens"}


def _united(role: Role, rights: list[Right]) -> Right:
    """One right for several of a role: for all virtual servers where one of them is, else for all that are named."""
    if any(not one.servers for one in rights):
        return Right(role)
    named = tuple(dict.fromkeys(name for one in rights if not one.nowhere for name in one.servers))
    return Right(role, named or NOWHERE)


def _demand_name(row: Operator | Group | Token) -> None:
    if isinstance(row, Group):
        if not _GROUP_NAME.fullmatch(row.name) or not row.name.isprintable():
            raise Misconfigured(f"{row.name!r} is no name of a group: 128 signs at most, and neither : nor ,")
    elif not _NAME.fullmatch(row.name):
        raise Misconfigured(f"{row.name!r} is no name: letters, digits and . _ @ + - only, 64 at most")


def _called(row: object) -> str:
    word = type(row).__name__.lower()
    return f"{'an' if word[0] in 'ao' else 'a'} {word}"


def token_digest(secret: str) -> str:
    """What is kept of a token. It has 256 random bits, so a fast digest hides it as well as a slow one."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


# -- text


def book_text(book: OperatorBook) -> str:
    """The book as its file holds it: JSON, a line a row."""
    groups = [{**_right(one.right), "name": one.name} for one in book.groups]
    whole = {
        "format": _WITH_GROUPS if groups else _FORMAT,
        **({"groups": groups} if groups else {}),
        "operators": [{**_right(one.right), "name": one.name, "hash": one.hashed} for one in book.operators],
        "tokens": [
            {
                **_right(one.right),
                "name": one.name,
                "digest": one.digest,
                "created": one.created.isoformat(),
                "expires": one.expires.isoformat() if one.expires else "",
            }
            for one in book.tokens
        ],
    }
    return json.dumps(whole, indent=1) + "\n"


def read_book(text: str) -> OperatorBook:
    """The book that a text is. Raises `ValueError`, which names no secret."""
    try:
        whole = json.loads(text)
        if whole["format"] not in (_FORMAT, _WITH_GROUPS):
            raise ValueError(f"written by another version (format {whole['format']!r})")
        return OperatorBook(
            tuple(Operator(str(one["name"]), _read_right(one), str(one["hash"])) for one in whole["operators"]),
            tuple(_read_token(one) for one in whole["tokens"]),
            tuple(Group(str(one["name"]), _read_right(one)) for one in whole.get("groups", ())),
        )
    except json.JSONDecodeError as fault:
        raise ValueError(f"line {fault.lineno} is no JSON") from None
    except (KeyError, TypeError, AttributeError, RecursionError, Misconfigured) as fault:
        raise ValueError(f"not a list of operators: {type(fault).__name__} {fault}") from None


def _right(right: Right) -> dict[str, object]:
    return {"role": right.role.value, "servers": list(right.servers)}


def _read_right(row: Mapping[str, Any]) -> Right:
    return Right(Role(row["role"]), tuple(str(one) for one in row["servers"]))


def _read_token(row: Mapping[str, Any]) -> Token:
    expires = datetime.fromisoformat(row["expires"]) if row["expires"] else None
    created = datetime.fromisoformat(row["created"])
    return Token(str(row["name"]), _read_right(row), str(row["digest"]), created, expires)
