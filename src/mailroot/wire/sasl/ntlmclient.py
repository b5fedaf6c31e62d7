"""NTLM as a client (MS-NLMP section 3.1): NTLMv2, with the checksum of its messages and the channel binding."""

from collections.abc import Mapping

from mailroot.wire.sasl import ntlmwords
from mailroot.wire.sasl.asking import challenge
from mailroot.wire.sasl.keys import nt_hash
from mailroot.wire.sasl.ntlmproof import (
    binding_hash,
    blob_of,
    checksum,
    lm_response,
    proof_of,
    response_key,
    session_key,
)
from mailroot.wire.sasl.ntlmwords import CHECKSUM_PRESENT, Challenged, Flag, Pair, filetime, with_checksum
from mailroot.wire.sasl.words import Abandoned, ClientOpening, Presentation

# OEM is not offered: names have all characters.
_FLAGS = (
    Flag.UNICODE
    | Flag.REQUEST_TARGET
    | Flag.NTLM
    | Flag.ALWAYS_SIGN
    | Flag.EXTENDED_SESSION_SECURITY
    | Flag.VERSION
    | Flag.KEY_128
    | Flag.KEY_56
)

# A challenge has a few names in it; what it says about the server comes back in our answer.
_LONGEST = 4096


def present_ntlm(opening: ClientOpening) -> Presentation:
    """Prove that we have the password."""
    first = ntlmwords.negotiate(_FLAGS)
    second = yield from challenge(first, conclusive=False)
    asked = ntlmwords.read_challenge(second) if len(second) <= _LONGEST else None
    if asked is None or not asked.flags & Flag.UNICODE:
        return Abandoned("the server's message is no challenge of NTLM that NTLMv2 can answer")
    last, exported = _answer(opening, asked)
    yield from challenge(with_checksum(last, checksum(exported, first + second + last)))
    return None


def _answer(opening: ClientOpening, asked: Challenged) -> tuple[bytes, bytes]:
    """The last message without its checksum, and the key of that."""
    credentials, own_challenge = opening.credentials, opening.random[:8]
    time = asked.pairs.get(Pair.TIMESTAMP, filetime(opening.now))
    target_info = ntlmwords.written(_pairs(opening, asked.pairs))
    key = response_key(nt_hash(credentials.password), credentials.user, credentials.domain)
    blob = blob_of(time, own_challenge, target_info)
    proof = proof_of(key, asked.challenge, blob)
    # Section 3.1.5.1.2: no LM response to a server that sent its time.
    lm = bytes(24) if Pair.TIMESTAMP in asked.pairs else lm_response(key, asked.challenge, own_challenge)
    names = (credentials.domain.encode("utf-16-le"), credentials.user.encode("utf-16-le"), b"")
    flags = _FLAGS & asked.flags | Flag.UNICODE | Flag.NTLM | Flag.VERSION | Flag.TARGET_INFO
    return ntlmwords.authenticate(flags, lm, proof + blob, names), session_key(key, proof, b"")


def _pairs(opening: ClientOpening, theirs: Mapping[int, bytes]) -> dict[int, bytes]:
    flags = int.from_bytes(theirs.get(Pair.FLAGS, b"")[:4], "little") | CHECKSUM_PRESENT
    return {
        **theirs,
        Pair.FLAGS: flags.to_bytes(4, "little"),
        Pair.CHANNEL_BINDINGS: binding_hash(opening.binding) if opening.binding else bytes(16),
        Pair.TARGET: f"{opening.service}/{opening.host}".encode("utf-16-le"),
    }
