"""PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login): the password itself goes over the wire; both sides."""

from mailroot.wire.sasl.asking import challenge, first_response, password_is_right, response
from mailroot.wire.sasl.prepare import LONGEST, prepared
from mailroot.wire.sasl.words import (
    ClientOpening,
    Exchange,
    Malformed,
    NotSignedIn,
    Opening,
    Presentation,
    SignedIn,
)

# Prompts as the predecessor sends them; some clients compare.
USERNAME_PROMPT = b"Username:"
PASSWORD_PROMPT = b"Password:"


def accept_plain(opening: Opening) -> Exchange:
    """One message: whom to be, who one is, the password. To be somebody else is refused."""
    message = yield from first_response(opening)
    parts = message.split(b"\0")
    if len(parts) != 3:
        return Malformed("PLAIN has two zeros, no more and no fewer")
    try:
        whom, user, password = (part.decode() for part in parts)
    except UnicodeDecodeError:
        return Malformed("PLAIN is UTF-8")
    if whom and prepared(whom) != prepared(user):
        return NotSignedIn("signing in on behalf of another user", prepared(user) or "")
    return (yield from _decide(user, password))


def accept_login(opening: Opening) -> Exchange:
    """Two messages: who one is, and the password. The initial response, where there is one, is the name."""
    name = opening.initial
    if not name:
        # .NET sends the name at once; what sends an empty response at once has not said its name yet.
        name = yield from response(USERNAME_PROMPT)
    password = yield from response(PASSWORD_PROMPT)
    return (yield from _decide(_text(name), _text(password)))


def _text(octets: bytes) -> str:
    """LOGIN never said how its words are encoded: UTF-8, or else what old devices send."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def _decide(user: str, password: str) -> Exchange:
    name = prepared(user)
    if not name:
        return NotSignedIn("no name, or one that cannot be")
    # An empty password means "anonymous" to some directories, so none is asked about it.
    if not password:
        return NotSignedIn("an empty password", name)
    if len(password) > LONGEST or "\0" in password:
        return NotSignedIn("a password that cannot be", name)
    if (yield from password_is_right(name, password)):
        return SignedIn(name)
    return NotSignedIn("the password is wrong, or the account does not exist", name)


def present_plain(opening: ClientOpening) -> Presentation:
    """Say name and password in the initial response."""
    user, password = opening.credentials.user, opening.credentials.password
    yield from challenge(f"\0{user}\0{password}".encode())
    return None


def present_login(opening: ClientOpening) -> Presentation:
    """Say the name to the first prompt, whatever its words, and the password to the second."""
    yield from challenge(None, conclusive=False)
    yield from challenge(opening.credentials.user.encode(), conclusive=False)
    yield from challenge(opening.credentials.password.encode())
    return None
