"""Accounts as values, and the text in which they are kept."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroot.policy.account import (
    Account,
    AccountBook,
    KeptKeys,
    account_key,
    book_text,
    full_name,
    kept_keys,
    local_name,
    name_fault,
    password_fault,
    read_book,
)
from mailroot.settings.access import Access
from mailroot.wire.sasl.server import Need
from mailroot.wire.sasl.words import ScramKeys

HASH = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"
KEYS = ScramKeys(b"s" * 16, 4096, b"k" * 32, b"v" * 32)
BOOK = AccountBook(b"x" * 32)
FULL = Account("Bob", HASH, KEYS, b"c" * 32, b"n" * 16)


def test_a_book_is_read_as_it_was_written() -> None:
    book = BOOK.added(FULL).added(Account("scanner", HASH))
    again = read_book(book_text(book))
    assert dict(again.accounts) == dict(book.accounts)
    assert again.secret == book.secret
    assert read_book(book_text(BOOK)) == BOOK


def test_an_account_is_a_line() -> None:
    lines = book_text(BOOK.added(FULL).added(Account("a", HASH))).splitlines()
    assert len(lines) == 4
    assert '"a"' in lines[1]


@given(st.text(max_size=40))
def test_no_text_is_read_as_more_than_it_says(text: str) -> None:
    with pytest.raises(ValueError):
        read_book(text)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"secret": "eHg="},
        {"secret": 5},
        {"accounts": {}},
        {"accounts": [5]},
        {"accounts": [{"name": "", "password": HASH}]},
        {"accounts": [{"name": "a\\b", "password": HASH}]},
        {"accounts": [{"name": "a", "password": "sesame"}]},
        {"accounts": [{"name": "a", "password": HASH}, {"name": "A", "password": HASH}]},
        {"accounts": [{"name": "a", "password": HASH, "nt": "bm90IGEgaGFzaA=="}]},
        {"accounts": [{"name": "a", "password": HASH, "cram": "!"}]},
        {"accounts": [{"name": "a", "password": HASH, "scram": ["eA==", "4096", "eA==", "eA=="]}]},
    ],
)
def test_a_damaged_book_is_refused_and_nothing_of_it_is_shown(change: dict[str, object]) -> None:
    whole = json.loads(book_text(BOOK)) | change
    with pytest.raises(ValueError) as fault:
        read_book(json.dumps(whole))
    assert "sesame" not in str(fault.value)


def test_names_are_compared_without_regard_to_case_or_form() -> None:
    book = BOOK.added(FULL)
    assert book.find("BOB") == book.find("bob") == FULL
    assert account_key("STRASSE") == account_key("stra\u00dfe")
    assert account_key("\uff42ob") == "bob"


def test_an_account_is_added_once_and_renewed_under_its_own_name() -> None:
    book = BOOK.added(FULL)
    with pytest.raises(LookupError):
        book.added(Account("BOB", HASH))
    renewed = book.renewed(Account("bOB", HASH + "2")).find("bob")
    assert renewed == Account("Bob", HASH + "2")
    with pytest.raises(LookupError):
        BOOK.renewed(FULL)


def test_what_is_removed_is_gone() -> None:
    assert BOOK.added(FULL).without("bob").accounts == {}
    with pytest.raises(LookupError):
        BOOK.without("bob")


@pytest.mark.parametrize("name", ["", " a", "a ", "a\\b", "a/b", "a%b", "a\nb", "a\x00", "a" * 257, 'a"b', "\uff42"])
def test_names_that_cannot_be(name: str) -> None:
    assert name_fault(name)


@pytest.mark.parametrize("name", ["scanner", "bob@example.com", "M\u00fcller", "a b", "x" * 256])
def test_names_that_can_be(name: str) -> None:
    assert not name_fault(name)


def test_passwords_that_cannot_be() -> None:
    assert all(password_fault(password) for password in ("", "x" * 1025, "a\x00b", "a\tb"))
    assert not password_fault("correct horse \u00fc")


@pytest.mark.parametrize(
    ("name", "local"),
    [("OURS\\bob", "bob"), ("ours\\bob", "bob"), ("THEIRS\\bob", "THEIRS\\bob"), ("bob", "bob"), ("b@ours", "b@ours")],
)
def test_a_domain_of_ours_is_no_part_of_a_name(name: str, local: str) -> None:
    assert local_name(name, frozenset({"ours"})) == local


def test_the_default_domain_is_put_before_names_without_one() -> None:
    assert full_name("bob", "CORP") == "CORP\\bob"
    assert full_name("bob", "") == "bob"
    assert full_name("OTHER\\bob", "CORP") == "OTHER\\bob"
    assert full_name("bob@example.com", "CORP") == "bob@example.com"


def test_keys_are_kept_for_what_is_switched_on() -> None:
    assert kept_keys([Access()]) == KeptKeys()
    assert kept_keys([Access(cram_md5=True)]) == KeptKeys()
    assert kept_keys([Access(), Access(basic=True, cram_md5=True)]) == KeptKeys(cram=True)
    assert kept_keys([Access(integrated=True)]) == KeptKeys(nt=True)
    assert kept_keys([Access(integrated=True, ntlm=False)]) == KeptKeys()


def test_what_an_account_serves_follows_from_its_keys() -> None:
    assert FULL.serves == {Need.PASSWORD, Need.SCRAM, Need.CRAM, Need.NT}
    assert Account("a", HASH).serves == {Need.PASSWORD}


def test_no_value_shows_what_it_keeps() -> None:
    shown = repr(BOOK.added(FULL)) + repr(FULL)
    assert "argon2" not in shown
    assert "kkk" not in shown
    assert "xxx" not in shown
