"""AUTH (RFC 4954) as the engine sees it: a command, challenges, responses, an end.

Not responsible for any mechanism: responses are decoded and given to the caller, whose replies steer the exchange.
"""

import binascii
import re
from typing import NamedTuple

from mailroot.mail.reply import REPLIES, Reply
from mailroot.wire.dialogue import Dialogue
from mailroot.wire.events import AuthEnded, AuthRequested, AuthResponse, Fault
from mailroot.wire.table import AUTH, NO_TRANSACTION, READY, Row

RESPONSE_LIMIT = 12288  # RFC 4954 section 4: octets of a response's line with its end

_COMMAND = re.compile(rb"([A-Za-z0-9_-]{1,20})(?: +([^ ]+))?")  # RFC 4422 section 3.1
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
_CHALLENGE = 334
_SIGNED_IN: int = REPLIES.signed_in().code

_INVALID: Reply = REPLIES.invalid_arguments()
_NOT_BASE64: Reply = REPLIES.not_base64()
_TOO_LONG: Reply = REPLIES.response_too_long()


class Command(NamedTuple):
    """AUTH's argument. `initial` is decoded; None where there was none."""

    mechanism: str
    initial: bytes | None

    def __repr__(self) -> str:
        return f"Command({self.mechanism!r})"  # a response may be a password


def challenge(data: bytes) -> Reply:
    """A challenge: the client's response follows."""
    reply: Reply = REPLIES.challenge(data=binascii.b2a_base64(data, newline=False).decode())
    return reply


def parse_auth(argument: bytes, _smtputf8: bool) -> Command | Reply:
    """`MECHANISM [response]`: "=" is an empty response. Several blanks are forgiven; old clients send them."""
    found = _COMMAND.fullmatch(argument)
    if found is None:
        return _INVALID
    mechanism, response = found[1].decode().upper(), found[2]
    if response is None:
        return Command(mechanism, None)
    if len(response) + 2 > RESPONSE_LIMIT:
        return _TOO_LONG
    initial = b"" if response == b"=" else _decoded(response)
    return _NOT_BASE64 if initial is None else Command(mechanism, initial)


def _decoded(text: bytes) -> bytes | None:
    """What base64 stands for, in its one canonical form (RFC 4648 sections 3.2 to 3.5); None where it is none."""
    if len(text) % 4 or not _BASE64.fullmatch(text):
        return None
    data = binascii.a2b_base64(text)
    return data if binascii.b2a_base64(data, newline=False) == text else None


def _auth(dialogue: Dialogue, command: Command) -> None:
    profile = dialogue.profile
    if dialogue.signed_in:
        dialogue.refuse(REPLIES.bad_sequence(), "AUTH")
    elif command.mechanism in profile.mechanisms:
        dialogue.ask(AuthRequested(*command), AUTH_ROW)
    elif profile.auth_needs_tls:
        dialogue.refuse(REPLIES.tls_first(), "AUTH")
    elif profile.mechanisms:
        dialogue.refuse(REPLIES.unknown_mechanism(), "AUTH")
    else:
        dialogue.refuse(REPLIES.not_implemented(), "AUTH")


def _answered(dialogue: Dialogue, reply: Reply) -> None:
    dialogue.flush = True
    if reply.code == _CHALLENGE:
        dialogue.state = AUTH
        dialogue.say(reply)
        return
    dialogue.state = READY
    if reply.code == _SIGNED_IN:
        dialogue.signed_in = True
        dialogue.hushed = False
        dialogue.say(reply)
        return
    dialogue.hushed = True
    dialogue.attempts += 1
    limit = dialogue.profile.auth_limit
    if limit and dialogue.attempts >= limit:
        kind, cause = "too-many-sign-ins", f"{limit} failed attempts"
        dialogue.break_off(kind, cause, REPLIES.too_many_sign_ins(fqdn=dialogue.profile.fqdn))
    else:
        dialogue.say(reply)


def take_response(dialogue: Dialogue, line: bytes) -> None:
    """The client's answer to a challenge, or "*", with which it gives up."""
    if line == b"*":
        end_exchange(dialogue, REPLIES.sign_in_cancelled(), "cancelled by the client")
    elif len(line) + 2 > RESPONSE_LIMIT:
        refuse_long_response(dialogue)
    elif (data := _decoded(line)) is None:
        end_exchange(dialogue, _NOT_BASE64, "a response that is no base64")
    else:
        dialogue.ask(AuthResponse(data), AUTH_ROW)


def refuse_long_response(dialogue: Dialogue) -> None:
    """A response was too long to be kept."""
    end_exchange(dialogue, _TOO_LONG, "a response that is too long")


def end_exchange(dialogue: Dialogue, reply: Reply, cause: str) -> None:
    """The attempt is over without the caller's doing; it counts as failed, so that nobody tries for ever."""
    dialogue.events.append(AuthEnded(cause))
    dialogue.events.append(Fault("refused", f"AUTH: {reply.text}"))
    _answered(dialogue, reply)


AUTH_ROW = Row(
    "AUTH",
    "RFC 4954 section 4",
    NO_TRANSACTION,
    parse_auth,
    _auth,
    answered=_answered,
    otherwise=REPLIES.bad_sequence(),
    ends_group=True,
    alone=True,
    longest=len("AUTH ") + 20 + 1 + RESPONSE_LIMIT,
    too_long=_TOO_LONG,
    secret=True,
)
