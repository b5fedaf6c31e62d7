"""What a client said, noted for the protocol log while the dialogue goes on: one entry for each thing that is answered.

No secret is ever noted: of AUTH the mechanism alone, of its responses that there was one, and of a line that may be a
password nothing. What the notes become is not decided here (`edge.protocollog`).
"""

import re
from typing import TypeAlias

from mailroot.wire.table import Row

Said: TypeAlias = bytes | int | None
"""A command line without its CRLF; the octets of content that ended with the dot; None for a response to a challenge.

A line is cut where it is longer than any command may be, and b"" where nothing of it may be shown.
"""

Journal: TypeAlias = list[Said]

LONGEST = 2048
_AUTH = b"AUTH"
_NO_LETTERS = bytes(sign for sign in range(256) if not chr(sign).isascii() or not chr(sign).isalpha())
LEADING = frozenset({"AUTH", "BDAT", "DATA"})
"""Verbs behind which a password or content comes, with some clients even where they were refused."""
ANYTHING = frozenset("DATA EXPN HELP NOOP QUIT RSET STARTTLS VRFY".split())
"""Verbs behind which anything may stand: it is not looked at."""


def shown(row: Row | None, line: bytes, hushed: bool) -> bytes:
    """What may be noted of an odd line: a long one, one with a secret, one that begins with no known verb.

    `hushed`: what is no command may be a password, because AUTH was refused, or content, because DATA was.
    """
    if row is not None:
        if row.secret:
            return without_secret(line)
        odd = hushed or (row.verb in ANYTHING and has_sign_in(line))
        return row.verb.encode() if odd else line[:LONGEST]
    if is_misspelt_auth(line):
        return _AUTH  # what stands behind it may be what it looks like
    return b"" if hushed else line[:LONGEST]


def is_misspelt_auth(line: bytes) -> bool:
    """Whether a line that begins with no known verb may have been meant as AUTH: signs between, or its mechanism."""
    words = line[:LONGEST].upper().split(None, 2)[:2]
    return _AUTH in line.translate(None, _NO_LETTERS).upper() or not _MECHANISMS.isdisjoint(words)


def has_sign_in(argument: bytes) -> bool:
    """Whether AUTH with its mechanism, and so perhaps a secret, stands behind another verb."""
    return _SIGN_IN.search(argument) is not None


def without_secret(line: bytes) -> bytes:
    """AUTH with its mechanism; whatever else stands there may be a secret."""
    words = line[:LONGEST].split(None, 2)
    known = len(words) > 1 and words[1].upper() in _MECHANISMS
    return b"%b %b" % (words[0], words[1]) if known else words[0]


_MECHANISMS = frozenset(
    b"PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-256-PLUS XOAUTH2 OAUTHBEARER NTLM GSSAPI "
    b"GSS-SPNEGO EXTERNAL ANONYMOUS".split()
)
_SIGN_IN = re.compile(rb"AUTH[\W_]+(?:" + b"|".join(map(re.escape, sorted(_MECHANISMS))) + rb")\b", re.IGNORECASE)
