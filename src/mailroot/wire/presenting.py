"""Signing in to another server (RFC 4954): a client's SASL mechanism, told in SMTP.

Not responsible for mechanisms (`wire.sasl`), for which of them is used, or for security contexts.
"""

import binascii
from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from mailroot.mail.reply import Reply
from mailroot.wire.client import COMMAND_WAIT, Say
from mailroot.wire.offer import Offer
from mailroot.wire.sasl.words import (
    Abandoned,
    ContextFailed,
    ContextStep,
    ContextToken,
    ContextUnwrap,
    ContextWrap,
    Presentation,
    Response,
)

# The longest exchange, that of GSSAPI with its security layer, has five or six turns.
_TURNS = 12

ContextQuestion: TypeAlias = ContextStep | ContextWrap | ContextUnwrap
ContextAnswer: TypeAlias = bytes | ContextToken | ContextFailed
PresentingStep: TypeAlias = Say | ContextQuestion


@dataclass(frozen=True, slots=True)
class Presented:
    """How it ended. `reply` is the server's last word, None where we never spoke.

    `cause` is a clause, "" where `accepted`, and where the reply says it all. `proven` is false where it was the server
    that did not prove itself or broke the mechanism: it must not be shown more.
    """

    accepted: bool
    reply: Reply | None = None
    cause: str = ""
    proven: bool = True


T = TypeVar("T")
_Part: TypeAlias = Generator[PresentingStep, list[Reply] | ContextAnswer, T]
Presenting: TypeAlias = _Part[Presented]


def mechanisms(offer: Offer) -> tuple[str, ...]:
    """The mechanisms that a server offers, in upper case; "AUTH=LOGIN" is how servers of the last century said it."""
    found = offer.extensions.get("AUTH", "").upper().split()
    for name, more in offer.extensions.items():
        if name.startswith("AUTH="):
            found += [name.removeprefix("AUTH="), *more.upper().split()]
    return tuple(dict.fromkeys(found))


def present(mechanism: str, presentation: Presentation) -> Presenting:
    """Sign in by a mechanism. Only a 235 that comes when the mechanism allows it is believed."""
    lead = f"AUTH {mechanism}"
    answer: ContextAnswer | None = None
    reply: Reply | None = None
    for _ in range(_TURNS):
        try:
            step = presentation.send(answer)  # type: ignore[arg-type]  # None begins a generator
        except StopIteration as end:
            return (yield from _cancelled(reply, end.value))
        if not isinstance(step, Response):
            answer = yield from _context(step)
            continue
        reply = yield from _said(_line(lead, step))
        lead = ""
        if reply.code != 334:
            presentation.close()
            return _decided(reply, step)
        challenge = _challenge(reply)
        if challenge is None:
            return (yield from _cancelled(reply, Abandoned("the server's challenge is not base64")))
        answer = challenge
    presentation.close()
    return (yield from _cancelled(reply, Abandoned("the server asks on and on")))


def _said(octets: bytes) -> _Part[Reply]:
    """The reply to a line."""
    replies = yield Say(octets, 1, COMMAND_WAIT)
    if not isinstance(replies, list):
        raise TypeError("a line is answered by a reply")
    return replies[0]


def _context(question: ContextQuestion) -> _Part[ContextAnswer]:
    """What the security context makes of a question."""
    answer = yield question
    if isinstance(answer, list):
        raise TypeError("a context is not a server")
    return answer


def _line(lead: str, step: Response) -> bytes:
    """An initial response stands behind AUTH, an empty one as "="; later ones have a line of their own."""
    if step.data is None:
        return f"{lead}\r\n".encode()
    encoded = binascii.b2a_base64(step.data, newline=False)
    return b"%b %b\r\n" % (lead.encode(), encoded or b"=") if lead else b"%b\r\n" % encoded


def _challenge(reply: Reply) -> bytes | None:
    try:
        return binascii.a2b_base64("".join(reply.lines).strip(), strict_mode=True)
    except ValueError:  # binascii.Error, and text that is not ASCII
        return None


def _decided(reply: Reply, last: Response) -> Presented:
    if reply.code != 235:
        return Presented(False, reply, last.told)
    if last.conclusive:
        return Presented(True, reply)
    return Presented(False, reply, "the server said yes before it had proved itself", proven=False)


def _cancelled(reply: Reply | None, end: Abandoned | None) -> Presenting:
    """We do not go on; a server that waits for us is told so (RFC 4954 section 4)."""
    if reply is not None and reply.code == 334:
        reply = yield from _said(b"*\r\n")
    cause = end.cause if end is not None else "the server asks for more than the mechanism has"
    return Presented(False, reply, cause, proven=False)
