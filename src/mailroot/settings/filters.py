"""Search filters (RFC 4515) as templates: `{address}` and its like are places for values.

Values are put into the parsed filter, never into its text: nothing that a client writes into an address can change
what is asked (`routing.directory.questions` fills them in).
"""

import re
from dataclasses import dataclass, field
from typing import Annotated, TypeAlias

from mailroot.settings.spelling import Spelling

_DEPTH = 20
_ITEM = re.compile(
    r"(?P<attribute>[A-Za-z][A-Za-z0-9.;-]*|[0-9][0-9.]*)?"
    r"(?P<dn>:dn)?(?P<rule>:[A-Za-z0-9.-]+)?(?P<sign>:=|[~<>]?=)(?P<value>[^()]*)",
    re.ASCII,
)
_OCTET = re.compile(rb"\\([0-9A-Fa-f]{2})|\\")
_PLACE = re.compile(r"\{([a-z]+)\}")


@dataclass(frozen=True, slots=True)
class Value:
    """Octets with places in them: what stands before each place, and behind the last; the places' names."""

    fixed: tuple[bytes, ...]
    places: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Filters that must all hold ("&"), one of them ("|"), or the one that must not ("!")."""

    sign: str
    inner: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """An attribute is equal ("="), "~=", ">=" or "<=" to a value."""

    sign: str
    attribute: str
    value: Value


@dataclass(frozen=True, slots=True)
class Present:
    """An attribute is there."""

    attribute: str


@dataclass(frozen=True, slots=True)
class Substrings:
    """An attribute has these pieces in this order; the first and the last, at the ends of the value, may be empty."""

    attribute: str
    pieces: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Extensible:
    """A matching rule decides, such as ":1.2.840.113556.1.4.803:"; `of_names` looks at the entry's name too."""

    rule: str
    attribute: str
    value: Value
    of_names: bool


Node: TypeAlias = Group | Compared | Present | Substrings | Extensible


@dataclass(frozen=True, slots=True)
class SearchFilter:
    """A filter as it is written, and what it stands for. `places` are the names of the values that it needs."""

    text: str
    root: Node = field(compare=False, repr=False)
    places: frozenset[str] = field(compare=False, repr=False)

    def __str__(self) -> str:
        return self.text


def parse_filter(value: object, known: frozenset[str]) -> SearchFilter:
    """The filter that a text stands for; raises `ValueError`, also for a place that is not `known`."""
    wanted = 'a search filter such as "(mail={address})" is wanted'
    if not isinstance(value, str):
        raise ValueError(wanted)
    text = value.strip()
    root, end = _node(text, 0, 0)
    if end != len(text):
        raise ValueError(f"behind the filter stands {text[end:][:20]!r}")
    places = frozenset(_PLACE.findall(text))
    if not places or places - known:
        names = " or ".join(f"{{{name}}}" for name in sorted(known))
        raise ValueError(f"{wanted}, with {names} in it and no other place")
    return SearchFilter(text, root, places)


def filter_spelling(*known: str) -> Spelling:
    """How a filter with these places is written."""
    example = f'"(mail={{{known[0]}}})"'
    return Spelling("filter", lambda value: parse_filter(value, frozenset(known)), str, example)


def _node(text: str, place: int, depth: int) -> tuple[Node, int]:
    if depth > _DEPTH:
        raise ValueError(f"the filter is nested more than {_DEPTH} times")
    if text[place : place + 1] != "(":
        raise ValueError(f'in the filter, "(" is wanted at {text[place:][:20]!r}')
    sign = text[place + 1 : place + 2]
    if sign and sign in "&|!":
        return _group(text, place + 2, depth, sign)
    end = text.find(")", place)
    if end < 0:
        raise ValueError('in the filter, a ")" is missing')
    return _item(text[place + 1 : end]), end + 1


def _group(text: str, place: int, depth: int, sign: str) -> tuple[Node, int]:
    inner: list[Node] = []
    while text[place : place + 1] == "(":
        one, place = _node(text, place, depth + 1)
        inner.append(one)
    if text[place : place + 1] != ")":
        raise ValueError(f'in the filter, ")" is wanted at {text[place:][:20]!r}')
    if not inner or (sign == "!" and len(inner) != 1):
        raise ValueError('in the filter, "!" has one comparison in it, "&" and "|" at least one')
    return Group(sign, tuple(inner)), place + 1


def _item(text: str) -> Node:
    match = _ITEM.fullmatch(text)
    if match is None:
        raise ValueError(f"in the filter, {text!r} is no comparison")
    attribute, rule, value, sign = match["attribute"] or "", (match["rule"] or "")[1:], match["value"], match["sign"]
    if not (attribute or (rule and sign == ":=")) or (sign != ":=" and (match["dn"] or rule)):
        raise ValueError(f"in the filter, {text!r} names no attribute")
    if sign == ":=":
        return Extensible(rule, attribute, _value(value), match["dn"] is not None)
    if sign != "=" or "*" not in value:
        return Compared(sign, attribute, _value(value))
    if value == "*":
        return Present(attribute)
    first, *between, last = (_value(piece) for piece in value.split("*"))
    return Substrings(attribute, (first, *(one for one in between if one != _NOTHING), last))


def _value(text: str) -> Value:
    parts = _PLACE.split(text)
    return Value(tuple(_octets(part) for part in parts[::2]), tuple(parts[1::2]))


def _octets(text: str) -> bytes:
    def octet(found: re.Match[bytes]) -> bytes:
        if found[1] is None:
            raise ValueError(f'in {text!r} two hexadecimal digits must follow "\\"')
        return bytes((int(found[1], 16),))

    return _OCTET.sub(octet, text.encode())


_NOTHING = Value((b"",))
RECIPIENT_FILTER = filter_spelling("address", "local", "domain")
ACCOUNT_FILTER = filter_spelling("user")
RecipientFilter = Annotated[SearchFilter, RECIPIENT_FILTER]
AccountFilter = Annotated[SearchFilter, ACCOUNT_FILTER]
