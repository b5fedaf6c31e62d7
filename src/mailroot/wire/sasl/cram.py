"""CRAM-MD5 (RFC 2195), both sides: the password stays at home, the proof is of the last century."""

import hmac

from mailroot.wire.sasl.asking import challenge, cram_secret, response
from mailroot.wire.sasl.keys import cram_digest
from mailroot.wire.sasl.keys import cram_secret as secret_of
from mailroot.wire.sasl.prepare import prepared
from mailroot.wire.sasl.words import ClientOpening, Exchange, Malformed, NotSignedIn, Opening, Presentation, SignedIn

# An account without a secret is treated as one that nobody has the password of, so that both take the same time.
_NOBODYS = bytes(32)


def accept_cram_md5(opening: Opening) -> Exchange:
    """Ask for a proof over words that were never used before."""
    if opening.initial is not None:
        return Malformed("CRAM-MD5 has no initial response")
    words = f"<{opening.random[:16].hex()}.{int(opening.now.timestamp())}@{opening.names[0]}>".encode()
    user, _, proof = (yield from response(words)).rpartition(b" ")
    try:
        name = prepared(user.decode())
    except UnicodeDecodeError:
        return Malformed("CRAM-MD5 has a name in UTF-8")
    if not name:
        return NotSignedIn("no name, or one that cannot be")
    secret = yield from cram_secret(name)
    right = cram_digest(secret or _NOBODYS, words).hex().encode()
    if hmac.compare_digest(right, proof.lower()) and secret is not None:
        return SignedIn(name)
    return NotSignedIn("the proof is wrong, or the account has no CRAM-MD5", name)


def present_cram_md5(opening: ClientOpening) -> Presentation:
    """Prove that we have the password."""
    credentials = opening.credentials
    words = yield from challenge(None, conclusive=False)
    proof = cram_digest(secret_of(credentials.password), words).hex()
    yield from challenge(f"{credentials.user} {proof}".encode())
    return None
