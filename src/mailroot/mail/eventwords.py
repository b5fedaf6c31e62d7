"""What an event says on one line of text, for logs that people read; and how often the same is said."""

import re
from collections.abc import Iterator, Mapping
from json.encoder import encode_basestring_ascii

from mailroot.mail.events import EventRow

# A longer value is cut; so is a line.
VALUE_LIMIT, LINE_LIMIT = 500, 2_000
_ODD = re.compile(r'[ "=\\]')
_WORD = re.compile(r"[!#-<>-\[\]-~]{1,500}", re.ASCII)  # what is plain: no blank, quote, "=" or backslash


def words_of(row: EventRow, fields: Mapping[str, object]) -> str:
    """The event in words: the predecessor's where the row has them, else its name with its fields.

    Printable ASCII: what a stranger said can neither end the line nor steer a terminal.
    """
    if row.words:
        text = row.words.format_map(_Shown(fields))
    else:
        told = [f"{name}={value}" for name, value in fields.items() if value != ""]
        text = " ".join([row.name, *told])
        if _is_plain(text, len(told)):
            return text
        text = " ".join([row.name, *(f"{name}={_value(value)}" for name, value in fields.items() if value != "")])
    return text if len(text) <= LINE_LIMIT else text[:LINE_LIMIT] + "..."


def _is_plain(text: str, values: int) -> bool:
    """Whether no value is to be changed: as nearly always, and seen at once for all of them."""
    return (
        len(text) <= VALUE_LIMIT
        and text.isascii()
        and text.isprintable()
        and text.count(" ") == values == text.count("=")
        and '"' not in text
        and "\\" not in text
    )


class _Shown(dict[str, str]):
    def __init__(self, fields: Mapping[str, object]) -> None:
        super().__init__({name: shown(value) for name, value in fields.items()})

    def __missing__(self, _name: str) -> str:
        return ""


def shown(value: object) -> str:
    """A value as printable ASCII, cut where it is long."""
    text = str(value)
    if len(text) > VALUE_LIMIT:
        text = text[:VALUE_LIMIT] + "..."
    return text if text.isascii() and text.isprintable() else encode_basestring_ascii(text)[1:-1].replace("\x7f", "?")


def _value(value: object) -> str:
    # Nearly all values are numbers and short words; the rest takes the longer way.
    if type(value) is int or (type(value) is str and _WORD.fullmatch(value)):
        return str(value)
    text = shown(value)
    return text if text and not _ODD.search(text) else '"' + text.replace('"', "'") + '"'


class Repeats:
    """Says the same once a minute. Bounded: while too much that differs is remembered, everything is said."""

    def __init__(self, window: float = 60.0, most: int = 1_000) -> None:
        self._window = window
        self._most = most
        self._said: dict[str, tuple[float, int]] = {}

    def admits(self, text: str, now: float) -> bool:
        """Whether this is to be said now; else it is counted. `now` in seconds that never go back."""
        said = self._said.get(text)
        if said is None or now >= said[0] + self._window:
            if said is not None or len(self._said) < self._most:
                self._said[text] = now, 0
            return True
        self._said[text] = said[0], said[1] + 1
        return False

    def ended(self, now: float) -> Iterator[tuple[str, int]]:
        """What was counted and whose minute is over, with how often that was; it is forgotten."""
        over = [text for text, (since, _) in self._said.items() if now >= since + self._window]
        for text in over:
            _, count = self._said.pop(text)
            if count:
                yield text, count
