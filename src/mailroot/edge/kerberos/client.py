"""Security contexts of GSSAPI as a client (RFC 4752), by the system's Kerberos; the extra `kerberos` brings it.

Without a user name, the service's own tickets count: a keytab or a credential cache that the environment names.
"""

import asyncio
from typing import Any

from mailroot.edge.kerberos.library import gssapi_library
from mailroot.mail.faults import Unavailable
from mailroot.settings.delivery import OutboundSecurity
from mailroot.wire.presenting import ContextAnswer, ContextQuestion
from mailroot.wire.sasl.words import ContextFailed, ContextStep, ContextToken, ContextWrap

# Seconds; a KDC that does not answer is left.
_WAIT = 30.0


def client_context(security: OutboundSecurity, host: str) -> "KerberosClient | None":
    """A context with the host for these credentials; None without the library, or where they are none of Kerberos."""
    if gssapi_library() is None or (security.username and "@" not in security.username):
        return None
    return KerberosClient(security.username, security.password, host)


class KerberosClient:
    """One context. Its library waits for the network, so it runs in threads."""

    def __init__(self, user: str, password: str, host: str) -> None:
        self._user = user
        self._password = password
        self._host = host
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

    def _opened(self, gssapi: Any) -> Any:
        target = gssapi.Name(f"smtp@{self._host}", gssapi.NameType.hostbased_service)
        credentials = None
        if self._user:
            name = gssapi.Name(self._user, gssapi.NameType.user)
            if self._password:
                raw = gssapi.raw.acquire_cred_with_password(name, self._password.encode(), usage="initiate").creds
                credentials = gssapi.Credentials(raw)
            else:
                credentials = gssapi.Credentials(name=name, usage="initiate")
        mechanism = gssapi.MechType.kerberos
        flags = gssapi.RequirementFlag.mutual_authentication | gssapi.RequirementFlag.integrity
        return gssapi.SecurityContext(name=target, creds=credentials, usage="initiate", mech=mechanism, flags=flags)
