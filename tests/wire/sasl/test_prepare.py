"""SASLprep: the examples of RFC 4013 section 3, and what it must not do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroot.wire.sasl.prepare import prepared


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("\u0007", None),
        ("\u0627\u0031", None),
        ("\u06271\u0628", "\u06271\u0628"),
        ("\u0627x\u0628", None),
        ("a\u3000b", "a b"),
        ("a\ufffdb", None),
        ("a\ue000", None),
        ("\u0627\u00a0", None),
        ("", ""),
        ("a b", "a b"),
        ("\u00ad", ""),
        ("\U0001f600", "\U0001f600"),
        ("a" * 1024, "a" * 1024),
        ("a" * 1025, None),
        ("\ufdfa" * 100, None),  # each becomes 18 characters
    ],
)
def test_prepared(text, result):
    assert prepared(text) == result


@given(st.text())
def test_what_is_prepared_stays_as_it_is(text):
    once = prepared(text)
    assert once is None or prepared(once) == once
