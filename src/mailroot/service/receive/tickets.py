"""Accounts of any source, and beside them everybody who has a ticket of Kerberos for this service."""

from collections.abc import Set

from mailroot.edge.kerberos.acceptor import KerberosAcceptor
from mailroot.service.receive.accounts import Accounts, SecurityContext
from mailroot.wire.sasl.server import Need
from mailroot.wire.sasl.words import ScramKeys


class WithKerberos:
    """Asks the other accounts everything but what Kerberos answers (`service.receive.accounts.Accounts`)."""

    def __init__(self, others: Accounts, acceptor: KerberosAcceptor) -> None:
        self._others = others
        self._acceptor = acceptor

    @property
    def answers(self) -> Set[Need]:
        """What the others answer, and contexts of GSSAPI."""
        return self._others.answers | {Need.CONTEXT}

    async def check(self, user: str, password: str, client: str = "") -> bool:
        """Whether this is the user's password."""
        return await self._others.check(user, password, client)

    async def scram_keys(self, user: str) -> ScramKeys:
        """The user's SCRAM keys."""
        return await self._others.scram_keys(user)

    async def cram_secret(self, user: str) -> bytes | None:
        """What is kept for CRAM-MD5."""
        return await self._others.cram_secret(user)

    async def nt_hash(self, user: str, domain: str) -> bytes | None:
        """The NT hash."""
        return await self._others.nt_hash(user, domain)

    def context(self, need: Need) -> SecurityContext:
        """A new context, of GSSAPI or of the others."""
        return self._acceptor.context() if need is Need.CONTEXT else self._others.context(need)
