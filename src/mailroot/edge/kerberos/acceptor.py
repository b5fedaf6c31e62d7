"""Contexts of GSSAPI as a server: Kerberos, raw or within SPNEGO, by the keys of a keytab and the system's library."""

from typing import Any

from mailroot.edge.boundedpool import BoundedPool
from mailroot.edge.kerberos.library import gssapi_library
from mailroot.mail.faults import Unavailable
from mailroot.wire.sasl.words import ContextFailed, ContextToken

_SPNEGO = "1.3.6.1.5.5.2"


class KerberosAcceptor:
    """Opens contexts. `principal` is the service's name, "" for any that has a key in the keytab.

    The keytab is read for each context, so new keys count at once. Its library blocks, for the replay cache at least,
    so it has threads of its own.
    """

    def __init__(self, keytab: str, principal: str, pool: BoundedPool) -> None:
        self._keytab = keytab
        self._principal = principal
        self._pool = pool

    def context(self) -> "KerberosContext":
        """A new context."""
        return KerberosContext(self._opened, self._pool)

    def _opened(self) -> Any:
        """The library's context. Raises `Unavailable` where there is no library or no key."""
        gssapi = gssapi_library()
        if gssapi is None:
            raise Unavailable("Kerberos: there is no gssapi for this Python; install python3-gssapi, or gssapi by pip")
        try:
            name = None
            if self._principal:
                name = gssapi.Name(self._principal, gssapi.NameType.kerberos_principal)
            mechanisms = (gssapi.MechType.kerberos, gssapi.OID.from_int_seq(_SPNEGO))
            store = {"keytab": f"FILE:{self._keytab}"}
            credentials = gssapi.Credentials(name=name, usage="accept", mechs=mechanisms, store=store)
            return gssapi.SecurityContext(creds=credentials, usage="accept")
        except gssapi.exceptions.GSSError as fault:
            raise Unavailable(f"Kerberos: {self._keytab}: {_words(fault)}") from fault


class KerberosContext:
    """One context (`service.receive.accounts.SecurityContext`)."""

    def __init__(self, opened: Any, pool: BoundedPool) -> None:
        self._open = opened
        self._pool = pool
        self._context: Any = None

    async def step(self, token: bytes) -> ContextToken | ContextFailed:
        """Give the client's token to the context. Raises `Unavailable`."""
        return await self._pool.run(self._stepped, token)

    def _stepped(self, token: bytes) -> ContextToken | ContextFailed:
        if self._context is None:
            self._context = self._open()
        context, gssapi = self._context, gssapi_library()
        assert gssapi is not None
        try:
            if context.complete:
                return ContextFailed("Kerberos: a token after the last one")
            answer = bytes(context.step(token) or b"")
            if not context.complete:
                return ContextToken(answer)
            if context.mech != gssapi.MechType.kerberos:
                # Where the machine has a library for it, NTLM within SPNEGO would be guessed at past all counts.
                return ContextFailed("Kerberos: another mechanism within SPNEGO")
            if gssapi.RequirementFlag.anonymity in context.actual_flags:
                return ContextFailed("Kerberos: an anonymous client")
            return ContextToken(answer, str(context.initiator_name))
        except gssapi.exceptions.GSSError as fault:
            return ContextFailed(f"Kerberos: {_words(fault)}")

    async def wrap(self, data: bytes) -> bytes | ContextFailed:
        """Seal octets, without confidentiality."""
        return await self._pool.run(self._sealed, data)

    def _sealed(self, data: bytes) -> bytes | ContextFailed:
        gssapi = gssapi_library()
        if gssapi is None or self._context is None:
            return ContextFailed("Kerberos: there is no context")
        try:
            return bytes(self._context.wrap(data, False).message)
        except gssapi.exceptions.GSSError as fault:
            return ContextFailed(f"Kerberos: {_words(fault)}")

    async def unwrap(self, data: bytes) -> bytes | ContextFailed:
        """Open what the client sealed."""
        return await self._pool.run(self._unsealed, data)

    def _unsealed(self, data: bytes) -> bytes | ContextFailed:
        gssapi = gssapi_library()
        if gssapi is None or self._context is None:
            return ContextFailed("Kerberos: there is no context")
        try:
            return bytes(self._context.unwrap(data).message)
        except gssapi.exceptions.GSSError as fault:
            return ContextFailed(f"Kerberos: {_words(fault)}")

    def close(self) -> None:
        """Let the library's context go; where a thread still works with it, it goes after that."""
        self._context = None


def _words(fault: Exception) -> str:
    """What the library says, on one line."""
    return " ".join(str(fault).split())
