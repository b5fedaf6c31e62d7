"""Security contexts of GSSAPI as a client (RFC 4752), by the system's Kerberos; the extra `kerberos` brings it.

Without a user name, the service's own tickets count: a keytab or a credential cache that the environment names.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from mailroot.edge.kerberos.library import gssapi_library
from mailroot.mail.faults import ConnectionLost, Unavailable
from mailroot.settings.delivery import OutboundSecurity
from mailroot.wire.presenting import ContextAnswer, ContextQuestion
from mailroot.wire.sasl.words import ChannelBinding, ContextFailed, ContextStep, ContextToken, ContextWrap

# Seconds; a KDC that does not answer is left.
_WAIT = 30.0


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a context is for: a service at a host, and who we are; `keytab` holds our key where `user` has no password.

    `binding` ties the context to its TLS connection, for servers that ask for it. `sealed` asks for confidentiality.
    """

    service: str
    host: str
    user: str = ""
    password: str = field(default="", repr=False)
    keytab: str = ""
    binding: ChannelBinding | None = None
    sealed: bool = False


def client_context(security: OutboundSecurity, host: str) -> "KerberosClient | None":
    """A context with the host for these credentials; None without the library, or where they are none of Kerberos."""
    if gssapi_library() is None or (security.username and "@" not in security.username):
        return None
    return KerberosClient(Ticket("smtp", host, security.username, security.password))


class KerberosClient:
    """One context. Its library waits for the network, so it runs in threads."""

    def __init__(self, ticket: Ticket) -> None:
        self._ticket = ticket
        self._context: Any = None

    async def answer(self, question: ContextQuestion) -> ContextAnswer:
        """What the context makes of a question of a mechanism."""
        try:
            async with asyncio.timeout(_WAIT):
                return await asyncio.to_thread(self._answer, question)
        except TimeoutError:
            return ContextFailed(f"Kerberos gave no answer within {_WAIT:.0f} seconds")
        except Unavailable as fault:
            return ContextFailed(str(fault))

    def _answer(self, question: ContextQuestion) -> ContextAnswer:
        gssapi = gssapi_library()
        assert gssapi is not None  # or else there is no context
        try:
            if self._context is None:
                self._context = self._opened(gssapi)
            return self._made(question)
        except gssapi.exceptions.GSSError as fault:
            raise Unavailable(" ".join(str(fault).split())) from fault

    def _made(self, question: ContextQuestion) -> ContextAnswer:
        context = self._context
        if isinstance(question, ContextStep):
            token = context.step(question.token or None) or b""
            return ContextToken(token, str(context.initiator_name) if context.complete else None)
        if isinstance(question, ContextWrap):
            return bytes(context.wrap(question.data, False).message)
        return bytes(context.unwrap(question.data).message)

    def seal(self, octets: bytes) -> bytes:
        """Octets as they go through an established context: for whoever reads, or only against changes."""
        return bytes(self._context.wrap(octets, self._ticket.sealed).message)

    def unseal(self, octets: bytes) -> bytes:
        """What came through it. Raises `ConnectionLost` for what the other side did not seal."""
        gssapi = gssapi_library()
        assert gssapi is not None
        try:
            return bytes(self._context.unwrap(octets).message)
        except gssapi.exceptions.GSSError as fault:
            raise ConnectionLost(" ".join(str(fault).split())) from fault

    def _opened(self, gssapi: Any) -> Any:
        ticket, flag = self._ticket, gssapi.RequirementFlag
        target = gssapi.Name(f"{ticket.service}@{ticket.host}", gssapi.NameType.hostbased_service)
        flags = flag.mutual_authentication | flag.integrity
        more: dict[str, Any] = {}
        if ticket.sealed:
            flags |= flag.confidentiality
        if ticket.binding is not None:
            data = f"{ticket.binding.KIND}:".encode() + ticket.binding.digest
            more["channel_bindings"] = gssapi.raw.ChannelBindings(application_data=data)
        credentials, mechanism = self._credentials(gssapi), gssapi.MechType.kerberos
        return gssapi.SecurityContext(
            name=target, creds=credentials, usage="initiate", mech=mechanism, flags=flags, **more
        )

    def _credentials(self, gssapi: Any) -> Any:
        """Ours by password, by keytab, or those that the environment names."""
        ticket = self._ticket
        name = gssapi.Name(ticket.user, gssapi.NameType.user) if ticket.user else None
        if ticket.user and ticket.password:
            raw = gssapi.raw.acquire_cred_with_password(name, ticket.password.encode(), usage="initiate").creds
            return gssapi.Credentials(raw)
        if ticket.keytab:
            # Tickets that are got by the keytab stay in memory: nothing of the machine's is written to.
            store = {"client_keytab": f"FILE:{ticket.keytab}", "ccache": "MEMORY:"}
            return gssapi.Credentials(name=name, usage="initiate", store=store)
        return gssapi.Credentials(name=name, usage="initiate") if ticket.user else None
