"""Replies of a remote server, read from octets.

Not responsible for what a reply means. The limits are those of a peer that is not trusted: what goes beyond them is a
broken protocol, never memory.
"""

import functools
import re

from mailroot.mail.faults import Fault
from mailroot.mail.reply import Reply

# RFC 5321 section 4.5.3.1.5 allows 512 octets; real servers exceed it, and Postfix reads up to 2,048.
LINE_LIMIT = 2048
# RFC 4954 section 4: the base64 of a challenge may have 12,288 octets.
CHALLENGE_LIMIT = 12_288 + 8
# The longest EHLO replies in use have some 30 lines.
LINES_LIMIT = 128
# One whole reply. The longest that LINES_LIMIT sensible lines can need.
REPLY_LIMIT = 64 * 1024

# RFC 5321 section 4.2; a code alone on its line is allowed there, a missing text is not unusual.
_LINE = re.compile(rb"([2-5][0-5][0-9])(?:([ -])(.*))?\Z", re.DOTALL)
# RFC 2034 section 3.
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|\Z)")


class BrokenProtocol(Fault):
    """The peer sent what no SMTP server sends. Its text is a clause: "the server sent ..."."""


class NoReply(Reply):
    """Stands for a reply that never came: the connection was lost, broken or too slow. Its line says which."""

    __slots__ = ()


def no_reply(enhanced: str, reason: str) -> NoReply:
    """What a script receives in the place of each reply that cannot come any more (RFC 5321 section 3.8: like 421)."""
    return NoReply(421, enhanced, (reason,))


class ReplyReader:
    """Turns octets into replies. Lines may end in LF alone; any split of the octets gives the same replies."""

    __slots__ = ("_lines", "_octets", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[bytes] = []
        self._octets = 0

    @property
    def at_rest(self) -> bool:
        """Whether nothing of a reply has come whose end is still missing."""
        return not self._rest and not self._lines

    def feed(self, octets: bytes) -> list[Reply]:
        """The replies that are complete now. Raises `BrokenProtocol`; the reader is of no more use then."""
        *lines, rest = (self._rest + octets).split(b"\n") if self._rest else octets.split(b"\n")
        if _is_endless(rest):
            raise BrokenProtocol("the server sent an endless reply line")
        self._rest = rest
        replies = []
        for line in lines:
            if _is_endless(line):
                raise BrokenProtocol("the server sent an endless reply line")
            if line[3:4] == b"-":
                self._keep(line)
            elif self._lines:
                self._keep(line)
                replies.append(parse_reply(tuple(self._lines)))
                self._lines, self._octets = [], 0
            else:
                replies.append(_single(line))
        return replies

    def _keep(self, line: bytes) -> None:
        self._lines.append(line)
        self._octets += len(line)
        if len(self._lines) > LINES_LIMIT or self._octets > REPLY_LIMIT:
            raise BrokenProtocol("the server sent an endless reply")


def _is_endless(line: bytes) -> bool:
    return len(line) > LINE_LIMIT and (len(line) > CHALLENGE_LIMIT or not line.startswith(b"334 "))


# A server says the same few things again and again.
@functools.lru_cache(maxsize=256)
def _single(line: bytes) -> Reply:
    return parse_reply((line,))


def parse_reply(lines: tuple[bytes, ...]) -> Reply:
    """One reply from its lines. The enhanced code is the one that begins the first line; it is cut from all of them."""
    code = 0
    texts = []
    for line in lines:
        match = _LINE.match(line.rstrip(b"\r"))
        if match is None or (code and int(match[1]) != code):
            raise BrokenProtocol("the server sent a line that is no SMTP reply")
        code = int(match[1])
        texts.append(_readable(match[3] or b""))
    first = _ENHANCED.match(texts[0])
    if first is None or int(first[1][0]) != code // 100:
        return Reply(code, "", tuple(texts))
    enhanced = first[1]
    return Reply(code, enhanced, tuple(text.removeprefix(enhanced).lstrip() for text in texts))


def _readable(text: bytes) -> str:
    """Text for people: undecodable octets and control characters become question marks."""
    decoded = text.decode("utf-8", "replace").replace("\ufffd", "?")
    if decoded.isprintable():
        return decoded
    return "".join(character if character.isprintable() else "?" for character in decoded)
