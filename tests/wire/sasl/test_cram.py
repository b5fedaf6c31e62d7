"""CRAM-MD5, both sides."""

from dataclasses import replace

import pytest

from mailroot.wire.sasl.cram import accept_cram_md5, present_cram_md5
from mailroot.wire.sasl.keys import cram_digest
from mailroot.wire.sasl.words import Credentials, Malformed, NotSignedIn, Response, SignedIn
from tests.wire.sasl.exchange import CLIENT_OPENING, OPENING, USER, Book, accept, converse


def test_the_client_answers_as_rfc_2195_shows():
    presentation = present_cram_md5(replace(CLIENT_OPENING, credentials=Credentials("tim", "tanstaaftanstaaf")))
    assert presentation.send(None) == Response(None, conclusive=False)
    response = presentation.send(b"<1896.697170952@postoffice.reston.mci.net>")
    assert response == Response(b"tim b913a602c7eda7a495b4e6e7334d3890")


def test_the_challenge_is_a_message_id_of_fresh_octets():
    exchange = accept_cram_md5(OPENING)
    assert exchange.send(None).data == b"<000102030405060708090a0b0c0d0e0f.1795608000@mail.example.com>"


def test_our_client_signs_in_to_our_server():
    assert converse(accept_cram_md5, present_cram_md5(CLIENT_OPENING)) == SignedIn(USER)


def test_an_initial_response_is_malformed():
    assert isinstance(accept(accept_cram_md5(replace(OPENING, initial=b"")), [])[1], Malformed)


def test_a_wrong_password_and_an_account_without_a_secret_look_the_same():
    wrong = replace(CLIENT_OPENING, credentials=Credentials("ann", "nope"))
    assert converse(accept_cram_md5, present_cram_md5(wrong)) == NotSignedIn(
        "the proof is wrong, or the account has no CRAM-MD5", "ann"
    )
    unknown = replace(CLIENT_OPENING, credentials=Credentials("bob", "nope"))
    assert converse(accept_cram_md5, present_cram_md5(unknown)) == NotSignedIn(
        "the proof is wrong, or the account has no CRAM-MD5", "bob"
    )


def test_the_proof_made_without_a_secret_signs_nobody_in():
    exchange = accept_cram_md5(OPENING)
    challenge = exchange.send(None).data
    _, outcome = accept(accept_cram_md5(OPENING), [b"bob " + cram_digest(bytes(32), challenge).hex().encode()])
    assert isinstance(outcome, NotSignedIn)


@pytest.mark.parametrize("response", [b"", b"ann", b"ann ", b" ", b"ann  x", b"ann \xff", b"a\x00b 12"])
def test_odd_responses_sign_nobody_in(response):
    assert isinstance(accept(accept_cram_md5(OPENING), [response], Book())[1], NotSignedIn)


def test_a_name_that_is_no_utf_8_is_malformed():
    assert isinstance(accept(accept_cram_md5(OPENING), [b"\xff 12"])[1], Malformed)
