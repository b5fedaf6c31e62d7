"""From an option's declaration to a field of a form, and from what was typed back to a value as the settings write it.

Pure: no request and no page is known here. What is wrong with a value is said by the option's own spelling.
"""

import enum
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mailroot.settings.declared import Declared, Parts, key_text
from mailroot.settings.spelling import toml_text

_UNIT_OF_LABEL = re.compile(r" \((KB|minutes)\)$")
_NUMBER = re.compile(r"(\d{1,15})([A-Za-z]*)", re.ASCII)
_DURATIONS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_SIZES = {"B": "octets", "KB": "KB", "MB": "MB", "GB": "GB", "TB": "TB"}
_WORDS = {
    **{word: word.upper() for word in ("dns", "tls", "url", "id", "ca", "ntlm", "md5", "odbc", "rcpt")},
}
# Where the dialogs of IIS had one button or box for what are two options here.
_LABELS: Mapping[Parts, str] = {
    ("general", "bindings"): "IP address and port (Advanced)",
    ("access", "key"): "Private key of the certificate",
    ("access", "cram_md5"): "CRAM-MD5",
    ("access", "user_in_received"): "Name the user in Received",
    ("access", "names", "*", "key"): "Private key of the certificate",
    ("access", "tls"): "TLS (secure channel)",
    ("access", "connection", "mode"): "Who may connect",
    ("access", "relay", "mode"): "Who may relay",
    ("delivery", "security", "authentication"): "How we sign in",
    ("domains", "*", "security", "authentication"): "How we sign in",
    ("collect", "*", "security", "authentication"): "How we sign in",
}


class Control(enum.Enum):
    """What a value is typed into."""

    CHECKBOX = "checkbox"
    NUMBER = "number"
    MEASURE = "measure"  # a number with a unit
    CHOICE = "choice"
    LIST = "list"
    TEXT = "text"
    SECRET = "secret"  # noqa: S105 - a kind of field


@dataclass(frozen=True, slots=True)
class Field:
    """One option as a form has it. `key` is its full key; `units` by what the settings write for them."""

    key: str
    label: str
    control: Control
    found: Declared
    units: Mapping[str, str]
    choices: tuple[str, ...]
    optional: bool

    @property
    def default(self) -> str:
        """The default for people."""
        return self.shown(self.found.text(self.found.default))

    @property
    def needs(self) -> str:
        """What a change needs before it counts."""
        return self.found.option.applies.value

    @property
    def bounds(self) -> tuple[str, str]:
        """The least and the largest number; "" where there is none."""
        least, _, most = self.found.spelling.bounds.partition(" to ")
        return (least, most) if least.isdigit() and most.isdigit() else ("", "")

    def shown(self, value: Any) -> str:
        """A value, as the settings write it, for people."""
        if self.control is Control.SECRET:
            return "set" if value else "not set"
        if self.control is Control.CHECKBOX:
            return "yes" if value else "no"
        if isinstance(value, list):
            return ", ".join(str(item) for item in value) or "none"
        if self.control is Control.MEASURE and value not in {"", 0}:
            number, unit = split(value)
            return f"{number} {self.units.get(unit, unit)}" if number else str(value)
        return str(value) if value not in {"", None} else "empty"

    def typed(self, value: Any) -> "Typed":
        """What stands in the field for a value as the settings write it."""
        if self.control is Control.SECRET:
            return Typed("", secret_set=bool(value))
        if self.control is Control.CHECKBOX:
            return Typed("on" if value else "")
        if isinstance(value, list):
            return Typed("\n".join(str(item) for item in value))
        if self.control is Control.MEASURE:
            number, unit = split(value)
            return Typed(number, unit or self._first_unit())
        return Typed("" if value is None else str(value))

    def _first_unit(self) -> str:
        return "KB" if "KB" in self.units else "m"

    def value(self, form: Mapping[str, str]) -> Any:
        """What was typed, as the settings write it; None where a secret is to stay as it is.

        Raises `ValueError` with a sentence where it is none.
        """
        text = form.get(self.key, "")
        value = self._read(text.replace("\r\n", "\n"), form)
        if value is not None:
            try:
                self.found.spelling.parse(value)
            except ValueError as fault:
                raise ValueError(_plain(str(fault))) from fault
        return value

    def _read(self, text: str, form: Mapping[str, str]) -> Any:
        match self.control:
            case Control.CHECKBOX:
                return bool(text)
            case Control.SECRET:
                return "" if form.get(f"{self.key}:remove") else text or None
            case Control.LIST:
                lines = [line.strip() for line in text.split("\n") if line.strip()]
                single = not self.found.spelling.name.startswith("list")
                return "".join(lines) if single and len(lines) < 2 else lines
            case Control.NUMBER | Control.MEASURE:
                return self._number(text.strip(), form)
        return text.strip()

    def _number(self, text: str, form: Mapping[str, str]) -> Any:
        if not text and self.optional:
            return ""
        if not re.fullmatch(r"\d{1,15}", text, re.ASCII):
            least, most = self.bounds
            within = f" from {least} to {most}" if least else ", of 15 digits at most,"
            raise ValueError(f"a whole number{within} is wanted")
        if self.control is Control.NUMBER or ("KB" in self.units and int(text) == 0):
            return int(text)
        return f"{int(text)}{form.get(f'{self.key}:unit', '')}"


