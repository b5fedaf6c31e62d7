"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677): the server's side, and the syntax of both.

The server learns nothing that it could sign in with elsewhere, and proves in turn that it knows the account.
"""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass

from mailroot.wire.sasl.asking import first_response, response, scram_keys
from mailroot.wire.sasl.prepare import prepared
from mailroot.wire.sasl.words import ChannelBinding, Exchange, Malformed, NotSignedIn, Opening, ScramKeys, SignedIn

# RFC 5802 section 7. A mandatory extension ("m=") does not match, as section 5.1 wants it.
_NONCE = r"[!-+\--~]+"
_MORE = r"(?:,[A-Za-z]=[^,\0]+)*"
_HEADER = r"(?P<flag>n|y|p=(?P<kind>[A-Za-z0-9.-]+)),(?:a=(?P<whom>[^,\0]+))?,"
_FIRST = re.compile(rf"(?P<header>{_HEADER})(?P<bare>n=(?P<user>[^,\0]+),r=(?P<nonce>{_NONCE}){_MORE})")
_FINAL = re.compile(rf"(?P<bare>c=(?P<binding>[^,\0]+),r=(?P<nonce>{_NONCE}){_MORE}),p=(?P<proof>[^,\0]+)")
_STRAY_EQUALS = re.compile(r"=(?!2C|3D)")


def accept_scram(opening: Opening) -> Exchange:
    """SCRAM-SHA-256, without a channel binding."""
    return (yield from _accept(opening, None))


def accept_scram_plus(opening: Opening) -> Exchange:
    """SCRAM-SHA-256-PLUS: offered only where there is a channel binding."""
    if opening.binding is None:
        return NotSignedIn("there is no channel to bind to")
    return (yield from _accept(opening, opening.binding))


def _accept(opening: Opening, binding: ChannelBinding | None) -> Exchange:
    first = _read_first((yield from first_response(opening)), opening, binding)
    if not isinstance(first, _First):
        return first
    keys = yield from scram_keys(first.user)
    nonce = first.nonce + base64.b64encode(opening.random).decode()
    offer = f"r={nonce},s={base64.b64encode(keys.salt).decode()},i={keys.iterations}"
    final = _matched(_FINAL, (yield from response(offer.encode())))
    if final is None:
        return Malformed("the last message of SCRAM")
    bound = first.header.encode() + (binding.digest if binding else b"")
    if final["nonce"] != nonce or decoded(final["binding"]) != bound:
        return NotSignedIn("the nonce or the channel binding was changed on the way", first.user)
    said = f"{first.bare},{offer},{final['bare']}".encode()
    if not _is_proof(decoded(final["proof"]), keys, said):
        return NotSignedIn("the proof is wrong, or the account does not exist", first.user)
    signature = base64.b64encode(hmac.digest(keys.server_key, said, "sha256"))
    if (yield from response(b"v=" + signature)):
        return Malformed("nothing follows the server's proof in SCRAM")
    return SignedIn(first.user)


@dataclass(frozen=True, slots=True)
class _First:
    """The client's first message: its header, the rest, and what is in that."""

    header: str
    bare: str
    user: str
    nonce: str


def _read_first(message: bytes, opening: Opening, binding: ChannelBinding | None) -> _First | NotSignedIn | Malformed:
    match = _matched(_FIRST, message)
    if match is None:
        return Malformed("the first message of SCRAM")
    name, whom = saslname(match["user"]), saslname(match["whom"] or match["user"])
    if name is None or whom is None:
        return Malformed("a name in SCRAM")
    user = prepared(name)
    if not user:
        return NotSignedIn("no name, or one that cannot be")
    if prepared(whom) != user:
        return NotSignedIn("signing in on behalf of another user", user)
    fault = _binding_fault(match, opening, binding)
    return NotSignedIn(fault, user) if fault else _First(match["header"], match["bare"], user, match["nonce"])


def _binding_fault(first: re.Match[str], opening: Opening, binding: ChannelBinding | None) -> str:
    """RFC 5802 section 6: what is wrong with what the client says of channel bindings; "" if nothing."""
    if binding is not None:
        if first["kind"] == ChannelBinding.KIND:
            return ""
        return "a channel binding of another kind, or none"
    if first["kind"]:
        return "a channel binding outside of -PLUS"
    if first["flag"] == "y" and opening.binding is not None:
        return "somebody hid from the client that -PLUS is offered"
    return ""


def _is_proof(proof: bytes | None, keys: ScramKeys, said: bytes) -> bool:
    signature = hmac.digest(keys.stored_key, said, "sha256")
    if proof is None or len(proof) != len(signature):
        return False
    client_key = xor(proof, signature)
    return hmac.compare_digest(hashlib.sha256(client_key).digest(), keys.stored_key)


def xor(one: bytes, other: bytes) -> bytes:
    """Both, octet by octet; they are of one length."""
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def decoded(text: str) -> bytes | None:
    """The octets of strict base64; None if it is none."""
    try:
        return binascii.a2b_base64(text.encode(), strict_mode=True)
    except binascii.Error:
        return None


def saslname(text: str) -> str | None:
    """A name as RFC 5802 section 5.1 writes it, read; None if its equals signs are wrong."""
    return None if _STRAY_EQUALS.search(text) else text.replace("=2C", ",").replace("=3D", "=")


def _matched(pattern: re.Pattern[str], message: bytes) -> re.Match[str] | None:
    try:
        return pattern.fullmatch(message.decode())
    except UnicodeDecodeError:
        return None
