"""Peers that know no secret, and say what they like to every mechanism."""

from collections.abc import Iterable
from dataclasses import replace

from mailroot.wire.sasl.client import ClientMechanism
from mailroot.wire.sasl.keys import cram_secret, nt_hash, scram_keys
from mailroot.wire.sasl.server import Mechanism
from mailroot.wire.sasl.words import (
    Abandoned,
    Answer,
    Challenge,
    CheckPassword,
    ClientAnswer,
    ClientStep,
    ContextFailed,
    ContextStep,
    ContextToken,
    CramSecretOf,
    Malformed,
    NotSignedIn,
    NtHashOf,
    Question,
    Response,
    ScramKeysOf,
)
from tests.wire.sasl.exchange import BINDING, CLIENT_OPENING, OPENING

_SECRET = "known to nobody"
_SCRAM = scram_keys(_SECRET, b"salt" * 4)
_CRAM = cram_secret(_SECRET)
_NT = nt_hash(_SECRET)


def approach(row: Mechanism, messages: Iterable[bytes]) -> None:
    """A client says the messages; it must not get in."""
    coming = iter(messages)
    exchange = row.accept(replace(OPENING, initial=next(coming, None), binding=BINDING))
    answer: Answer = None
    while True:
        try:
            step = exchange.send(answer)
        except StopIteration as end:
            assert isinstance(end.value, NotSignedIn | Malformed), end.value
            return
        if isinstance(step, Challenge):
            answer = next(coming, None)
            if answer is None:
                return
        else:
            answer = _answer(step)


def _answer(question: Question) -> Answer:
    match question:
        case CheckPassword():
            return False
        case ScramKeysOf():
            return _SCRAM
        case CramSecretOf():
            return _CRAM
        case NtHashOf():
            return _NT
        case ContextStep(token):
            return ContextToken(b"go on") if len(token) % 2 else ContextFailed("no")
    return ContextFailed("no")


def answer(row: ClientMechanism, messages: Iterable[bytes]) -> None:
    """A server says the messages."""
    presentation = row.present(replace(CLIENT_OPENING, binding=BINDING))
    said: ClientAnswer | None = None
    coming = iter(messages)
    while True:
        try:
            step: ClientStep = presentation.send(said)
        except StopIteration as end:
            assert end.value is None or isinstance(end.value, Abandoned)
            return
        if not isinstance(step, Response):
            said = ContextToken(b"token", "ann" if isinstance(step, ContextStep) and step.token else None)
            if not isinstance(step, ContextStep):
                said = step.data
            continue
        assert step.told.isprintable()
        said = next(coming, None)
        if said is None:
            return
