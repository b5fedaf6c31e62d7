"""Accounts of others that keep their passwords to themselves: what they are never asked.

Not responsible for what they are asked (`edge.accounts.pam`, `edge.accounts.ntlmauth`).
"""

from typing import NoReturn

from mailroot.wire.sasl.words import ScramKeys


class PasswordsAlone:
    """The questions of `service.receive.accounts.Accounts` that only who keeps keys can answer."""

    async def scram_keys(self, user: str) -> ScramKeys:
        """Not asked."""
        return _never(user)

    async def cram_secret(self, user: str) -> bytes | None:
        """Not asked."""
        return _never(user)

    async def nt_hash(self, user: str, domain: str) -> bytes | None:
        """Not asked."""
        return _never(user, domain)


def _never(*_asked: object) -> NoReturn:
    raise TypeError("who keeps passwords to himself has no keys to give")
