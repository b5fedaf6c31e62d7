"""Signing in to another server, on the bare script."""

import pytest

from mailroot.mail.reply import Reply
from mailroot.wire.client import Say
from mailroot.wire.offer import offer_of
from mailroot.wire.presenting import mechanisms, present
from mailroot.wire.sasl.words import Abandoned, ContextStep, ContextToken, Response


def talking(*steps, end=None):
    """A mechanism that says these, whatever it hears; what it heard is its `heard`."""

    def script():
        for step in steps:
            heard.append((yield step))
        return end

    heard = []
    return script(), heard


def run(script, *replies):
    """What was said, and what it came to."""
    said, answers = [], list(replies)
    try:
        step = next(script)
        while True:
            if isinstance(step, Say):
                said.append(step.octets)
                step = script.send([answers.pop(0)])
            else:
                said.append(step)
                step = script.send(ContextToken(b"token"))
    except StopIteration as end:
        assert not answers
        return said, end.value


def reply(code, text="", enhanced=""):
    return Reply(code, enhanced, (text,))


def test_an_initial_response_goes_with_the_command():
    mechanism, _ = talking(Response(b"\0me\0pw"))
    said, end = run(present("PLAIN", mechanism), reply(235))
    assert said == [b"AUTH PLAIN AG1lAHB3\r\n"] and end.accepted


def test_an_empty_initial_response_is_an_equals_sign_and_none_is_nothing():
    assert run(present("X", talking(Response(b""))[0]), reply(235))[0] == [b"AUTH X =\r\n"]
    assert run(present("X", talking(Response(None))[0]), reply(235))[0] == [b"AUTH X\r\n"]


def test_challenges_are_decoded_and_an_empty_answer_is_an_empty_line():
    mechanism, heard = talking(Response(None), Response(b"me"), Response(b""))
    said, end = run(present("LOGIN", mechanism), reply(334, "VXNlcm5hbWU6"), reply(334, ""), reply(235))
    assert said == [b"AUTH LOGIN\r\n", b"bWU=\r\n", b"\r\n"]
    assert heard == [b"Username:", b""] and end.accepted


def test_yes_is_believed_only_where_the_mechanism_allows_it():
    mechanism, _ = talking(Response(b"x", conclusive=False), Response(b"y"))
    _, end = run(present("SCRAM", mechanism), reply(235))
    assert not end.accepted and not end.proven and "proved itself" in end.cause


@pytest.mark.parametrize("answer", [reply(535, "no"), reply(454, "later"), reply(250, "odd"), reply(421, "bye")])
def test_everything_else_is_a_refusal_with_what_the_server_told(answer):
    mechanism, _ = talking(Response(b"x", told="expired"))
    _, end = run(present("XOAUTH2", mechanism), answer)
    assert not end.accepted and end.reply == answer and end.cause == "expired" and end.proven


@pytest.mark.parametrize("text", ["!!!", "YQ", "Y Q==", "é", "=", "YQ==YQ=="])
def test_a_challenge_that_is_no_base64_is_cancelled(text):
    said, end = run(present("X", talking(Response(b"x"), Response(b"y"))[0]), reply(334, text), reply(501))
    assert said[-1] == b"*\r\n" and not end.accepted and not end.proven and "base64" in end.cause


def test_a_mechanism_that_gives_up_cancels():
    mechanism, _ = talking(Response(b"x"), end=Abandoned("the nonce is not ours"))
    said, end = run(present("X", mechanism), reply(334, "YQ=="), reply(501))
    assert said[-1] == b"*\r\n" and end.cause == "the nonce is not ours" and not end.proven


def test_a_server_that_asks_for_more_than_there_is_is_cancelled():
    said, end = run(present("X", talking(Response(b"x"))[0]), reply(334, ""), reply(501))
    assert said[-1] == b"*\r\n" and "more than the mechanism has" in end.cause


def test_a_server_that_asks_for_ever_is_cancelled():
    mechanism, _ = talking(*(Response(b"x") for _ in range(50)))
    said, end = run(present("X", mechanism), *[reply(334, "")] * 12, reply(501))
    assert said[-1] == b"*\r\n" and "on and on" in end.cause


def test_questions_to_a_context_go_to_the_driver():
    mechanism, heard = talking(ContextStep(b""), Response(b"x"))
    said, end = run(present("GSSAPI", mechanism), reply(235))
    assert said[0] == ContextStep(b"") and heard == [ContextToken(b"token")] and end.accepted


def test_nothing_was_said_where_the_mechanism_cannot_begin():
    mechanism, _ = talking(ContextStep(b""), end=Abandoned("no ticket"))
    said, end = run(present("GSSAPI", mechanism))
    assert said == [ContextStep(b"")] and end.reply is None and end.cause == "no ticket"


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        (("x", "AUTH PLAIN login"), ("PLAIN", "LOGIN")),
        (("x", "AUTH=LOGIN PLAIN"), ("LOGIN", "PLAIN")),
        (("x", "auth GSSAPI NTLM", "AUTH=LOGIN"), ("GSSAPI", "NTLM", "LOGIN")),
        (("x", "AUTH"), ()),
        (("x",), ()),
    ],
)
def test_mechanisms_are_read_from_every_way_to_offer_them(lines, names):
    assert mechanisms(offer_of(lines)) == names
