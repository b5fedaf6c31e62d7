"""Requests are as RFC 4511 has them; answers are read, or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroot.wire.ldap import messages
from mailroot.wire.ldap.ber import ENUMERATED, OCTETS, SEQUENCE, SET, BadBer, Reader, integer, tlv
from mailroot.wire.ldap.messages import Code, Elsewhere, Farewell, Found, Result, Scope, Search


def answer(number: int, operation: bytes) -> bytes:
    return tlv(SEQUENCE, integer(number), operation)


def result(tag: int, code: int, text: str = "", more: bytes = b"") -> bytes:
    return tlv(tag, integer(code, ENUMERATED), tlv(OCTETS, b""), tlv(OCTETS, text.encode()), more)


def test_a_bind_is_spelled_as_the_standard_has_it() -> None:
    assert messages.bind(1, "cn=a", "b") == bytes.fromhex("3011 020101 600c 020103 0404636e3d61 800162")


def test_a_search_asks_for_what_it_is_given() -> None:
    asked = Search("dc=x", Scope.SUBTREE, tlv(0x87, b"mail"), ("mail", "cn"), 5, 10)
    reader = Reader(messages.search(7, asked)).inner()
    assert reader.integer() == 7
    search = reader.inner(0x63)
    assert search.octets() == b"dc=x"
    assert [search.integer(ENUMERATED), search.integer(ENUMERATED)] == [2, 0]
    assert [search.integer(), search.integer()] == [5, 10]
    search.skip()
    assert search.octets(0x87) == b"mail"
    attributes = search.inner()
    assert [attributes.octets(), attributes.octets()] == [b"mail", b"cn"]
    assert not search.more


def test_an_entry_is_read() -> None:
    pair = tlv(SEQUENCE, tlv(OCTETS, b"Mail"), tlv(SET, tlv(OCTETS, b"a@x"), tlv(OCTETS, b"b@x")))
    found = messages.read(answer(3, tlv(0x64, tlv(OCTETS, b"cn=a"), tlv(SEQUENCE, pair))))
    assert found == (3, Found("cn=a", {"mail": (b"a@x", b"b@x")}))


@pytest.mark.parametrize("tag", [0x61, 0x65, 0x78])
def test_a_result_is_read_with_its_text_on_one_line(tag: int) -> None:
    number, said = messages.read(answer(3, result(tag, 49, "no\r\nway")))
    assert (number, said) == (3, Result(Code.INVALID_CREDENTIALS, "no way"))


def test_referrals_and_credentials_are_read() -> None:
    urls = tlv(0xA3, tlv(OCTETS, b"ldap://elsewhere"))
    assert messages.read(answer(1, result(0x65, 10, "", urls)))[1] == Result(10, "", ("ldap://elsewhere",))
    said = messages.read(answer(1, result(0x61, 14, "", tlv(0x87, b"token"))))[1]
    assert isinstance(said, Result)
    assert said.credentials == b"token"
    assert "token" not in repr(said)
    assert messages.read(answer(1, tlv(0x73, tlv(OCTETS, b"ldap://b"))))[1] == Elsewhere(("ldap://b",))


def test_a_notice_of_disconnection_is_a_farewell() -> None:
    assert messages.read(answer(0, result(0x78, 52, "shutting down"))) == (0, Farewell("shutting down"))


def test_what_was_never_asked_for_is_nothing() -> None:
    assert messages.read(answer(5, tlv(0x79, b""))) == (5, None)


@given(st.binary(max_size=200))
def test_nothing_but_bad_ber_is_ever_raised(octets: bytes) -> None:
    for message in (octets, tlv(SEQUENCE, octets), answer(1, octets), answer(1, tlv(0x64, octets))):
        try:
            messages.read(message)
        except BadBer:
            pass
