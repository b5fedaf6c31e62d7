"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS as a client (RFC 5802, RFC 7677). The server has to prove itself, too."""

import base64
import hashlib
import hmac
import re

from mailroot.wire.sasl.asking import challenge
from mailroot.wire.sasl.keys import SCRAM_ITERATIONS, scram_salted
from mailroot.wire.sasl.prepare import prepared
from mailroot.wire.sasl.scram import decoded, xor
from mailroot.wire.sasl.telling import told
from mailroot.wire.sasl.words import Abandoned, ChannelBinding, ClientOpening, Presentation

# Fewer iterations (RFC 7677 section 4) would make the proof an easy guess for who is not the server; more would keep us
# busy for a tenth of a second and more.
MOST_ITERATIONS = 200_000

_OFFER = re.compile(rb"r=([!-+\--~]+),s=([A-Za-z0-9+/=]+),i=([1-9][0-9]{0,6})(?:,[A-Za-z]=[^,\0]+)*")
_SIGNATURE = re.compile(rb"v=([A-Za-z0-9+/=]+)(?:,[A-Za-z]=[^,\0]+)*")


def present_scram(opening: ClientOpening) -> Presentation:
    """SCRAM-SHA-256.

    Where there is a channel binding, the server offered no -PLUS, or we would use that: "y" lets it find out that
    somebody took -PLUS from its offer.
    """
    return (yield from _present(opening, "y,," if opening.binding else "n,,", b""))


def present_scram_plus(opening: ClientOpening) -> Presentation:
    """SCRAM-SHA-256-PLUS: chosen only where there is a channel binding."""
    if opening.binding is None:
        return Abandoned("there is no channel to bind to")
    return (yield from _present(opening, f"p={ChannelBinding.KIND},,", opening.binding.digest))


def _present(opening: ClientOpening, header: str, binding: bytes) -> Presentation:
    credentials = opening.credentials
    name = prepared(credentials.user) or credentials.user
    nonce = base64.b64encode(opening.random)
    bare = f"n={name.replace('=', '=3D').replace(',', '=2C')},r=".encode() + nonce
    offer = yield from challenge(header.encode() + bare, conclusive=False)
    terms = _OFFER.fullmatch(offer)
    salt = terms and decoded(terms[2].decode())
    if not terms or not salt:
        return Abandoned("the server's first message is no SCRAM")
    if not terms[1].startswith(nonce) or terms[1] == nonce:
        return Abandoned("the server did not use our nonce")
    iterations = int(terms[3])
    if not SCRAM_ITERATIONS <= iterations <= MOST_ITERATIONS:
        return Abandoned(f"the server asks for {iterations} iterations, not {SCRAM_ITERATIONS} to {MOST_ITERATIONS}")
    final = b"c=" + base64.b64encode(header.encode() + binding) + b",r=" + terms[1]
    said = b",".join((bare, offer, final))
    salted = scram_salted(credentials.password, salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    proof = xor(client_key, hmac.digest(hashlib.sha256(client_key).digest(), said, "sha256"))
    end = yield from challenge(final + b",p=" + base64.b64encode(proof), conclusive=False)
    if end.startswith(b"e="):
        yield from challenge(b"", told(end[2:]), conclusive=False)
        return None
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    if not _is_signature(end, hmac.digest(server_key, said, "sha256")):
        return Abandoned("the server did not prove that it knows the account")
    yield from challenge(b"")
    return None


def _is_signature(message: bytes, right: bytes) -> bool:
    match = _SIGNATURE.fullmatch(message)
    signature = match and decoded(match[1].decode())
    return signature is not None and hmac.compare_digest(signature, right)
