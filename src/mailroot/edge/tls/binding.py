"""The channel binding that a certificate gives: `tls-server-end-point` (RFC 5929 section 4.1)."""

import functools

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from mailroot.wire.sasl.words import ChannelBinding

# "If MD5 or SHA-1, use SHA-256."
_WEAK = (hashes.MD5, hashes.SHA1)


@functools.lru_cache(maxsize=256)
def end_point_binding(certificate: bytes) -> ChannelBinding | None:
    """The binding to a server with this certificate (DER); None where the standard defines none, as for Ed25519.

    A server with certificates for several names passes the one that this connection was given.
    """
    try:
        parsed = x509.load_der_x509_certificate(certificate)
        algorithm = parsed.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return None
    if algorithm is None:
        return None
    return ChannelBinding(parsed.fingerprint(hashes.SHA256() if isinstance(algorithm, _WEAK) else algorithm))
