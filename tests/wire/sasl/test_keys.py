"""Digests and keys, against published values and the standard library."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroot.wire.sasl.digests import md4, md5_from, md5_state, rc4
from mailroot.wire.sasl.keys import cram_digest, cram_secret, nt_hash, scram_keys


@pytest.mark.parametrize(
    ("message", "digest"),
    [  # RFC 1320 appendix A.5
        (b"", "31d6cfe0d16ae931b73c59d7e0c089c0"),
        (b"a", "bde52cb31de33e46245e05fbdbd6fb24"),
        (b"abc", "a448017aaf21d8525fc10ae87aa6729d"),
        (b"message digest", "d9130a8164549fe818874806e1c7014b"),
        (b"abcdefghijklmnopqrstuvwxyz", "d79e1c308aa5bbcdeea8ed63df412da9"),
        (
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            "043f8582f241db351ce627e153e7f0e4",
        ),
        (b"1234567890" * 8, "e33b4ddc9c38f2199c3e7b164fcc0536"),
    ],
)
def test_md4(message, digest):
    assert md4(message).hex() == digest


@given(st.binary(min_size=64, max_size=64), st.binary(max_size=200))
def test_md5_goes_on_from_a_state(block, message):
    assert md5_from(md5_state(block), message) == hashlib.md5(block + message).digest()


@pytest.mark.parametrize(
    ("key", "plain", "sealed"),
    [(b"Key", b"Plaintext", "bbf316e8d940af0ad3"), (b"Wiki", b"pedia", "1021bf0420")],
)
def test_rc4(key, plain, sealed):
    assert rc4(key, plain).hex() == sealed
    assert rc4(key, rc4(key, plain)) == plain


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=100), st.binary(max_size=150))
def test_the_cram_secret_makes_the_digest_of_the_password(password, challenge):
    assert cram_digest(cram_secret(password), challenge) == hmac.digest(password.encode(), challenge, "md5")


def test_a_long_password_has_a_cram_secret():
    assert cram_digest(cram_secret("long" * 100), b"challenge") == hmac.digest(b"long" * 100, b"challenge", "md5")


def test_the_cram_secret_is_not_the_password():
    assert b"tanstaaf" not in cram_secret("tanstaaftanstaaf")


def test_nt_hash():
    # MS-NLMP section 4.2.2.1.2
    assert nt_hash("Password").hex() == "a4f49c406510bdcab6824ee7c30fd852"


def test_scram_keys_of_a_password_that_is_typed_in_two_ways_are_the_same():
    assert scram_keys("a\u00e4", b"salt") == scram_keys("aa\u0308", b"salt")


def test_a_password_that_cannot_be_prepared_has_keys_all_the_same():
    assert scram_keys("bell\x07", b"salt").stored_key


def test_keys_do_not_show_themselves():
    keys = scram_keys("p", b"salt")
    assert repr(keys) == "ScramKeys(salt=b'salt', iterations=4096)"
