"""Whatever a stranger says, no mechanism raises and none lets him in."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailroot.wire.sasl import ntlmwords
from mailroot.wire.sasl.client import CLIENT_MECHANISMS
from mailroot.wire.sasl.ntlmproof import blob_of
from mailroot.wire.sasl.server import MECHANISMS
from tests.wire.sasl import strangers

_FLAGS = st.integers(0, 2**32 - 1).map(ntlmwords.Flag)
_PAIRS = st.dictionaries(st.integers(1, 12), st.binary(max_size=20), max_size=6)
_NT = st.builds(lambda pairs: bytes(16) + blob_of(bytes(8), bytes(8), ntlmwords.written(pairs)), _PAIRS)
_NAMES = st.tuples(*[st.text(max_size=5).map(lambda text: text.encode("utf-16-le", "surrogatepass"))] * 3)
_NTLM = st.one_of(
    st.builds(ntlmwords.negotiate, _FLAGS),
    st.builds(ntlmwords.authenticate, _FLAGS, st.binary(max_size=24), _NT | st.binary(max_size=80), _NAMES),
    st.builds(ntlmwords.challenge, _FLAGS, st.just(bytes(8)), st.binary(max_size=8), _PAIRS),
)
_SCRAM = st.from_regex(r"(n|y|p=tls-server-end-point),,n=[a-z=2C]{1,4},r=[a-z]{1,4}|c=biws,r=[a-z]{1,9},p=[a-z=]{4}")
_WORDS = [
    b"\0ann\0",
    b"NTLMSSP\0\3\0\0\0",
    b"ann ",
    b"r=",
    b",s=c2FsdA==",
    b",i=4096",
    b"v=",
    b"e=",
    b"{",
    b"\1",
    b"\xff",
]
_PIECES = st.lists(st.sampled_from(_WORDS) | st.binary(max_size=40), max_size=8).map(b"".join)
MESSAGES = st.lists(_PIECES | _NTLM | _SCRAM.map(str.encode), max_size=5)


def _cut(message: bytes, start: int, length: int) -> bytes:
    return message[:start] + message[start + length :]


DAMAGED = st.lists(st.builds(_cut, _NTLM, st.integers(0, 150), st.integers(0, 9)), min_size=1, max_size=3)


@pytest.mark.parametrize("row", MECHANISMS, ids=lambda row: f"{row.name} {row.needs.name}")
@settings(max_examples=200, deadline=None)
@given(messages=MESSAGES | DAMAGED)
def test_no_mechanism_lets_a_stranger_in(row, messages):
    strangers.approach(row, messages)


@pytest.mark.parametrize("row", CLIENT_MECHANISMS, ids=lambda row: row.name)
@settings(max_examples=200, deadline=None)
@given(messages=MESSAGES | DAMAGED)
def test_no_server_breaks_our_client(row, messages):
    strangers.answer(row, messages)
