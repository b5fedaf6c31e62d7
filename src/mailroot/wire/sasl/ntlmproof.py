"""What NTLMv2 proves with (MS-NLMP section 3.3.2), the checksum of its messages, and its channel binding."""

import hashlib
import hmac
import struct
from dataclasses import dataclass, field

from mailroot.wire.sasl.digests import rc4
from mailroot.wire.sasl.ntlmwords import Pairs, read_pairs
from mailroot.wire.sasl.words import ChannelBinding

PROOF = 16
# RespType, HiRespType, 6 zeros, time, client's challenge, 4 zeros (section 2.2.2.7): what stands before the pairs.
_BLOB_HEAD = 28


@dataclass(frozen=True, slots=True)
class Response:
    """An NTLMv2 response: the proof, and what it is made over, with the pairs that are in it."""

    proof: bytes = field(repr=False)
    blob: bytes = field(repr=False)
    pairs: Pairs


def read_response(nt: bytes) -> Response | None:
    """The response; None for one of NTLMv1, and for what is none."""
    proof, blob = nt[:PROOF], nt[PROOF:]
    # 24 octets are NTLMv1, whatever they say.
    if len(blob) < _BLOB_HEAD or blob[:2] != b"\1\1":
        return None
    pairs = read_pairs(blob[_BLOB_HEAD:])
    return None if pairs is None else Response(proof, blob, pairs)


def blob_of(time: bytes, client_challenge: bytes, target_info: bytes) -> bytes:
    """What the proof is made over, of the client's part."""
    return b"\1\1" + bytes(6) + time + client_challenge + bytes(4) + target_info + bytes(4)


def response_key(nt_hash: bytes, user: str, domain: str) -> bytes:
    """NTOWFv2: what proofs are made with. The user's name counts in upper case, the domain as it was sent."""
    upper = "".join(map(_upper, user))
    return hmac.digest(nt_hash, (upper + domain).encode("utf-16-le", "surrogatepass"), "md5")


def _upper(character: str) -> str:
    """Windows maps one character to one: the sharp s stays."""
    upper = character.upper()
    return upper if len(upper) == 1 else character


def proof_of(key: bytes, server_challenge: bytes, blob: bytes) -> bytes:
    """NTProofStr."""
    return hmac.digest(key, server_challenge + blob, "md5")


def lm_response(key: bytes, server_challenge: bytes, client_challenge: bytes) -> bytes:
    """LMv2, for servers that send no time."""
    return hmac.digest(key, server_challenge + client_challenge, "md5") + client_challenge


def session_key(key: bytes, proof: bytes, exchanged: bytes) -> bytes:
    """ExportedSessionKey: what the proof gives, or what the client sent under it (section 3.1.5.1.2)."""
    made = hmac.digest(key, proof, "md5")
    return rc4(made, exchanged) if exchanged else made


def checksum(exported: bytes, messages: bytes) -> bytes:
    """The MIC over the three messages, whose last one has zeros in its place."""
    return hmac.digest(exported, messages, "md5")


def binding_hash(binding: ChannelBinding) -> bytes:
    """MsvAvChannelBindings (section 2.2.2.1): a digest of the gss_channel_bindings_struct of RFC 2744."""
    named = ChannelBinding.KIND.encode() + b":" + binding.digest
    return hashlib.md5(bytes(16) + struct.pack("<I", len(named)) + named, usedforsecurity=False).digest()
