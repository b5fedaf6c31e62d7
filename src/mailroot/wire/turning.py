"""ETRN, ATRN and TURN as the engine sees them: a client asks for mail that waits for it.

ETRN (RFC 1985) has it sent on other connections. ATRN (RFC 2645) and TURN (RFC 821 section 3.8) turn this connection
round: after a positive reply the caller takes it over, and nothing more is read here. So nothing may come together with
them, and nobody turns a connection who has not signed in.
"""

import enum
import re
from collections.abc import Callable
from typing import Any

from mailroot.mail.address import domain_key
from mailroot.mail.reply import REPLIES, Reply
from mailroot.wire.dialogue import Dialogue
from mailroot.wire.events import QueueRequested, TurnRequested
from mailroot.wire.table import FRESH, NO_TRANSACTION, Row

_LONGEST_NAME = 253  # RFC 5321 section 4.5.3.1.2, without what TCP and DNS need
_MOST_DOMAINS = 100  # of one ATRN: they share its line of 1,000 octets, and no list of ours is longer
_LABEL = rb"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DOMAIN = re.compile(rb"%b(?:\.%b)*" % (_LABEL, _LABEL))

_INVALID: Reply = REPLIES.invalid_arguments()
_MISSING: Reply = REPLIES.argument_missing()


class Node(enum.Enum):
    """What the word of ETRN names (RFC 1985 section 5.2), by the sign in front of it."""

    DOMAIN = ""
    """The domain alone."""
    BELOW = "@"
    """The domain, and all below it."""
    QUEUE = "#"
    """A queue: here an entry of the settings' domains, "*.example.com" too."""


def parse_node(argument: bytes, _smtputf8: bool) -> QueueRequested | Reply:
    """`[@|#]name` (RFC 1985 section 5.2)."""
    if not argument:
        return _MISSING
    sign = argument[:1].decode("latin-1")
    kind = Node(sign) if sign in {"@", "#"} else Node.DOMAIN
    name = argument[1:] if kind is not Node.DOMAIN else argument
    wild = kind is Node.QUEUE and name.startswith(b"*.")
    bare = name[2:] if wild else name
    domain = _domain(bare)
    if domain is None:
        return _INVALID
    return QueueRequested(f"*.{domain}" if wild else domain, kind.value)


def parse_domains(argument: bytes, _smtputf8: bool) -> tuple[str, ...] | Reply:
    """`[domain *("," domain)]` (RFC 2645 section 5.2.1); none stands for all that are the client's."""
    if not argument:
        return ()
    found = [_domain(part.strip()) for part in argument.split(b",")]
    if len(found) > _MOST_DOMAINS or None in found:
        return _INVALID
    return tuple(dict.fromkeys(domain for domain in found if domain is not None))


def parse_none(argument: bytes, _smtputf8: bool) -> tuple[str, ...] | Reply:
    """TURN has no argument."""
    return _INVALID if argument else ()


def _domain(octets: bytes) -> str | None:
    """A domain as it is compared; None where it is none."""
    bare = octets.removesuffix(b".")
    if len(bare) > _LONGEST_NAME or not _DOMAIN.fullmatch(bare):
        return None
    return domain_key(bare.decode("ascii"))


def _etrn(dialogue: Dialogue, request: QueueRequested) -> None:
    if dialogue.profile.holds:
        dialogue.ask(request, ETRN_ROW)
    else:
        dialogue.refuse(REPLIES.not_implemented(), "ETRN")


def _etrn_answered(dialogue: Dialogue, reply: Reply) -> None:
    dialogue.say_unless_junk(reply.encode())


def _turn(verb: str, dialogue: Dialogue, domains: tuple[str, ...]) -> None:
    profile = dialogue.profile
    if not profile.turns:
        dialogue.refuse(REPLIES.not_implemented(), verb)
    elif not dialogue.signed_in:
        dialogue.refuse(REPLIES.sign_in_first(), verb)
    else:
        dialogue.ask(TurnRequested(verb, domains), TURN_ROWS[verb])


def _atrn(dialogue: Dialogue, domains: tuple[str, ...]) -> None:
    _turn("ATRN", dialogue, domains)


def _old_turn(dialogue: Dialogue, domains: tuple[str, ...]) -> None:
    _turn("TURN", dialogue, domains)


def _turn_answered(dialogue: Dialogue, reply: Reply) -> None:
    dialogue.flush = True
    if reply.positive:
        dialogue.say(reply)
        dialogue.state = FRESH
        dialogue.input.clear()
    else:
        dialogue.say_unless_junk(reply.encode())


ETRN_ROW = Row(
    "ETRN",
    "RFC 1985 section 5",
    NO_TRANSACTION,
    parse_node,
    _etrn,
    answered=_etrn_answered,
    otherwise=REPLIES.bad_sequence(),
    ends_group=True,
)


def _turn_row(
    verb: str, source: str, parse: Callable[[bytes, bool], Any], act: Callable[[Dialogue, Any], None], longest: int
) -> Row:
    return Row(
        verb,
        source,
        NO_TRANSACTION,
        parse,
        act,
        answered=_turn_answered,
        otherwise=REPLIES.bad_sequence(),
        ends_group=True,
        alone=True,
        longest=longest,
    )


TURN_ROWS = {
    "TURN": _turn_row("TURN", "RFC 821 section 3.8", parse_none, _old_turn, 512),
    "ATRN": _turn_row("ATRN", "RFC 2645 section 5.2", parse_domains, _atrn, 1000),
}
"""The verbs that turn the connection round."""
