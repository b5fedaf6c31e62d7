"""Who a token of NTLM claims to be, before anybody has verified it."""

from datetime import UTC, datetime

import pytest
import spnego
from hypothesis import given
from hypothesis import strategies as st

from mailroot.wire.sasl.ntlm import accept_ntlm
from mailroot.wire.sasl.ntlmwords import Flag, authenticate, claimed_name
from mailroot.wire.sasl.words import Challenge, Opening

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda rest: b"NTLMSSP\0\3\0\0\0" + rest))
def test_any_octets_name_somebody_or_nobody(token: bytes) -> None:
    assert "\0" not in claimed_name(token)


@pytest.mark.parametrize(("user", "name"), [("HOME\\bob", "HOME\\bob"), ("bob", "bob")])
def test_the_last_message_names_the_client_however_its_flags_are(user: str, name: str) -> None:
    client = spnego.client(user, "x", protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
    first = client.step() or b""
    assert claimed_name(first) == ""
    last = client.step(challenge(first)) or b""
    assert claimed_name(last) == name
    for flags in (b"\2\0\0\0", b"\1\0\0\0", bytes(4)):
        assert claimed_name(last[:60] + flags + last[64:]) == name


def test_a_name_in_single_octets_is_read_whatever_the_flags_say() -> None:
    last = authenticate(Flag.UNICODE, b"", bytes(50), (b"", b"bob", b""))
    assert claimed_name(last) == "bob"


def challenge(first: bytes) -> bytes:
    step = next(accept_ntlm(Opening(first, bytes(32), NOON, ("mail.test",))))
    assert isinstance(step, Challenge)
    return step.data
