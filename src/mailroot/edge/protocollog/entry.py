"""One line of a protocol log before it has a form, and how text of strangers is made fit for a field.

No field holds a blank, a line break or any other sign that is not printable: blanks become "+" as the predecessor
writes them, all else "%" and two hexadecimal digits for each octet.
"""

from typing import NamedTuple, TypeAlias

NOTHING = "-"
"""An empty field."""

_LONGEST_FIELD = 2048
_LONGEST_NAME = 256
_BLANKS = bytes.maketrans(b" ", b"+")


class Party(NamedTuple):
    """Who is at the other side, and which connection it is. `local` is our address, `port` the field `s-port`."""

    session: str
    address: str
    local: str
    port: int
    outbound: bool = False


Entry: TypeAlias = tuple[float, Party, str, str, str, str, int, int, int, int, bytes, bytes]
"""What one command or reply adds to the log, with the fields as the predecessor fills them: the moment in seconds since
1970, the party, cs-username, cs-method, cs-uri-query, sc-status, sc-win32-status, sc-bytes, cs-bytes, time-taken in
milliseconds; then what was said and the reply, as they were. A plain tuple: there are six of them for each message."""


class Loss(NamedTuple):
    """Entries that could not be written, and why."""

    entries: int
    cause: str


def plain(octets: bytes) -> str:
    """Text for a field; "" for none."""
    try:
        text = octets.translate(_BLANKS).decode("ascii")
    except UnicodeDecodeError:
        text = "\0"
    if text.isprintable():
        return text
    return "".join(map(_visible, octets[:_LONGEST_FIELD].decode("utf-8", "surrogateescape")))


def _visible(sign: str) -> str:
    if sign == " ":
        return "+"
    if sign.isprintable():
        return sign
    return "".join(f"%{octet:02X}" for octet in sign.encode("utf-8", "surrogateescape"))


def name(octets: bytes) -> str:
    """What a peer calls itself, for a field."""
    return leading(octets[:_LONGEST_NAME])


def leading(octets: bytes) -> str:
    """Text for a field that may stand first in a line: it is never taken for a directive, or for quoted text."""
    text = plain(octets)
    if not text:
        return NOTHING
    return f"%{ord(text[0]):02X}{text[1:]}" if text[0] in '#"' else text
