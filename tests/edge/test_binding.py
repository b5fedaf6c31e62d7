"""The channel binding of certificates, of every kind of signature."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256, sha384

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from mailroot.edge.tls.binding import end_point_binding
from mailroot.wire.sasl.words import ChannelBinding


def certificate(key, algorithm) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.example.com")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return builder.sign(key, algorithm).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("algorithm", "digest"), [(hashes.SHA256(), sha256), (hashes.SHA384(), sha384)], ids=["SHA-256", "SHA-384"]
)
def test_the_hash_is_that_of_the_signature(algorithm, digest):
    octets = certificate(ec.generate_private_key(ec.SECP256R1()), algorithm)
    assert end_point_binding(octets) == ChannelBinding(digest(octets).digest())


def test_a_signature_without_a_hash_gives_none():
    assert end_point_binding(certificate(ed25519.Ed25519PrivateKey.generate(), None)) is None


@pytest.mark.parametrize("octets", [b"", b"\x30\x00", bytes(100)])
def test_what_is_no_certificate_gives_none(octets):
    assert end_point_binding(octets) is None
