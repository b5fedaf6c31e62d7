"""OAUTHBEARER (RFC 7628) and XOAUTH2 (Google, Microsoft) as a client: a token instead of a password."""

from mailroot.wire.sasl.asking import challenge
from mailroot.wire.sasl.telling import told_json
from mailroot.wire.sasl.words import ClientOpening, Presentation


def present_oauthbearer(opening: ClientOpening) -> Presentation:
    """Show the token. A challenge is the server's error, and wants the dummy answer of RFC 7628 section 3.2.3."""
    credentials = opening.credentials
    name = credentials.user.replace("=", "=3D").replace(",", "=2C")
    words = (f"n,a={name},", f"host={opening.host}", f"port={opening.port}", f"auth=Bearer {credentials.token}", "", "")
    error = yield from challenge("\1".join(words).encode())
    yield from challenge(b"\1", told_json(error), conclusive=False)
    return None


def present_xoauth2(opening: ClientOpening) -> Presentation:
    """Show the token. A challenge is the server's error, and wants an empty answer."""
    credentials = opening.credentials
    words = (f"user={credentials.user}", f"auth=Bearer {credentials.token}", "", "")
    error = yield from challenge("\1".join(words).encode())
    yield from challenge(b"", told_json(error), conclusive=False)
    return None
