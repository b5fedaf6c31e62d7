"""Certificates and their keys, as files have them."""

from datetime import UTC, datetime

from mailroot.edge.identity import identity_of, key_pem, new_key, self_signed


def test_a_key_that_shares_its_file_with_the_certificate_is_kept_without_it() -> None:
    key = new_key()
    certificate = self_signed(key, ("mail.example.test",), datetime.now(UTC))
    whole = key_pem(key) + certificate
    assert identity_of(whole, whole).key == key_pem(key)
