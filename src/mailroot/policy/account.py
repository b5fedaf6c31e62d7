"""Accounts of the embedded store as values, and the text in which they are kept. Makes no hash and opens no file.

The text is JSON, an account a line. Names are compared prepared (RFC 4013) and without regard to case.
"""

import base64
import binascii
import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from mailroot.settings.access import Access
from mailroot.wire.sasl.prepare import prepared
from mailroot.wire.sasl.server import Need
from mailroot.wire.sasl.words import ScramKeys

LONGEST_NAME = 256
LONGEST_PASSWORD = 1024
SECRET_OCTETS = 32
_VERSION = 1
# What would make a name ambiguous: DOMAIN\\user, user%DOMAIN (clients that cannot send a domain), and lists.
_RESERVED = frozenset('\\/%,;"<>')


@dataclass(frozen=True, slots=True)
class KeptKeys:
    """Which keys are kept of a password besides its hash and those of SCRAM, which are of no use to a client.

    The others open their mechanisms to whoever reads them: they are kept where these are switched on.
    """

    cram: bool = False
    nt: bool = False

    @property
    def serve(self) -> frozenset[Need]:
        """The needs of mechanisms that are served by these keys."""
        rows = ((Need.CRAM, self.cram), (Need.NT, self.nt))
        return frozenset({Need.PASSWORD, Need.SCRAM, *(need for need, kept in rows if kept)})


def kept_keys(servers: Iterable[Access]) -> KeptKeys:
    """The keys that these virtual servers need together of the accounts that they share."""
    accesses = list(servers)
    return KeptKeys(
        cram=any(one.basic and one.cram_md5 for one in accesses),
        nt=any(one.integrated and one.ntlm for one in accesses),
    )


@dataclass(frozen=True, slots=True)
class Account:
    """An account: its name as it was given, and what is kept of its password.

    `password` is the Argon2id hash with its parameters, as text. The other keys are there where a mechanism needs them.
    """

    name: str
    password: str = field(repr=False)
    scram: ScramKeys | None = field(default=None, repr=False)
    cram: bytes | None = field(default=None, repr=False)
    nt: bytes | None = field(default=None, repr=False)

    @property
    def serves(self) -> frozenset[Need]:
        """The needs of mechanisms that this account can serve."""
        rows = ((Need.SCRAM, self.scram), (Need.CRAM, self.cram), (Need.NT, self.nt))
        return frozenset({Need.PASSWORD, *(need for need, keys in rows if keys is not None)})


@dataclass(frozen=True, slots=True)
class AccountBook:
    """All accounts of a store by `account_key`, and the secret from which what strangers are told is made up."""

    secret: bytes = field(repr=False)
    accounts: Mapping[str, Account] = field(default_factory=dict)

    def find(self, name: str) -> Account | None:
        """The account of this name, in whatever case it is written."""
        return self.accounts.get(account_key(name))

    def free(self, name: str) -> str:
        """The name, of which there is no account. Raises `LookupError` where there is one."""
        if self.find(name) is not None:
            raise LookupError(f"there is an account {name!r} already")
        return name

    def known(self, name: str) -> Account:
        """The account of this name. Raises `LookupError` where there is none."""
        account = self.find(name)
        if account is None:
            raise LookupError(f"there is no account {name!r}")
        return account

    def added(self, account: Account) -> "AccountBook":
        """The book with one account more. Raises `LookupError` where there is one of this name."""
        self.free(account.name)
        return self._with(account)

    def renewed(self, account: Account) -> "AccountBook":
        """The book in which an account stands anew; its name stays as it was. Raises `LookupError` without one."""
        return self._with(dataclasses.replace(account, name=self.known(account.name).name))

    def _with(self, account: Account) -> "AccountBook":
        return dataclasses.replace(self, accounts={**self.accounts, account_key(account.name): account})

    def without(self, name: str) -> "AccountBook":
        """The book without an account. Raises `LookupError` where there is none of this name."""
        key = account_key(self.known(name).name)
        return dataclasses.replace(self, accounts={one: row for one, row in self.accounts.items() if one != key})


def account_key(name: str) -> str:
    """What is compared of a name; a name that cannot be prepared stands for itself and is nobody's."""
    ready = prepared(name)
    return (name if ready is None else ready).casefold()


def local_name(name: str, domains: frozenset[str]) -> str:
    """The name without its domain where that is one of ours, which are casefolded: "OURS\\\\user" is "user"."""
    domain, slash, user = name.partition("\\")
    return user if slash and domain.casefold() in domains else name


