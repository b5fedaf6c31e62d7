"""The extensions of SMTP that the server has: what EHLO lists, and the parameters that MAIL and RCPT take.

An extension is added by rows here. Each parameter is parsed by a pure function that gives None for a faulty value.
"""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from mailroot.mail.envelope import Body, Notify, Return
from mailroot.mail.reply import REPLIES, Reply
from mailroot.wire.grammar import is_xtext

_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^\x00-\x20=\x7f]+))?")
_SIZE = re.compile(r"[0-9]{1,20}")
_BODIES = {body.value: body for body in Body}
_RETURNS = {kind.value: kind for kind in Return}
_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9-]+")

_INVALID: Reply = REPLIES.invalid_arguments()


def _size(value: str | None) -> int | None:
    return int(value) if value is not None and _SIZE.fullmatch(value) else None


def _body(value: str | None) -> Body | None:
    return _BODIES.get(value.upper()) if value is not None else None


def _return(value: str | None) -> Return | None:
    return _RETURNS.get(value.upper()) if value is not None else None


def _flag(value: str | None) -> bool | None:
    return True if value is None else None


def _submitter(value: str | None) -> str | None:
    # RFC 4954 section 5: xtext, or <>; at most 500 characters
    if value is None or len(value) > 500:
        return None
    return value if value == "<>" or is_xtext(value) else None


def _envid(value: str | None) -> str | None:
    # RFC 3461 section 4.4: at most 100 characters
    return value if value is not None and len(value) <= 100 and is_xtext(value) else None


def _orcpt(value: str | None) -> str | None:
    # RFC 3461 section 4.2: address type, semicolon, xtext; at most 500 characters
    if value is None or len(value) > 500:
        return None
    kind, _, address = value.partition(";")
    return value if _ADDRESS_TYPE.fullmatch(kind) and is_xtext(address) else None


def _notify(value: str | None) -> Notify | None:
    """NEVER alone, or others each once (RFC 3461 section 4.1)."""
    if value is None:
        return None
    wanted = Notify.NEVER
    words = value.upper().split(",")
    if words == ["NEVER"]:
        return wanted
    for word in words:
        kind = _NOTIFY.get(word)
        if kind is None or kind in wanted:
            return None
        wanted |= kind
    return wanted


_NOTIFY = {"SUCCESS": Notify.SUCCESS, "FAILURE": Notify.FAILURE, "DELAY": Notify.DELAY}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of MAIL or RCPT: the field that it fills, and the function that reads its value."""

    field: str
    parse: Callable[[str | None], object]


MAIL_PARAMETERS: Mapping[str, Parameter] = MappingProxyType(
    {
        "SIZE": Parameter("size", _size),  # RFC 1870 section 6
        "BODY": Parameter("body", _body),  # RFC 6152 section 2, RFC 3030 section 3
        "SMTPUTF8": Parameter("smtputf8", _flag),  # RFC 6531 section 3.4
        "RET": Parameter("ret", _return),  # RFC 3461 section 4.3
        "ENVID": Parameter("envid", _envid),  # RFC 3461 section 4.4
        "AUTH": Parameter("auth", _submitter),  # RFC 4954 section 5
    }
)
RCPT_PARAMETERS: Mapping[str, Parameter] = MappingProxyType(
    {
        "NOTIFY": Parameter("notify", _notify),  # RFC 3461 section 4.1
        "ORCPT": Parameter("orcpt", _orcpt),  # RFC 3461 section 4.2
    }
)


def parse_parameters(text: str, known: Mapping[str, Parameter]) -> dict[str, object] | Reply:
    """The parameters in `text` as values by field, or the refusal: 555 for an unknown one, 501 for a faulty one."""
    values: dict[str, object] = {}
    for word in text.split(" "):
        if not word:
            continue
        found = _PARAMETER.fullmatch(word)
        if found is None:
            return _INVALID
        name = found[1].upper()
        parameter = known.get(name)
        if parameter is None:
            unknown: Reply = REPLIES.unknown_parameter(name=name)
            return unknown
        value = parameter.parse(found[2])
        if value is None or parameter.field in values:
            return _INVALID
        values[parameter.field] = value
    return values


class Terms(NamedTuple):
    """What EHLO depends on. `holds`: ETRN is offered; `turns`: TURN and ATRN are."""

    size_limit: int
    mechanisms: tuple[str, ...] = ()
    starttls: bool = False
    holds: bool = False
    turns: bool = False


@functools.lru_cache(maxsize=64)
def hello_keywords(terms: Terms) -> tuple[str, ...]:
    """What EHLO lists after its first line, in the order of the predecessor; SMTPUTF8 is ours.

    `AUTH=` is what clients looked for before there was a standard (facts 5.2); it names what they know.
    """
    size_limit, mechanisms, starttls, holds, turns = terms
    return (
        *((f"AUTH {' '.join(mechanisms)}",) if mechanisms else ()),
        *(("AUTH=LOGIN",) if "LOGIN" in mechanisms else ()),
        *(("TURN", "ATRN") if turns else ()),
        f"SIZE {size_limit}" if size_limit else "SIZE",
        *(("ETRN",) if holds else ()),
        "PIPELINING",
        "DSN",
        "ENHANCEDSTATUSCODES",
        "8bitmime",
        "BINARYMIME",
        "CHUNKING",
        "VRFY",
        "SMTPUTF8",
        *(("STARTTLS",) if starttls else ()),
        "OK",
    )
