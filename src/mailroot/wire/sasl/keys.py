"""What is kept of a password for each mechanism that needs more than a check of it.

Who has read the SCRAM keys can guess passwords at the price of their iterations, and is no user for that. The NT hash
and the CRAM secret open their mechanisms to whoever has read them: they are kept only where these are switched on.
"""

import hashlib
import hmac

from mailroot.wire.sasl.digests import BLOCK, md4, md5_from, md5_state
from mailroot.wire.sasl.prepare import prepared
from mailroot.wire.sasl.words import ScramKeys

# RFC 7677 section 4 asks for 4096 at least. Each client pays it at each sign-in, small devices too.
SCRAM_ITERATIONS = 4096


def scram_keys(password: str, salt: bytes, iterations: int = SCRAM_ITERATIONS) -> ScramKeys:
    """What is kept for SCRAM-SHA-256 (RFC 5802 section 3, RFC 7677); `salt` are 16 fresh random octets or more."""
    salted = scram_salted(password, salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return ScramKeys(salt, iterations, hashlib.sha256(client_key).digest(), server_key)


def scram_salted(password: str, salt: bytes, iterations: int) -> bytes:
    """SaltedPassword of RFC 5802; a password that cannot be prepared counts as it was typed."""
    ready = prepared(password)
    octets = (password if ready is None else ready).encode()
    return hashlib.pbkdf2_hmac("sha256", octets, salt, iterations)


def nt_hash(password: str) -> bytes:
    """What is kept for NTLM: NTOWFv1 of MS-NLMP section 3.3.1, 16 octets."""
    return md4(password.encode("utf-16-le", "replace"))


def cram_secret(password: str) -> bytes:
    """What is kept for CRAM-MD5: the two states of HMAC-MD5 after its key, 32 octets (RFC 2195 section 2).

    They serve for CRAM-MD5 alone, and the password is not in them.
    """
    key = password.encode()
    if len(key) > BLOCK:
        key = hashlib.md5(key, usedforsecurity=False).digest()
    key = key.ljust(BLOCK, b"\0")
    return b"".join(md5_state(bytes(octet ^ pad for octet in key)) for pad in (0x36, 0x5C))


def cram_digest(secret: bytes, challenge: bytes) -> bytes:
    """HMAC-MD5 of a challenge under the password that the secret was made from."""
    return md5_from(secret[16:], md5_from(secret[:16], challenge))
