"""A message as an operator may look at it: its header in words, its text, and what is attached.

Whatever strangers wrote: nothing of it is carried out, nothing of it raises, and every part has a limit. HTML is given
as its source, and as the text that stands in it; a sign that would not print is replaced. It is meant to run where its
time is limited (`edge.aside`).
"""

import base64
import binascii
import email
import email.policy
import quopri
import re
from collections.abc import Iterator
from email.message import Message
from html.parser import HTMLParser
from typing import Any

MOST_READ = 1 << 20  # octets that are looked at
_MOST_HEADER = 256 * 1024
_MOST_FIELDS = 500
_MOST_TEXT = 256 * 1024  # signs of text, of HTML source, and of one field
_MOST_PARTS = 200
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)\n?")
_WORD = re.compile(r"=\?([^?\s]{1,75})\?([bBqQ])\?([^?]*)\?=")
_GAP = re.compile(r"(\?=)\s+(=\?)")  # RFC 2047 section 6.2: not shown between two encoded words
_END = re.compile(rb"\r?\n\r?\n")
_SPACE = re.compile(r"[ \t]*\n[ \t\n]*\n")
_BLANK = re.compile(r"\s+")
_BREAKS = frozenset(
    "address article blockquote br dd div dl dt h1 h2 h3 h4 h5 h6 hr li ol p pre section table tr ul".split()
)
_UNSEEN = frozenset("head script style template title".split())


def opened(octets: bytes, size: int, *, header_only: bool = False) -> dict[str, Any]:
    """The message that begins with these octets and has `size` of them altogether."""
    head, fields = _head(octets)
    shown: dict[str, Any] = {
        "size": size,
        "truncated": size > len(octets),
        "headers": fields,
        "subject": _first(fields, "subject"),
        "from": _first(fields, "from"),
        "to": _first(fields, "to"),
        "date": _first(fields, "date"),
        "message_id": _first(fields, "message-id"),
        "text": "",
        "text_from": "",
        "html": "",
        "parts": [],
        "problems": ["The header is longer than what is shown."] if head >= _MOST_HEADER else [],
    }
    if not header_only:
        _take_apart(octets, shown)
    if shown["truncated"]:
        shown["problems"].append(f"Only the first {len(octets)} octets were looked at.")
    return shown


# --- the header


def _head(octets: bytes) -> tuple[int, list[dict[str, str]]]:
    """How long the header is, and its fields."""
    end = _END.search(octets, 0, _MOST_HEADER)
    length = end.start() + 1 if end is not None else min(len(octets), _MOST_HEADER)
    fields: list[dict[str, str]] = []
    place = 0
    while place < length and len(fields) < _MOST_FIELDS:
        match = _FIELD.match(octets, place, length)
        if match is None:
            # A line that is no field is passed over, as mail programs do.
            place = octets.find(b"\n", place, length) + 1 or length
            continue
        place = match.end()
        raw = match[2].decode("utf-8", "backslashreplace").strip()[:_MOST_TEXT]
        fields.append({"name": match[1].decode("ascii"), "value": words(raw), "raw": printable(raw)})
    return length, fields


def _first(fields: list[dict[str, str]], name: str) -> str:
    return next((field["value"] for field in fields if field["name"].lower() == name), "")


def words(raw: str) -> str:
    """The text of a field, on one line, with its encoded words decoded (RFC 2047); what is none stays as it is."""
    return printable(" ".join(_WORD.sub(_word, _GAP.sub(r"\1\2", raw)).split()))


def _word(match: re.Match[str]) -> str:
    charset, kind, text = match[1].partition("*")[0], match[2].lower(), match[3]
    try:
        if kind == "b":
            octets = base64.b64decode(text + "=" * (-len(text) % 4))
        else:
            octets = quopri.decodestring(text.encode("ascii").replace(b"_", b"=20"))
        return octets.decode(charset, "replace")
    except (LookupError, ValueError, binascii.Error):
        return match[0]


def printable(text: str, kept: str = "") -> str:
    """The text with every sign replaced that does not print: controls, marks of direction, halves of signs."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign in kept else "\N{REPLACEMENT CHARACTER}" for sign in text)


# --- the body


def _take_apart(octets: bytes, shown: dict[str, Any]) -> None:
    try:
        message = email.message_from_bytes(octets, policy=email.policy.compat32)
        for number, (place, part) in enumerate(_parts(message, "1", 0)):
            if number == _MOST_PARTS:
                shown["problems"].append(f"Only the first {_MOST_PARTS} parts are shown.")
                break
            _take(place, part, shown)
    except Exception as fault:  # whatever the parser makes of what strangers wrote: the header is shown all the same
        shown["problems"].append(f"The message cannot be taken apart: {type(fault).__name__}.")
    if not shown["text"] and shown["html"]:
        shown["text"], shown["text_from"] = text_of(shown["html"]), "text/html"


def _parts(part: "Message[str, str]", place: str, depth: int) -> Iterator[tuple[str, "Message[str, str]"]]:
    """The parts that hold something, each with its place, such as 1.2."""
    inner = part.get_payload()
    if part.is_multipart() and isinstance(inner, list) and depth < 50:
        for number, one in enumerate(inner, 1):
            if isinstance(one, Message):
                yield from _parts(one, f"{place}.{number}" if depth else str(number), depth + 1)
    else:
        yield place, part


def _take(place: str, part: "Message[str, str]", shown: dict[str, Any]) -> None:
    kind = printable(part.get_content_type())
    disposition = printable(part.get_content_disposition() or "")
    octets = part.get_payload(decode=True)
    content = octets if isinstance(octets, bytes) else b""
    shown["parts"].append(
        {
            "part": place,
            "type": kind,
            "name": words(str(part.get_filename() or "")),
            "size": len(content),
            "disposition": disposition,
            "encoding": printable(str(part.get("content-transfer-encoding", "")).strip().lower()),
        }
    )
    slot = {"text/plain": "text", "text/html": "html"}.get(kind, "")
    if slot and disposition != "attachment" and not shown[slot]:
        shown[slot] = _text(content, str(part.get_content_charset() or ""))
        shown["text_from"] = shown["text_from"] or ("text/plain" if slot == "text" else "")


def _text(content: bytes, charset: str) -> str:
    try:
        text = content.decode(charset or "utf-8", "replace")
    except (LookupError, ValueError):
        text = content.decode("utf-8", "replace")
    text = text[:_MOST_TEXT].replace("\r\n", "\n").replace("\r", "\n")
    return printable(text, "\n\t")


# --- HTML as text


class _Words(HTMLParser):
    """Collects what a reader would see of HTML, and behind each link where it leads."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._unseen = 0
        self._links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag in _BREAKS:
            self.pieces.append("\n")
        elif tag == "a":
            self._links.append(next((value or "" for name, value in attrs if name == "href"), ""))

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen = max(self._unseen - 1, 0)
        elif tag in _BREAKS:
            self.pieces.append("\n")
        elif tag == "a" and self._links and (link := self._links.pop()):
            self.pieces.append(f" <{link[:500]}>")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.pieces.append(_BLANK.sub(" ", data))


def text_of(html: str) -> str:
    """The text that stands in HTML. What cannot be read gives what was read before it."""
    parser = _Words()
    try:
        parser.feed(html)
        parser.close()
    except (AssertionError, ValueError, RecursionError):
        parser.pieces.append("\n(The rest of the HTML cannot be read.)")
    return printable(_SPACE.sub("\n\n", "".join(parser.pieces)).strip()[:_MOST_TEXT], "\n\t")
