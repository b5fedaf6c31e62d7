"""What signing in asks of whoever knows the accounts. Not responsible for how they are kept.

Every question of `wire.sasl.words` has its method here. All take the same time, and the same words, whether the
account exists or not; all end in bounded time; all raise `Unavailable` where the accounts cannot be asked now, which is
no answer: the client is told to try again (454 4.7.0).
"""

from collections.abc import Set
from typing import Protocol

from mailroot.policy.verdict import Refuse
from mailroot.wire.sasl.server import Need
from mailroot.wire.sasl.words import ContextFailed, ContextToken, ScramKeys


class SecurityContext(Protocol):
    """The security context of one exchange. Its calls come one after another; `close` comes last, and always."""

    async def step(self, token: bytes) -> ContextToken | ContextFailed:
        """Give the client's token to the context; after a failure it is of no use."""

    async def wrap(self, data: bytes) -> bytes | ContextFailed:
        """Seal octets in the established context, without confidentiality."""

    async def unwrap(self, data: bytes) -> bytes | ContextFailed:
        """Open what the client sealed."""

    def close(self) -> None:
        """Let go of what the context holds; may be called twice. Never blocks, never fails."""


class Guesses(Protocol):
    """Counts failed sign-ins. Nothing of it depends on whether an account exists."""

    def refusal(self, address: str, user: str = "") -> Refuse | None:
        """Why this client may not try now; asked once before it has said a name, and again with it."""

    def failed(self, address: str, user: str) -> float:
        """Count a failure; the seconds to wait before it is answered. `user` is "" where none was said."""

    def succeeded(self, address: str, user: str) -> None:
        """This client has signed in to this account."""


class Accounts(Protocol):
    """The accounts of one virtual server.

    `answers` says which questions they can answer: what is offered depends on it. Others are not asked. Names are as
    the mechanisms give them. A name without a domain means the default domain where there is one.
    """

    @property
    def answers(self) -> Set[Need]:
        """What the accounts can answer with the present settings."""

    async def check(self, user: str, password: str, client: str, /) -> bool:
        """Whether this is the user's password, said by the client with this address.

        What is remembered of it holds for this client: a stranger's right guess is no quicker than a wrong one.
        """

    async def scram_keys(self, user: str) -> ScramKeys:
        """The user's keys, or for a user without them the ones that are always made up for this name."""

    async def cram_secret(self, user: str) -> bytes | None:
        """What is kept for the user's CRAM-MD5."""

    async def nt_hash(self, user: str, domain: str) -> bytes | None:
        """The user's NT hash; `domain` is "" where the client meant this server."""

    def context(self, need: Need) -> SecurityContext:
        """A new context for `Need.CONTEXT` or `Need.NT_CONTEXT`, which `answers` has."""
