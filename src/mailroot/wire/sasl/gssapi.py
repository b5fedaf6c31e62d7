"""GSSAPI (RFC 4752), GSS-SPNEGO, and NTLM that Samba decides: a context elsewhere does the work, both sides.

No security layer is ever agreed on: TLS is there for that.
"""

from mailroot.wire.sasl.asking import (
    challenge,
    context_token,
    first_response,
    response,
    unwrapped,
    wrapped,
)
from mailroot.wire.sasl.ntlmwords import is_null_session
from mailroot.wire.sasl.prepare import prepared
from mailroot.wire.sasl.words import (
    Abandoned,
    ClientOpening,
    ContextFailed,
    ContextToken,
    Exchange,
    Malformed,
    NotSignedIn,
    Opening,
    Part,
    Presentation,
    SignedIn,
)

# Kerberos needs two tokens, SPNEGO around NTLM three; nobody needs more than a few (RFC 4121, RFC 4178).
MOST_ROUNDS = 10
# RFC 4954 section 4: 12,288 octets of base64 at the most.
LONGEST_TOKEN = 9216

# RFC 4752 section 3.3: no layer but none, so the largest message of a layer is of no octets.
_NO_LAYER = b"\1\0\0\0"

_SPNEGO = b"\x06\x06\x2b\x06\x01\x05\x05\x02"  # its object identifier (RFC 4178 section 4.2), in DER
_NTLM = b"NTLMSSP\0"


def accept_gssapi(opening: Opening) -> Exchange:
    """Kerberos as RFC 4752 has it; or SPNEGO, as .NET and Exchange have it: without an agreement on layers."""
    first = yield from first_response(opening)
    established = yield from _establish(first)
    if not isinstance(established, str):
        return established
    return SignedIn(established) if _is_negotiation(first) else (yield from _agree(established))


def accept_by_context(opening: Opening) -> Exchange:
    """GSS-SPNEGO, and NTLM: done as soon as the context is established."""
    established = yield from _establish((yield from first_response(opening)))
    return SignedIn(established) if isinstance(established, str) else established


def _is_negotiation(token: bytes) -> bool:
    return token.startswith(_NTLM) or _SPNEGO in token[:16]


def _establish(token: bytes) -> Part[str | NotSignedIn | Malformed]:
    """Feed the context until it knows the user."""
    for _ in range(MOST_ROUNDS):
        if len(token) > LONGEST_TOKEN:
            return NotSignedIn("a token that is too long")
        # Samba may be set up to map those to a guest.
        if is_null_session(token):
            return NotSignedIn("a null session")
        step = yield from context_token(token)
        if isinstance(step, ContextFailed):
            return NotSignedIn(step.cause)
        if step.user is not None:
            return (yield from _last_token(step))
        token = yield from response(step.data)
    return NotSignedIn(f"a context that is not established after {MOST_ROUNDS} tokens")


def _last_token(step: ContextToken) -> Part[str | NotSignedIn | Malformed]:
    if step.data and (yield from response(step.data)):
        return Malformed("an established context has no more tokens")
    return step.user or NotSignedIn("a context of nobody")


def _agree(user: str) -> Exchange:
    """RFC 4752 section 3.1: offer no layer, and hear whom the client wants to be."""
    offer = yield from wrapped(_NO_LAYER)
    if isinstance(offer, ContextFailed):
        return NotSignedIn(offer.cause, user)
    chosen = yield from unwrapped((yield from response(offer)))
    if isinstance(chosen, ContextFailed):
        return NotSignedIn(chosen.cause, user)
    if len(chosen) < 4 or chosen[0] != 1:
        return Malformed("a security layer that was not offered")
    whom = prepared(chosen[4:].decode(errors="replace"))
    # Clients name themselves with and without their realm; it is the context that says who they are.
    if whom in ("", user, user.partition("@")[0]):
        return SignedIn(user)
    return NotSignedIn("signing in on behalf of another user", user)


def present_gssapi(_opening: ClientOpening) -> Presentation:
    """Establish the context, then agree on no layer (RFC 4752 section 3.1)."""
    token = b""
    for _ in range(MOST_ROUNDS):
        step = yield from context_token(token)
        if isinstance(step, ContextFailed):
            return Abandoned(step.cause)
        token = yield from challenge(step.data, conclusive=step.user is not None)
        if step.user is not None:
            return (yield from _accept_no_layer(token))
    return Abandoned(f"a context that is not established after {MOST_ROUNDS} tokens")


def _accept_no_layer(offer: bytes) -> Presentation:
    layers = yield from unwrapped(offer)
    if isinstance(layers, ContextFailed):
        return Abandoned(layers.cause)
    if len(layers) != 4 or not layers[0] & 1:
        return Abandoned("the server insists on a security layer")
    answer = yield from wrapped(_NO_LAYER)
    if isinstance(answer, ContextFailed):
        return Abandoned(answer.cause)
    yield from challenge(answer)
    return None
