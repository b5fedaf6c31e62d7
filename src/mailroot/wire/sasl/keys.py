"""What is kept of a password for each mechanism that needs more than a check of it."""

import hashlib
import hmac

from mailroot.wire.sasl.prepare import prepared
from mailroot.wire.sasl.words import ScramKeys

# RFC 7677 section 4 asks for 4096 at least. An attacker who has the keys guesses at this price; so does the client of
# every sign-in pay it, which may be a small device.
SCRAM_ITERATIONS = 4096


def scram_keys(password: str, salt: bytes, iterations: int = SCRAM_ITERATIONS) -> ScramKeys:
    """What is kept for SCRAM-SHA-256 (RFC 5802 section 3, RFC 7677); `salt` are 16 fresh random octets or more."""
    salted = hashlib.pbkdf2_hmac("sha256", password_octets(password), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return ScramKeys(salt, iterations, hashlib.sha256(client_key).digest(), server_key)


def password_octets(password: str) -> bytes:
    """The password as mechanisms hash it; one that cannot be prepared counts as it was typed."""
    ready = prepared(password)
    return (password if ready is None else ready).encode()
