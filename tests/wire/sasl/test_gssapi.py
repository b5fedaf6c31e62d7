"""GSSAPI and GSS-SPNEGO, both sides, over contexts of the tests' own that take a fixed number of tokens."""

from dataclasses import dataclass, replace

import pytest

from mailroot.wire.sasl import gssapi
from mailroot.wire.sasl.gssapi import LONGEST_TOKEN, MOST_ROUNDS, accept_by_context, accept_gssapi, present_gssapi
from mailroot.wire.sasl.words import (
    Abandoned,
    Challenge,
    ContextFailed,
    ContextStep,
    ContextToken,
    ContextUnwrap,
    ContextWrap,
    Malformed,
    NotSignedIn,
    Response,
    SignedIn,
)
from tests.wire.sasl.exchange import CLIENT_OPENING, OPENING

KERBEROS = bytes.fromhex("6082012306092a864886f712010202") + b"ticket"
SPNEGO = bytes.fromhex("608201230606" + "2b0601050502") + b"ticket"
PRINCIPAL = "ann@EXAMPLE.COM"


@dataclass
class Context:
    """Established after some tokens; seals by a mark. `last` is what it says with the last token."""

    rounds: int = 1
    last: bytes = b"accepted"
    user: str = PRINCIPAL
    steps: int = 0

    def answer(self, question):
        match question:
            case ContextStep(_):
                self.steps += 1
                if self.steps < self.rounds:
                    return ContextToken(b"go on")
                return ContextToken(self.last, self.user)
            case ContextWrap(data):
                return b"sealed:" + data
            case ContextUnwrap(data):
                return data[7:] if data.startswith(b"sealed:") else ContextFailed("the seal is broken")
        raise AssertionError(question)


def accept(exchange, responses, context=None):
    context = context or Context()
    challenges, answer, coming = [], None, iter(responses)
    while True:
        try:
            step = exchange.send(answer)
        except StopIteration as end:
            assert next(coming, None) is None
            return challenges, end.value
        if isinstance(step, Challenge):
            challenges.append(step.data)
            answer = next(coming)
        else:
            answer = context.answer(step)


def test_kerberos_ends_with_no_security_layer():
    challenges, outcome = accept(accept_gssapi(OPENING), [KERBEROS, b"", b"sealed:\1\0\0\0"])
    assert challenges == [b"", b"accepted", b"sealed:\1\0\0\0"]
    assert outcome == SignedIn(PRINCIPAL)


def test_a_context_without_a_last_token_goes_on_at_once():
    challenges, outcome = accept(accept_gssapi(OPENING), [KERBEROS, b"sealed:\1\0\0\0ann"], Context(last=b""))
    assert challenges == [b"", b"sealed:\1\0\0\0"]
    assert outcome == SignedIn(PRINCIPAL)


@pytest.mark.parametrize("token", [SPNEGO, b"NTLMSSP\0\1\0\0\0"])
def test_spnego_under_the_name_of_gssapi_has_no_layers(token):
    opening = replace(OPENING, initial=token)
    assert accept(accept_gssapi(opening), [b""]) == ([b"accepted"], SignedIn(PRINCIPAL))
    assert accept(accept_gssapi(opening), [], Context(last=b"")) == ([], SignedIn(PRINCIPAL))


@pytest.mark.parametrize("token", [SPNEGO, KERBEROS])
def test_gss_spnego_takes_both_and_has_no_layers(token):
    challenges, outcome = accept(accept_by_context(OPENING), [token, b"more", b""], Context(rounds=2))
    assert challenges == [b"", b"go on", b"accepted"]
    assert outcome == SignedIn(PRINCIPAL)


@pytest.mark.parametrize("whom", [b"", b"ann", PRINCIPAL.encode()])
def test_names_of_the_user_are_taken(whom):
    assert accept(accept_gssapi(OPENING), [KERBEROS, b"", b"sealed:\1\0\0\0" + whom])[1] == SignedIn(PRINCIPAL)


@pytest.mark.parametrize("whom", [b"root", b"ann@OTHER.COM", b"\xff", b"ann\0", b"\x07"])
def test_in_the_name_of_another_nobody_signs_in(whom):
    _, outcome = accept(accept_gssapi(OPENING), [KERBEROS, b"", b"sealed:\1\0\0\0" + whom])
    assert outcome == NotSignedIn("signing in on behalf of another user", PRINCIPAL)


@pytest.mark.parametrize("chosen", [b"", b"\1\0\0", b"\2\0\1\0", b"\4\0\1\0", b"\0\0\0\0"])
def test_a_layer_that_was_not_offered_is_malformed(chosen):
    assert isinstance(accept(accept_gssapi(OPENING), [KERBEROS, b"", b"sealed:" + chosen])[1], Malformed)