def full_name(name: str, domain: str) -> str:
    """The name with the default domain where it has none: "DOMAIN\\\\user"; "user@domain" has one."""
    return name if not domain or "\\" in name or "@" in name else f"{domain}\\{name}"


def name_fault(name: str) -> str:
    """What is wrong with the name of a new account; "" if nothing."""
    if not name or prepared(name) != name or name != name.strip():
        return "a name has letters, digits and signs that print, and no blank at its ends"
    if len(name) > LONGEST_NAME:
        return f"a name has {LONGEST_NAME} signs at the most"
    if not _RESERVED.isdisjoint(name):
        return f"a name has none of {' '.join(sorted(_RESERVED))}"
    return ""


def password_fault(password: str) -> str:
    """What is wrong with a new password; "" if nothing."""
    if not password:
        return "an empty password is none"
    if len(password) > LONGEST_PASSWORD:
        return f"a password has {LONGEST_PASSWORD} signs at the most"
    if prepared(password) is None:
        return "a password has no control signs"
    return ""


def book_text(book: AccountBook) -> str:
    """The text of a book."""
    rows = [json.dumps(_row(account), ensure_ascii=False) for _, account in sorted(book.accounts.items())]
    head = f'{{"version": {_VERSION}, "secret": "{_text(book.secret)}", "accounts": ['
    return "\n".join([head, ",\n".join(rows), "]}", ""]) if rows else f"{head}]}}\n"


def read_book(text: str) -> AccountBook:
    """The book that the text holds. Raises `ValueError`, which names the place and shows nothing of what is there."""
    try:
        whole = json.loads(text)
    except ValueError as fault:
        place = f"line {fault.lineno}" if isinstance(fault, json.JSONDecodeError) else "a number"
        raise ValueError(f"{place} is no JSON") from None
    if not isinstance(whole, dict) or whole.get("version") != _VERSION:
        raise ValueError("it is no file of accounts that this version knows")
    rows = whole.get("accounts")
    if not isinstance(rows, list):
        raise ValueError("it has no list of accounts")  # noqa: TRY004 - what is wrong is the text
    secret = _octets(whole.get("secret"), "the secret")
    if len(secret) < SECRET_OCTETS:
        raise ValueError("the secret is too short")
    accounts: dict[str, Account] = {}
    for number, row in enumerate(rows, 1):
        account = _account(row, f"account {number}")
        if account_key(account.name) in accounts:
            raise ValueError(f"account {number} is there twice")
        accounts[account_key(account.name)] = account
    return AccountBook(secret, MappingProxyType(accounts))


def _row(account: Account) -> dict[str, object]:
    row: dict[str, object] = {"name": account.name, "password": account.password}
    if account.scram:
        keys = account.scram
        row["scram"] = [_text(keys.salt), keys.iterations, _text(keys.stored_key), _text(keys.server_key)]
    if account.cram:
        row["cram"] = _text(account.cram)
    if account.nt:
        row["nt"] = _text(account.nt)
    return row


def _account(row: Any, place: str) -> Account:
    if not isinstance(row, dict):
        raise ValueError(f"{place} is no account")  # noqa: TRY004
    name, password = row.get("name"), row.get("password")
    if not isinstance(name, str) or name_fault(name):
        raise ValueError(f"{place} has no name that can be")
    if not isinstance(password, str) or not password.startswith("$argon2id$"):
        raise ValueError(f"{place} has no password's hash")
    return Account(
        name,
        password,
        scram=_scram(row["scram"], place) if "scram" in row else None,
        cram=_octets(row["cram"], place, 32) if "cram" in row else None,
        nt=_octets(row["nt"], place, 16) if "nt" in row else None,
    )


def _scram(value: Any, place: str) -> ScramKeys:
    if not isinstance(value, list) or len(value) != 4 or not isinstance(value[1], int):
        raise ValueError(f"{place}: its SCRAM keys")
    salt, iterations, stored, server = value
    return ScramKeys(_octets(salt, place), iterations, _octets(stored, place, 32), _octets(server, place, 32))


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def _octets(value: Any, place: str, length: int = 0) -> bytes:
    try:
        octets = base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise ValueError(f"{place} has a key that is no base64") from None
    if length and len(octets) != length:
        raise ValueError(f"{place} has a key of the wrong length")
    return octets
