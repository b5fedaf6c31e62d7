"""Spellings: how a value is written in the settings file, both ways.

A `Spelling` stands in the `Annotated` type of an option. `parse` turns what TOML gave into the value or raises
`ValueError` with a sentence that says what is wanted; `text` is its inverse. No other module knows the forms.
"""

import enum
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

_E = TypeVar("_E", bound=enum.Enum)

_DURATION = re.compile(r"(\d{1,9})([smhd])", re.ASCII)
_SIZE = re.compile(r"(\d{1,15})(B|KB|MB|GB|TB)?", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZES = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
# Facts 1.4: the dialogs of IIS end at 9999 days.
_LONGEST = timedelta(days=9999)


@dataclass(frozen=True, slots=True)
class Spelling:
    """One form: its name and bounds for people, the way in and the way out. `example` is a value as TOML writes it.

    `words` are all that there are, where a value is one of some words.
    """

    name: str
    parse: Callable[[Any], Any]
    text: Callable[[Any], Any]
    example: str
    bounds: str = ""
    words: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> "CoreSchema":
        """The validator of this form; pydantic asks for it, and only then is it imported."""
        from pydantic_core import core_schema  # noqa: PLC0415 - rules import the values without it

        return core_schema.no_info_plain_validator_function(self.parse)


def count(least: int = 0, most: int = 2_000_000_000) -> Spelling:
    """A whole number within bounds."""

    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError("a whole number without quotes is wanted")
        if not least <= value <= most:
            raise ValueError(f"a number from {least} to {most} is wanted")
        return value

    return Spelling("number", parse, int, str(max(least, 1)), f"{least} to {most}")


def duration(least: timedelta = timedelta(seconds=1)) -> Spelling:
    """A length of time from `least` to 9999 days."""

    def parse(value: object) -> timedelta:
        found = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise ValueError('a duration such as "90s", "15m", "12h" or "2d" is wanted')
        seconds = int(found[1]) * _UNITS[found[2]]
        if not least.total_seconds() <= seconds <= _LONGEST.total_seconds():
            raise ValueError(f"a duration from {duration_text(least)} to {duration_text(_LONGEST)} is wanted")
        return timedelta(seconds=seconds)

    return Spelling("duration", parse, duration_text, '"15m"', f"{duration_text(least)} to {duration_text(_LONGEST)}")


def duration_text(value: timedelta) -> str:
    """A duration in the largest unit that leaves a whole number."""
    seconds = int(value.total_seconds())
    for unit in ("d", "h", "m"):
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{seconds // _UNITS[unit]}{unit}"
    return f"{seconds}s"


def _parse_size(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value == 0:
        return 0
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None or (found[2] is None and int(found[1])):
        raise ValueError('a size such as "2048KB" or "25MB" is wanted, or 0 for no limit')
    return int(found[1]) * _SIZES[found[2] or "B"]


def size_text(value: int) -> str | int:
    """A size in the largest unit that leaves a whole number; small ones in KB, as the dialogs of IIS count."""
    if value == 0:
        return 0
    for unit in ("GB", "MB", "KB"):
        if value % _SIZES[unit] == 0 and (unit != "MB" or value >= 25 * _SIZES["MB"]):
            return f"{value // _SIZES[unit]}{unit}"
    return f"{value}B"


def _parse_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false, without quotes, is wanted")
    return value


def _parse_text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError('text in quotes ("...") is wanted')
    if not value.isprintable():
        raise ValueError("text on one line, without control characters, is wanted")
    return value


def _parse_mode(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"(0?[0-7]{3})?", value):
        raise ValueError('permissions as octal digits in quotes, such as "0770", are wanted')
    return value


def choice(kind: type[_E]) -> Spelling:
    """One of the words of an enumeration."""
    known = tuple(str(member.value) for member in kind)
    words = ", ".join(f'"{word}"' for word in known)

    def parse(value: object) -> _E:
        for member in kind:
            if member.value == value:
                return member
        raise ValueError(f"one of {words} is wanted")

    return Spelling("choice", parse, lambda member: member.value, f'"{known[0]}"', words, known)


def several(inner: Spelling, least: int = 0) -> Spelling:
    """A list of values of one form, which becomes a tuple."""

    def parse(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValueError(f"a list such as [{inner.example}] is wanted")
        if len(value) < least:
            raise ValueError(f"a list with at least {least} in it, such as [{inner.example}], is wanted")
        return tuple(_one(item, inner, value) for item in value)

    return Spelling(
        f"list of {inner.name}s",
        parse,
        lambda items: [inner.text(item) for item in items],
        f"[{inner.example}]",
        inner.bounds,
        inner.words,
    )


def _one(item: object, inner: Spelling, whole: list[object]) -> Any:
    """A value of a list; one of several that does not fit is named."""
    try:
        return inner.parse(item)
    except ValueError as fault:
        if len(whole) == 1:
            raise
        raise ValueError(f"of its values, {toml_text(item)} does not fit: {fault}") from fault


def or_unset(inner: Spelling) -> Spelling:
    """A value of one form, or None, which is written as ""."""

    def parse(value: object) -> Any:
        return None if value == "" else inner.parse(value)

    return Spelling(
        inner.name,
        parse,
        lambda value: "" if value is None else inner.text(value),
        inner.example,
        inner.bounds,
        inner.words,
    )


FLAG = Spelling("flag", _parse_flag, bool, "true")
TEXT = Spelling("text", _parse_text, str, '"text"')
FOLDER = Spelling("folder", _parse_text, str, '"Folder"')
FILE = Spelling("file", _parse_text, str, '"file.pem"')
MODE = Spelling("mode", _parse_mode, str, '"0770"')
SIZE = Spelling("size", _parse_size, size_text, '"2048KB"')

Flag = Annotated[bool, FLAG]
Text = Annotated[str, TEXT]
Folder = Annotated[str, FOLDER]
File = Annotated[str, FILE]
Mode = Annotated[str, MODE]
Size = Annotated[int, SIZE]
Count = Annotated[int, count()]
Port = Annotated[int, count(1, 65535)]
Duration = Annotated[timedelta, duration()]


def toml_text(value: object) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_text(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{name} = {toml_text(item)}' for name, item in value.items())} }}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
