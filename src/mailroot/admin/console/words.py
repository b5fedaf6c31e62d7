"""How values are shown: times, ages, sizes and names of columns, in words. Pure; templates escape all of it."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup, escape

TIMES = frozenset("at since arrived due oldest next started time modified expires created coming delay_notice".split())
SIZES = frozenset({"size"})

_NAMES = {
    "name": "Name",
    "message_id": "Message-ID",
    "tls": "TLS",
    "goes_to": "Mail goes to",
    "x_sender": "Sender",
    "by": "By",
    "mail_from": "Sender",
    "at": "Time",
    "path": "Option",
    "due": "Next attempt",
    "coming": "Attempts to come",
    "last": "Last reply",
    "smtputf8": "SMTPUTF8",
    "ret": "RET",
    "envid": "ENVID",
    "notify": "NOTIFY",
    "orcpt": "ORCPT",
}
_TYPES = {
    "default": "Local (Default)",
    "alias": "Local (Alias)",
    "custom": "Local (Custom)",
    "remote": "Remote",
}
_STEPS = ((86400, "d"), (3600, "h"), (60, "min"))
_TICKED = re.compile(r"`([^`]+)`")
_UNITS = ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB"))


def moment(value: Any) -> datetime | None:
    """The moment that a value stands for: ISO 8601, or seconds since 1970; None where it is none."""
    if isinstance(value, bool) or value is None or value == "":
        return None
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        found = datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def iso(value: Any) -> str:
    """A moment as programs read it."""
    found = moment(value)
    return found.strftime("%Y-%m-%dT%H:%M:%SZ") if found else ""


def utc(value: Any) -> str:
    """A moment for people, in UTC; what is none stays as it is."""
    found = moment(value)
    return found.strftime("%Y-%m-%d %H:%M:%S") if found else shown(value)


def age(value: Any, now: datetime | None = None) -> str:
    """How long ago a moment is, in its two largest units."""
    found = moment(value)
    if found is None:
        return shown(value)
    seconds = max(int(((now or datetime.now(UTC)) - found).total_seconds()), 0)
    words: list[str] = []
    for length, word in _STEPS:
        if seconds >= length or words:
            words.append(f"{seconds // length} {word}")
            seconds %= length
    return " ".join(words[:2]) if words else f"{seconds} s"


def size(value: Any) -> str:
    """Octets for people."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return shown(value)
    for unit, word in _UNITS:
        if value >= unit:
            return f"{value / unit:.1f} {word}"
    return f"{value} octets"


def shown(value: Any) -> str:
    """Any value of a row as text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {shown(one)}" for name, one in value.items())
    if isinstance(value, Sequence):
        return ", ".join(shown(one) for one in value)
    return str(value)


def named(column: str) -> str:
    """The heading of a column: its name in the table of operations, in words."""
    return _NAMES.get(column) or column.replace("_", " ").capitalize()


def ticked(sentence: str) -> Markup:
    """A sentence of a declaration: what stands between backticks is a name, and looks like one."""
    return Markup(_TICKED.sub(r"<code>\1</code>", str(escape(sentence))))  # noqa: S704 - escaped before


def domain_type(word: str) -> str:
    """A domain's type as IIS lists it."""
    return _TYPES.get(word, word)
