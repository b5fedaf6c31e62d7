"""What an event says on one line of text, for logs that people read; and how often the same is said."""

import re
from collections.abc import Iterator, Mapping
from json.encoder import encode_basestring_ascii

from mailroot.mail.events import EventRow

# A longer value is cut; so is a line.
VALUE_LIMIT, LINE_LIMIT = 500, 2_000
_ODD = re.compile(r'[ "=\\]')
_SEVERAL = (list, tuple)
# What has no meaning in a line of fields, and may stand in it.
_USUAL = bytes(sign for sign in range(0x21, 0x7F) if sign not in b'"=\\')


def words_of(row: EventRow, fields: Mapping[str, object]) -> str:
    """The event in words: the predecessor's where the row has them, else its name with its fields.

    Printable ASCII: what a stranger said can neither end the line nor steer a terminal.
    """
    if row.words:
        text = row.words.format_map(_Shown(fields))
    else:
        text = _quickly(row.name, fields) or " ".join(
            [row.name, *(f"{name}={_value(value)}" for name, value in fields.items() if shown(value))]
        )
    return text if len(text) <= LINE_LIMIT else text[:LINE_LIMIT] + "..."


def _quickly(event: str, fields: Mapping[str, object]) -> str:
    """The same by looking once at the whole line; "" where a value has more to it than blanks, as few have."""
    told, quoted, blanks = [event], 0, 0
    for name, value in fields.items():
        text = value if value.__class__ is str else _as_text(value)
        if " " in text:
            told.append(f'{name}="{text}"')
            quoted += 1
            blanks += text.count(" ")
        elif text:
            told.append(f"{name}={text}")
    line = " ".join(told)
    if len(line) > VALUE_LIMIT or not line.isascii():
        return ""
    odd = line.encode().translate(None, _USUAL)
    ours = len(told) - 1
    plain = (
        len(odd) == 2 * ours + 2 * quoted + blanks
        and odd.count(b"=") == ours
        and odd.count(b'"') == 2 * quoted
        and odd.count(b" ") == ours + blanks
    )
    return line if plain else ""


def _as_text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, _SEVERAL) else str(value)


class _Shown(dict[str, str]):
    def __init__(self, fields: Mapping[str, object]) -> None:
        super().__init__({name: shown(value) for name, value in fields.items()})

    def __missing__(self, _name: str) -> str:
        return ""


def shown(value: object) -> str:
    """A value as printable ASCII, cut where it is long."""
    text = _as_text(value)
    if len(text) > VALUE_LIMIT:
        text = text[:VALUE_LIMIT] + "..."
    return text if text.isascii() and text.isprintable() else encode_basestring_ascii(text)[1:-1].replace("\x7f", "?")


def _value(value: object) -> str:
    text = shown(value)
    return text if not _ODD.search(text) else '"' + text.replace('"', "'") + '"'


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
