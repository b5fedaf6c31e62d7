"""STARTTLS (RFC 3207) as the engine sees it: a command, and a silence until the caller has shaken hands.

Nothing that came before the handshake is used after it: what stands behind the command is refused or forgotten, and
what was said, EHLO's name and a sign-in included, counts no more.
"""

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mailroot.mail.reply import REPLIES, Reply
from mailroot.wire import commands
from mailroot.wire.commands import Chunk
from mailroot.wire.content import skip_chunk
from mailroot.wire.dialogue import CLOSED, Dialogue
from mailroot.wire.events import TlsRequested
from mailroot.wire.table import ALWAYS, FRESH, GREETED, NO_TRANSACTION, Row

_TLS_FIRST: Reply = REPLIES.tls_first()


def _starttls(dialogue: Dialogue, _: None) -> None:
    profile = dialogue.profile
    if profile.secured or dialogue.signed_in:  # RFC 4954 section 4: no STARTTLS after AUTH
        dialogue.refuse(REPLIES.bad_sequence(), "STARTTLS")
    elif profile.starttls:
        dialogue.ask(TlsRequested(), STARTTLS_ROW)
    else:
        dialogue.refuse(REPLIES.tls_not_offered(), "STARTTLS")


def _answered(dialogue: Dialogue, reply: Reply) -> None:
    dialogue.say(reply)
    dialogue.flush = True
    if reply.positive:
        dialogue.state = FRESH
        dialogue.input.clear()


def begin_secured(dialogue: Dialogue) -> None:
    """The connection is encrypted from here on; the client begins anew (RFC 3207 section 4.2)."""
    dialogue.state = GREETED
    dialogue.transaction = CLOSED
    dialogue.extended = True
    dialogue.signed_in = dialogue.hushed = False


def with_tls_first(table: Mapping[bytes, Row]) -> dict[bytes, Row]:
    """The table where TLS is required and not there yet: what may not come in clear is answered 530."""
    return {verb: row if row.clear else _demanding(row) for verb, row in table.items()}


def _demanding(row: Row) -> Row:
    parse = row.parse if row.verb == "BDAT" else commands.parse_nothing
    act = functools.partial(_demand, row.verb)
    return replace(row, legal=ALWAYS, parse=parse, act=act, answered=None, then=None, alone=False)


def _demand(verb: str, dialogue: Dialogue, parsed: Any) -> None:
    if isinstance(parsed, Chunk):  # its octets come whatever is answered
        skip_chunk(dialogue, parsed, _TLS_FIRST)
    else:
        dialogue.refuse(_TLS_FIRST, verb)


STARTTLS_ROW = Row(
    "STARTTLS",
    "RFC 3207 section 4",
    (GREETED, *NO_TRANSACTION),
    commands.parse_nothing,
    _starttls,
    answered=_answered,
    otherwise=REPLIES.bad_sequence(),
    ends_group=True,
    alone=True,
    clear=True,
)
