"""Requests as octets, and what a directory answers as values (RFC 4511). Only what a client of a mail server needs."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from mailroot.wire.ldap.ber import (
    ENUMERATED,
    OCTETS,
    SEQUENCE,
    SET,
    Reader,
    boolean,
    integer,
    tlv,
)

_VERSION = integer(3)
_START_TLS = b"1.3.6.1.4.1.1466.20037"  # RFC 4511 section 4.14.1
_UNBIND, _ABANDON = 0x42, 0x50
_BIND, _SEARCH, _EXTENDED = 0x60, 0x63, 0x77
_BOUND, _FOUND, _DONE, _REFERENCE, _ANSWERED = 0x61, 0x64, 0x65, 0x73, 0x78
_NEVER_DEREFERENCE = tlv(ENUMERATED, b"\0")
# A directory that hangs thousands of values on an attribute that we ask for is cut: members come in ranges anyway.
_MOST_ATTRIBUTES = 100


class Code(enum.IntEnum):
    """Result codes that mean something to us (RFC 4511 appendix A)."""

    SUCCESS = 0
    OPERATIONS_ERROR = 1
    TIME_LIMIT = 3
    SIZE_LIMIT = 4
    STRONGER_AUTH = 8
    REFERRAL = 10
    ADMIN_LIMIT = 11
    CONFIDENTIALITY = 13
    SASL_CONTINUES = 14
    NO_OBJECT = 32
    BAD_NAME = 34
    INVALID_CREDENTIALS = 49
    INSUFFICIENT_ACCESS = 50
    BUSY = 51
    UNAVAILABLE = 52
    UNWILLING = 53


class Scope(enum.IntEnum):
    """How far below the base a search goes."""

    BASE = 0
    SUBTREE = 2


@dataclass(frozen=True, slots=True)
class Search:
    """A question. `filter` is encoded; the limits are what the directory is asked to keep, 0: none."""

    base: str
    scope: Scope
    filter: bytes
    attributes: tuple[str, ...]
    size_limit: int = 0
    time_limit: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """How an operation ended. `text` is the directory's own; `referrals` are where it would send us."""

    code: int
    text: str = ""
    referrals: tuple[str, ...] = ()
    credentials: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Found:
    """One entry. Names of attributes are in lower case; values are octets."""

    dn: str
    attributes: Mapping[str, tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A part of the answer that another directory would have to give; we never go there."""

    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Farewell:
    """The directory ends the connection (RFC 4511 section 4.4.1)."""

    text: str


Answer: TypeAlias = Result | Found | Elsewhere | Farewell


def bind(number: int, name: str, password: str) -> bytes:
    """Sign in by name and password; two empty ones are anonymous."""
    return _message(number, tlv(_BIND, _VERSION, _text(name), tlv(0x80, password.encode())))


def bind_by(number: int, mechanism: str, credentials: bytes | None) -> bytes:
    """One step of signing in by a SASL mechanism."""
    said = b"" if credentials is None else tlv(OCTETS, credentials)
    return _message(number, tlv(_BIND, _VERSION, _text(""), tlv(0xA3, _text(mechanism), said)))


def start_tls(number: int) -> bytes:
    """Ask that TLS may begin."""
    return _message(number, tlv(_EXTENDED, tlv(0x80, _START_TLS)))


def search(number: int, asked: Search) -> bytes:
    """Ask for entries."""
    attributes = [_text(name) for name in asked.attributes]
    return _message(
        number,
        tlv(
            _SEARCH,
            _text(asked.base),
            integer(asked.scope, ENUMERATED),
            _NEVER_DEREFERENCE,
            integer(asked.size_limit),
            integer(asked.time_limit),
            boolean(False),
            asked.filter,
            tlv(SEQUENCE, *attributes),
        ),
    )


def abandon(number: int, abandoned: int) -> bytes:
    """Say that nobody waits for an answer any more."""
    return _message(number, integer(abandoned, _ABANDON))


def unbind(number: int) -> bytes:
    """Say goodbye."""
    return _message(number, tlv(_UNBIND, b""))


def read(message: bytes) -> tuple[int, Answer | None]:
    """The number of the request, and what a whole message says; None for what we never asked for.

    Raises `BadBer` for what is no LDAP message.
    """
    reader = Reader(message).inner()
    number = reader.integer()
    tag = reader.tag
    if tag == _FOUND:
        return number, _entry(reader.inner(_FOUND))
    if tag in {_DONE, _BOUND, _ANSWERED}:
        result = _result(reader.inner(tag))
        return (number, result) if number else (0, Farewell(result.text or f"result {result.code}"))
    if tag == _REFERENCE:
        return number, Elsewhere(_urls(reader.inner(_REFERENCE)))
    return number, None


def _entry(reader: Reader) -> Found:
    dn = _read_text(reader.octets())
    listed, attributes = reader.inner(), dict[str, tuple[bytes, ...]]()
    while listed.more and len(attributes) < _MOST_ATTRIBUTES:
        pair = listed.inner()
        name, values = _read_text(pair.octets()).lower(), pair.inner(SET)
        found = []
        while values.more:
            found.append(values.octets())
        attributes[name] = tuple(found)
    return Found(dn, attributes)


def _result(reader: Reader) -> Result:
    code = reader.integer(ENUMERATED)
    reader.octets()
    text = _read_text(reader.octets())
    referrals: tuple[str, ...] = ()
    credentials = b""
    while reader.more:
        if reader.tag == 0xA3:
            referrals = _urls(reader.inner(0xA3))
        elif reader.tag == 0x87:
            credentials = reader.octets(0x87)
        else:
            reader.skip()
    return Result(code, " ".join(text.split())[:500], referrals, credentials)


def _urls(reader: Reader) -> tuple[str, ...]:
    found: list[str] = []
    while reader.more and len(found) < 10:
        found.append(_read_text(reader.octets())[:500])
    return tuple(found)


def _message(number: int, operation: bytes) -> bytes:
    return tlv(SEQUENCE, integer(number), operation)


def _text(text: str) -> bytes:
    return tlv(OCTETS, text.encode("utf-8", "replace"))


def _read_text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")
