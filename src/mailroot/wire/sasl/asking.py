"""Questions of a mechanism, each with an answer of the kind that it must have."""

from collections.abc import Generator
from typing import TypeVar

from mailroot.wire.sasl.words import (
    Challenge,
    CheckPassword,
    ClientPart,
    ContextFailed,
    ContextStep,
    ContextToken,
    ContextUnwrap,
    ContextWrap,
    CramSecretOf,
    NtHashOf,
    Opening,
    Part,
    Response,
    ScramKeys,
    ScramKeysOf,
)

T = TypeVar("T")


def response(challenge: bytes) -> Part[bytes]:
    """The client's response to a challenge."""
    return _a(bytes, (yield Challenge(challenge)))


def first_response(opening: Opening) -> Part[bytes]:
    """The response that a client-first mechanism begins with; asked for by an empty challenge (RFC 4954 section 4)."""
    if opening.initial is not None:
        return opening.initial
    return (yield from response(b""))


def password_is_right(user: str, password: str) -> Part[bool]:
    """Whether this is the user's password."""
    return _a(bool, (yield CheckPassword(user, password)))


def scram_keys(user: str) -> Part[ScramKeys]:
    """The user's SCRAM keys, or those that are made up."""
    return _a(ScramKeys, (yield ScramKeysOf(user)))


def cram_secret(user: str) -> Part[bytes | None]:
    """What is kept for the user's CRAM-MD5."""
    answer = yield CramSecretOf(user)
    return None if answer is None else _a(bytes, answer)


def nt_hash(user: str, domain: str) -> Part[bytes | None]:
    """The user's NT hash."""
    answer = yield NtHashOf(user, domain)
    return None if answer is None else _a(bytes, answer)


def context_token(token: bytes) -> Generator[ContextStep, object, ContextToken | ContextFailed]:
    """What our security context makes of the peer's token, on either side."""
    answer = yield ContextStep(token)
    return answer if isinstance(answer, ContextFailed) else _a(ContextToken, answer)


def wrapped(octets: bytes) -> Generator[ContextWrap, object, bytes | ContextFailed]:
    """Octets sealed in our context."""
    answer = yield ContextWrap(octets)
    return answer if isinstance(answer, ContextFailed) else _a(bytes, answer)


def unwrapped(octets: bytes) -> Generator[ContextUnwrap, object, bytes | ContextFailed]:
    """What the peer sealed."""
    answer = yield ContextUnwrap(octets)
    return answer if isinstance(answer, ContextFailed) else _a(bytes, answer)


def challenge(response: bytes | None, told: str = "", conclusive: bool = True) -> ClientPart[bytes]:
    """The server's challenge after a response of ours."""
    return _a(bytes, (yield Response(response, told, conclusive)))


def _a(kind: type[T], answer: object) -> T:
    if not isinstance(answer, kind):
        raise TypeError(f"the driver of a mechanism answers with {kind.__name__}, not {type(answer).__name__}")
    return answer