@dataclass(frozen=True, slots=True)
class Typed:
    """What stands in a field: its text, its unit, and of a secret whether there is one."""

    text: str
    unit: str = ""
    secret_set: bool = False


def field(found: Declared, full: Parts) -> Field:
    """The field for an option; `full` are the parts of its key, with the names that users gave."""
    spelling = found.spelling
    units = {"duration": _DURATIONS, "size": _SIZES}.get(spelling.name, {})
    choices = tuple(json.loads(f"[{spelling.bounds}]")) if spelling.name == "choice" else ()
    option = found.option
    label = _LABELS.get(found.parts[2:]) or option.label or option.caption or _named(found.parts[-1])
    label = _UNIT_OF_LABEL.sub("", label).replace("...", "")
    return Field(key_text(full), label, _control(found), found, units, choices, _may_be_empty(found))


def _may_be_empty(found: Declared) -> bool:
    """Whether nothing may be written for a number."""
    try:
        return found.spelling.parse("") is None
    except ValueError:
        return False


def _control(found: Declared) -> Control:
    name = found.spelling.name
    if found.option.secret:
        return Control.SECRET
    if name.startswith("list") or (name == "smart host" and isinstance(found.default, tuple)):
        return Control.LIST
    kinds = {
        "flag": Control.CHECKBOX,
        "number": Control.NUMBER,
        "duration": Control.MEASURE,
        "size": Control.MEASURE,
        "choice": Control.CHOICE,
    }
    return kinds.get(name, Control.TEXT)


def _named(name: str) -> str:
    """A label for an option that IIS had not: its name, in words."""
    words = [_WORDS.get(word, word) for word in name.split("_")]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])


def _plain(sentence: str) -> str:
    """The spelling's sentence without what only concerns a file: quotes, and the brackets of a list."""
    return sentence.replace(", without quotes,", "").replace(" without quotes", "").replace(" in quotes", "")


def split(value: Any) -> tuple[str, str]:
    """Number and unit of a duration or a size as the settings write it."""
    found = _NUMBER.fullmatch(str(value))
    return (found[1], found[2]) if found else ("", "")


def changes(
    fields: Iterable[Field], form: Mapping[str, str], was: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The values that differ from what the form was made with, by key, and what is wrong, by key.

    `was` has the values as they stood in the form; a field that is not in it was not there.
    """
    changed: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for one in fields:
        if one.key not in was:
            continue
        try:
            value = one.value(form)
        except ValueError as fault:
            wrong[one.key] = str(fault)
            continue
        if value is not None and not _same(one, value, was[one.key]):
            changed[one.key] = value
    return changed, wrong


def _same(one: Field, value: Any, before: Any) -> bool:
    """Whether two spellings mean the same: 60m is 1h."""
    if one.control is Control.SECRET:
        return not value and not before
    if toml_text(value) == toml_text(before):
        return True
    try:
        return bool(one.found.spelling.parse(value) == one.found.spelling.parse(before))
    except ValueError:
        return False
