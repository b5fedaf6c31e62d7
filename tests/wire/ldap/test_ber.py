"""BER: what is written reads back; whatever else comes is refused, whole, octet by octet and with more behind it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroot.wire.ldap.ber import INTEGER, OCTETS, BadBer, Reader, Splitter, boolean, integer, tlv


@given(st.binary(max_size=70_000))
def test_octets_come_back(octets: bytes) -> None:
    reader = Reader(tlv(OCTETS, octets) + b"more")
    assert reader.octets() == octets
    assert reader.more


@given(st.integers(0, 2**31 - 1))
def test_numbers_come_back(number: int) -> None:
    assert Reader(integer(number)).integer() == number


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x04",
        b"\x04\x05abc",  # longer than what is there
        b"\x04\x80ab\0\0",  # indefinite
        b"\x04\x85\0\0\0\0\x01a",  # a length of five octets
        b"\x02\x00",  # a number without octets
        b"\x02\x09123456789",  # one with too many
        b"\x05\x00",  # another tag
    ],
)
def test_what_breaks_the_rules_is_refused(octets: bytes) -> None:
    with pytest.raises(BadBer):
        Reader(octets).integer() if octets[:1] == b"\x02" else Reader(octets).octets()


def test_an_inner_value_cannot_reach_beyond_its_own() -> None:
    inner = Reader(tlv(0x30, b"\x04\x03ab") + b"c").inner()
    with pytest.raises(BadBer):
        inner.octets()


def test_booleans_are_all_ones_or_nought() -> None:
    assert boolean(True) == b"\x01\x01\xff"
    assert boolean(False) == b"\x01\x01\x00"


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 50))
def test_messages_are_cut_wherever_the_network_cuts(contents: list[bytes], size: int) -> None:
    messages = [tlv(0x30, content) for content in contents]
    whole, splitter, found = b"".join(messages), Splitter(1000), []
    for start in range(0, len(whole), size):
        found += splitter.feed(whole[start : start + size])
    assert found == messages
    assert splitter.at_rest


@pytest.mark.parametrize("octets", [b"HTTP/1.1", b"\x30\x80", b"\x30\x85\0\0\0\0\0", b"\x30\x83\x10\0\0"])
def test_what_can_be_no_message_is_refused_at_once(octets: bytes) -> None:
    with pytest.raises(BadBer):
        Splitter(1000).feed(octets)


@given(st.binary(max_size=200))
def test_nothing_but_bad_ber_is_ever_raised(octets: bytes) -> None:
    reader = Reader(octets)
    try:
        while reader.more:
            if reader.tag == INTEGER:
                reader.integer()
            elif reader.tag == 0x30:
                reader = reader.inner()
            else:
                reader.skip()
    except BadBer:
        pass