def test_a_broken_seal_signs_nobody_in():
    _, outcome = accept(accept_gssapi(OPENING), [KERBEROS, b"", b"\1\0\0\0"])
    assert outcome == NotSignedIn("the seal is broken", PRINCIPAL)


@pytest.mark.parametrize("accepting", [accept_gssapi, accept_by_context])
def test_G14_endless_rounds_end(accepting):
    challenges, outcome = accept(accepting(OPENING), [KERBEROS] * (MOST_ROUNDS + 1), Context(rounds=1000))
    assert len(challenges) == MOST_ROUNDS + 1
    assert outcome == NotSignedIn("a context that is not established after 10 tokens")


@pytest.mark.parametrize("accepting", [accept_gssapi, accept_by_context])
def test_G14_a_giant_token_reaches_no_context(accepting):
    context = Context()
    _, outcome = accept(accepting(OPENING), [bytes(LONGEST_TOKEN + 1)], context)
    assert outcome == NotSignedIn("a token that is too long")
    assert context.steps == 0


@pytest.mark.parametrize("accepting", [accept_gssapi, accept_by_context])
def test_a_context_of_nobody_signs_nobody_in(accepting):
    _, outcome = accept(accepting(OPENING), [SPNEGO, b""], Context(user=""))
    assert outcome == NotSignedIn("a context of nobody")


@pytest.mark.parametrize("accepting", [accept_gssapi, accept_by_context])
def test_a_token_behind_the_last_is_malformed(accepting):
    assert isinstance(accept(accepting(OPENING), [KERBEROS, b"more"])[1], Malformed)


def test_a_failure_of_the_context_is_told():
    exchange = accept_gssapi(replace(OPENING, initial=KERBEROS))
    exchange.send(None)
    with pytest.raises(StopIteration) as ended:
        exchange.send(ContextFailed("clock skew"))
    assert ended.value.value == NotSignedIn("clock skew")


def test_an_offer_that_cannot_be_sealed_signs_nobody_in():
    class Unsealing(Context):
        def answer(self, question):
            return ContextFailed("no seal") if isinstance(question, ContextWrap) else super().answer(question)

    assert accept(accept_gssapi(OPENING), [KERBEROS, b""], Unsealing())[1] == NotSignedIn("no seal", PRINCIPAL)


def converse(client_context, server_context):
    """Our client against our server, each with its context."""
    client, server = present_gssapi(CLIENT_OPENING), accept_gssapi(OPENING)
    step, reaction = server.send(None), client.send(None)
    conclusive = False
    while True:
        while not isinstance(reaction, Response):
            try:
                reaction = client.send(client_context.answer(reaction))
            except StopIteration as end:
                return end.value
        conclusive = reaction.conclusive
        try:
            step = server.send(reaction.data)
            while not isinstance(step, Challenge):
                step = server.send(server_context.answer(step))
            reaction = client.send(step.data)
        except StopIteration as end:
            assert conclusive or not isinstance(end.value, SignedIn)
            return end.value


@pytest.mark.parametrize(
    ("client", "server"),
    [
        (Context(rounds=2, last=b""), Context(rounds=1)),
        (Context(rounds=1, last=KERBEROS), Context(rounds=1, last=b"")),
        (Context(rounds=3, last=b""), Context(rounds=2)),
    ],
    ids=["mutual", "one way", "DCE style"],
)
def test_our_client_signs_in_to_our_server(client, server):
    assert converse(client, server) == SignedIn(PRINCIPAL)


def test_the_client_leaves_a_server_that_wants_a_layer(monkeypatch):
    monkeypatch.setattr(gssapi, "_NO_LAYER", b"\4\0\1\0")
    outcome = converse(Context(rounds=2, last=b""), Context())
    assert outcome == Abandoned("the server insists on a security layer")


def test_the_client_leaves_a_server_without_end():
    outcome = converse(Context(rounds=1000), Context(rounds=1000))
    assert outcome == Abandoned("a context that is not established after 10 tokens")


@pytest.mark.parametrize("question", range(4))
def test_the_clients_context_may_fail_at_every_question(question):
    class Failing(Context):
        asked = 0

        def answer(self, asked):
            Failing.asked += 1
            return ContextFailed("no ticket") if Failing.asked > question else super().answer(asked)

    assert converse(Failing(rounds=2, last=b""), Context()) == Abandoned("no ticket")


def test_the_server_is_believed_only_once_the_context_is_established():
    client = present_gssapi(CLIENT_OPENING)
    client.send(None)
    assert client.send(ContextToken(b"ticket")) == Response(b"ticket", conclusive=False)
