"""NTLM as a server (MS-NLMP section 3.2): NTLMv2 and nothing older.

A null session, a guest or an NTLMv1 response never signs in. The checksum of the messages is verified where the client
announced one, the channel binding where it sent one; `Opening.strict` demands both.
"""

import hmac
from dataclasses import dataclass

from mailroot.wire.sasl.asking import first_response, nt_hash, response
from mailroot.wire.sasl.ntlmproof import (
    Response,
    binding_hash,
    checksum,
    proof_of,
    read_response,
    response_key,
    session_key,
)
from mailroot.wire.sasl.ntlmwords import (
    CHECKSUM_PRESENT,
    Authenticate,
    Flag,
    Pair,
    Pairs,
    challenge,
    filetime,
    read_authenticate,
    read_negotiate,
    text,
)
from mailroot.wire.sasl.prepare import prepared
from mailroot.wire.sasl.words import Exchange, Malformed, NotSignedIn, Opening, SignedIn

# What the client may choose. SEAL and SIGN are echoed for those who insist; no message is ever sealed or signed.
_CHOICES = (
    Flag.SIGN
    | Flag.SEAL
    | Flag.ALWAYS_SIGN
    | Flag.EXTENDED_SESSION_SECURITY
    | Flag.KEY_128
    | Flag.KEY_56
    | Flag.KEY_EXCHANGE
)
_ALWAYS = Flag.REQUEST_TARGET | Flag.NTLM | Flag.TARGET_TYPE_SERVER | Flag.TARGET_INFO | Flag.VERSION

# An account without a hash is treated as one that nobody has the password of, so that both take the same time.
_NOBODYS = bytes(16)
_UNBOUND = bytes(16)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was said before the last message: the first two as they were sent, and what the second had in it."""

    said: bytes
    flags: Flag
    nonce: bytes


def accept_ntlm(opening: Opening) -> Exchange:
    """Ask for a proof that the client has the NT hash."""
    first = yield from first_response(opening)
    wishes = read_negotiate(first)
    if wishes is None:
        return Malformed("the first message of NTLM")
    nonce = opening.random[:8]
    flags = _flags(wishes)
    names = _pairs(opening)
    target = names[Pair.COMPUTER] if flags & Flag.UNICODE else _short_name(opening).encode()
    second = challenge(flags, nonce, target, names)
    last = read_authenticate((yield from response(second)))
    if last is None:
        return Malformed("the last message of NTLM")
    return (yield from _judge(opening, _Asked(first + second, flags, nonce), last))


def _flags(wishes: Flag) -> Flag:
    unicode = wishes & Flag.UNICODE or not wishes & Flag.OEM
    return _ALWAYS | (wishes & _CHOICES) | (Flag.UNICODE if unicode else Flag.OEM)


def _short_name(opening: Opening) -> str:
    """A NetBIOS name: 15 characters of the first label."""
    name = opening.names[0].partition(".")[0].upper()[:15]
    return name if name and name.isascii() else "MAILROOT"


def _pairs(opening: Opening) -> Pairs:
    # A server of no domain is its own domain. With a time in it, clients of today add their checksum.
    short, full = _short_name(opening).encode("utf-16-le"), opening.names[0].encode("utf-16-le")
    return {
        Pair.DOMAIN: short,
        Pair.COMPUTER: short,
        Pair.DNS_DOMAIN: full,
        Pair.DNS_COMPUTER: full,
        Pair.TIMESTAMP: filetime(opening.now),
    }


def _judge(opening: Opening, asked: _Asked, last: Authenticate) -> Exchange:
    # The last message's own flags may be 0 (JavaMail): what was agreed on before counts.
    user, domain = text(last.user, asked.flags), text(last.domain, asked.flags)
    if user is None or domain is None:
        return Malformed("a name in NTLM")
    name, home = _account(user, domain, opening)
    # MS02-011: a client without a name or a response asks for a null session, and must never count as signed in.
    if not name or not last.nt:
        return NotSignedIn("a null session", name)
    proof = read_response(last.nt)
    if proof is None:
        return NotSignedIn("NTLMv1, or no NTLM at all", name)
    kept = yield from nt_hash(name, home)
    key = response_key(kept or _NOBODYS, user, domain)
    right = proof_of(key, asked.nonce, proof.blob)
    if not hmac.compare_digest(right, proof.proof) or kept is None:
        return NotSignedIn("the proof is wrong, or the account has no NT hash", name)
    fault = _checksum_fault(opening, asked, last, proof, key) or _relay_fault(opening, proof, asked.flags)
    if fault:
        return NotSignedIn(fault, name)
    return SignedIn(f"{home}\\{name}" if home else name)


def _account(user: str, domain: str, opening: Opening) -> tuple[str, str]:
    """The name and the domain that the client means; no domain where it means this server. No name: nobody's."""
    if not domain:
        # Clients that cannot send a domain: "DOMAIN\\user", and "user%DOMAIN".
        before, slash, after = user.partition("\\")
        user, domain = (after, before) if slash else _split(user)
    ours = {"", ".", _short_name(opening).casefold(), *(name.casefold() for name in opening.names)}
    home = prepared(domain)
    name = prepared(user)
    if not name or home is None:
        return "", ""
    return name, "" if home.casefold() in ours else home


def _split(user: str) -> tuple[str, str]:
    name, percent, domain = user.rpartition("%")
    return (name, domain) if percent else (user, "")


def _checksum_fault(opening: Opening, asked: _Asked, last: Authenticate, proof: Response, key: bytes) -> str:
    """What is wrong with the checksum; "" if nothing. That it is there stands in the response, which is proved."""
    announced = int.from_bytes(proof.pairs.get(Pair.FLAGS, b""), "little") & CHECKSUM_PRESENT
    if not announced:
        return "no checksum, and one is demanded" if opening.strict else ""
    exchanges = (last.flags or asked.flags) & Flag.KEY_EXCHANGE
    if last.checksum is None or (exchanges and len(last.session_key) != 16):
        return "the checksum is missing"
    exported = session_key(key, proof.proof, last.session_key if exchanges else b"")
    right = checksum(exported, asked.said + last.unsigned)
    return "" if hmac.compare_digest(right, last.checksum) else "the messages were changed on the way"


def _relay_fault(opening: Opening, proof: Response, flags: Flag) -> str:
    """What shows that the proof was made for another connection or service; "" if nothing."""
    bound = proof.pairs.get(Pair.CHANNEL_BINDINGS, _UNBOUND)
    ours = binding_hash(opening.binding) if opening.binding else _UNBOUND
    # Who is bound to a channel that is not this one was led here by somebody, in clear too.
    if bound != _UNBOUND and not hmac.compare_digest(bound, ours):
        return "bound to another TLS connection"
    if not opening.strict:
        return ""
    if bound != ours:
        return "no channel binding, and one is demanded"
    target = text(proof.pairs.get(Pair.TARGET, b""), flags | Flag.UNICODE)
    if target and target.rpartition("/")[2].casefold() not in _our_names(opening):
        return "meant for another service"
    return ""


def _our_names(opening: Opening) -> set[str]:
    return {_short_name(opening).casefold(), *(name.casefold() for name in opening.names)}
