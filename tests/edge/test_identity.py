"""Certificates and their keys, as files have them."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailroot.edge.tls.identity import identity_of, key_pem, new_key, read_identity, self_signed
from mailroot.mail.faults import Misconfigured

P256, UNKNOWN = bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d030002")


def test_a_key_that_shares_its_file_with_the_certificate_is_kept_without_it() -> None:
    key = new_key()
    certificate = self_signed(key, ("mail.example.test",), datetime.now(UTC))
    whole = key_pem(key) + certificate
    assert identity_of(whole, whole).key == key_pem(key)


def test_a_certificate_of_a_kind_that_nobody_knows_is_refused_and_no_mistake() -> None:
    """A service that reads certificates anew while it runs must outlive every one."""
    key = new_key()
    certificate = self_signed(key, ("mail.example.test",), datetime.now(UTC)).decode()
    odd = ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(certificate).replace(P256, UNKNOWN, 1))
    with pytest.raises(Misconfigured, match=r"mail\.pem: a certificate that cannot be used"):
        identity_of(odd.encode(), key_pem(key), "mail.pem")


def test_a_certificate_without_its_key_says_so_whoever_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "mail.pem"
    path.write_bytes(self_signed(new_key(), ("mail.example.test",), datetime.now(UTC)))
    path.chmod(0o644)
    with pytest.raises(Misconfigured, match="key is not in it; name its file in `key`, or put both together"):
        read_identity(str(path))
