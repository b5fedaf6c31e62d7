"""PLAIN and LOGIN, both sides."""

from dataclasses import replace

import pytest

from mailroot.wire.sasl.plain import accept_login, accept_plain, present_login, present_plain
from mailroot.wire.sasl.words import CheckPassword, Malformed, NotSignedIn, SignedIn
from tests.wire.sasl.exchange import CLIENT_OPENING, OPENING, PASSWORD, USER, Book, accept, converse

GOOD = f"\0{USER}\0{PASSWORD}".encode()


def test_plain_takes_an_initial_response():
    assert accept(accept_plain(replace(OPENING, initial=GOOD)), []) == ([], SignedIn(USER))


def test_plain_without_an_initial_response_asks_with_an_empty_challenge():
    assert accept(accept_plain(OPENING), [GOOD]) == ([b""], SignedIn(USER))


def test_plain_in_ones_own_name_is_taken():
    assert accept(accept_plain(OPENING), [USER.encode() + GOOD]) == ([b""], SignedIn(USER))


@pytest.mark.parametrize(
    "message",
    [b"", b"ann", b"\0ann", b"\0ann\0p\0", b"\0\0\0\0", b"\0a\xff\0p"],
    ids=["G07_empty", "G07_no_zero", "G07_one_zero", "G07_three_zeros", "G07_zeros", "not UTF-8"],
)
def test_malformed_plain(message):
    assert isinstance(accept(accept_plain(OPENING), [message])[1], Malformed)


def test_G07_plain_in_anothers_name_is_refused_unasked():
    book = Book()
    _, outcome = accept(accept_plain(OPENING), [b"root" + GOOD], book)
    assert outcome == NotSignedIn("signing in on behalf of another user", USER)
    assert book.asked == []


@pytest.mark.parametrize(
    "message", [b"\0\0p", b"\0ann\0", b"\0a\x07\0p", b"\0" + b"a" * 1025 + b"\0p", b"\0a\0" + b"p" * 1025]
)
def test_what_can_be_nobody_is_refused_unasked(message):
    book = Book()
    assert isinstance(accept(accept_plain(OPENING), [message], book)[1], NotSignedIn)
    assert book.asked == []


def test_a_wrong_password_and_an_unknown_name_look_the_same():
    _, wrong = accept(accept_plain(OPENING), [b"\0ann\0nope"])
    _, unknown = accept(accept_plain(OPENING), [b"\0bob\0nope"])
    assert wrong == NotSignedIn("the password is wrong, or the account does not exist", "ann")
    assert unknown == replace(wrong, user="bob")


def test_login_prompts_in_the_predecessors_words():
    challenges, outcome = accept(accept_login(OPENING), [USER.encode(), PASSWORD.encode()])
    assert challenges == [b"Username:", b"Password:"]
    assert outcome == SignedIn(USER)


def test_login_takes_the_name_as_initial_response():
    opening = replace(OPENING, initial=USER.encode())
    assert accept(accept_login(opening), [PASSWORD.encode()]) == ([b"Password:"], SignedIn(USER))


def test_login_with_an_empty_initial_response_asks_for_the_name():
    opening = replace(OPENING, initial=b"")
    challenges, outcome = accept(accept_login(opening), [USER.encode(), PASSWORD.encode()])
    assert challenges == [b"Username:", b"Password:"]
    assert outcome == SignedIn(USER)


def test_login_takes_the_octets_of_old_devices():
    _, outcome = accept(accept_login(OPENING), [USER.encode(), PASSWORD.encode("latin-1")])
    assert outcome == SignedIn(USER)


def test_the_name_is_prepared_and_the_password_is_not():
    book = Book()
    accept(accept_plain(OPENING), ["\0\u2168\0\u00bd".encode()], book)
    assert book.asked == [CheckPassword("IX", "\u00bd")]


def test_no_value_shows_a_password():
    opening = replace(OPENING, initial=GOOD)
    shown = repr(opening) + repr(CheckPassword(USER, PASSWORD)) + repr(CLIENT_OPENING)
    assert PASSWORD not in shown
    assert "p\\xc3\\xa4ss" not in shown


@pytest.mark.parametrize(("accepting", "presenting"), [(accept_plain, present_plain), (accept_login, present_login)])
def test_our_client_signs_in_to_our_server(accepting, presenting):
    assert converse(accepting, presenting(CLIENT_OPENING)) == SignedIn(USER)


def test_the_login_client_has_no_initial_response():
    assert present_login(CLIENT_OPENING).send(None).data is None


@pytest.mark.parametrize("answer", [None, b"yes", 1])
def test_a_driver_that_answers_with_another_kind_is_told(answer):
    exchange = accept_plain(replace(OPENING, initial=GOOD))
    exchange.send(None)
    with pytest.raises(TypeError, match="bool"):
        exchange.send(answer)
