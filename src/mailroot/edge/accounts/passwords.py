"""Argon2id hashes of passwords, and a short memory of passwords that were right.

The memory holds keyed hashes only, under a key that lives as long as the process. What it knows of a password goes with
the stored hash: a new password or a removed account is never let in by it.
"""

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from mailroot.wire.sasl.prepare import prepared

# OWASP's second choice, 19 MiB and two passes: some 20 ms. A device that signs in for each message must not cost more.
_MEMORY_KIB, _PASSES, _LANES = 19 * 1024, 2, 1

REMEMBERED = 600.0
"""Seconds for which a right password is remembered."""
_MOST_REMEMBERED = 16_384

# The hash of a password that nobody has, for names that nobody has: the same work as for all others.
NOBODYS = "$argon2id$v=19$m=19456,t=2,p=1$1wHJ3DiRXl2yxTWNPWTX3w$W2bAD1feCJCdJCkgsjzzwQtiwiPNm1yWN0UeniwEgbg"


class PasswordHashes:
    """Makes and verifies hashes. `made` counts the times that Argon2 was run. Used from any thread."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(_PASSES, _MEMORY_KIB, _LANES)
        self.made = 0

    def hash(self, password: str) -> str:
        """A new hash, with a salt of its own, as text that names its parameters."""
        self.made += 1
        return self._hasher.hash(_octets(password))

    def verify(self, hashed: str, password: str) -> bool:
        """Whether the hash is of this password; a damaged one is of none."""
        self.made += 1
        try:
            return self._hasher.verify(hashed, _octets(password))
        except (Argon2Error, InvalidHashError):
            return False


def _octets(password: str) -> bytes:
    """The password as it is compared (RFC 4013); one that cannot be prepared counts as it was typed."""
    ready = prepared(password)
    return (password if ready is None else ready).encode("utf-8", "surrogatepass")


class RightPasswords:
    """Passwords that were right of late. `now` gives seconds that never go back."""

    def __init__(self, now: Callable[[], float], most: int = _MOST_REMEMBERED) -> None:
        self._key = secrets.token_bytes(32)
        self._now = now
        self._most = most
        self._known: OrderedDict[bytes, float] = OrderedDict()  # until when, by keyed hash

    def knows(self, hashed: str, password: str, client: str) -> bool:
        """Whether this password, said by this client, was right for this hash of late."""
        return self._known.get(self._mark(hashed, password, client), 0.0) > self._now()

    def remember(self, hashed: str, password: str, client: str) -> None:
        """This password is right for this hash. The oldest one is forgotten where there are too many."""
        mark = self._mark(hashed, password, client)
        self._known[mark] = self._now() + REMEMBERED
        self._known.move_to_end(mark)
        if len(self._known) > self._most:
            self._known.popitem(last=False)

    def _mark(self, hashed: str, password: str, client: str) -> bytes:
        return hmac.digest(self._key, f"{hashed}\0{client}\0".encode() + _octets(password), "sha256")
