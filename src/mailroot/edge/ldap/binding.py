"""Signing in to a directory: the bindings of the LDAP Routing sheet (RFC 4513).

Every one raises `Misconfigured` where the directory refuses the account, `Unavailable` where it cannot say now.
"""

import functools
import secrets
from dataclasses import dataclass, field
from datetime import datetime

from mailroot.edge.clock import utc_now
from mailroot.edge.kerberos.client import KerberosClient, Ticket
from mailroot.edge.kerberos.library import gssapi_library
from mailroot.edge.ldap.line import Line
from mailroot.edge.tls.binding import end_point_binding
from mailroot.mail.faults import Misconfigured, Unavailable
from mailroot.settings.ldap import LdapBinding, LdapRouting
from mailroot.wire.ldap import messages
from mailroot.wire.ldap.messages import Code, Result
from mailroot.wire.sasl.ntlmclient import present_ntlm
from mailroot.wire.sasl.words import (
    Abandoned,
    ChannelBinding,
    ClientOpening,
    ContextFailed,
    ContextStep,
    ContextToken,
    ContextUnwrap,
    ContextWrap,
    Credentials,
    Response,
)

_MOST_ROUNDS = 10
# RFC 4752 section 3.1: what may protect the connection from then on, and the longest piece that we take.
_NO_LAYER, _SIGNED, _SEALED = 1, 2, 4
_LONGEST_PIECE = 0xFF_FFFF
_BUSY = {Code.BUSY, Code.UNAVAILABLE, Code.TIME_LIMIT, Code.ADMIN_LIMIT}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are to the directory, by the settings."""

    binding: LdapBinding
    user: str = ""
    domain: str = ""
    password: str = field(default="", repr=False)
    keytab: str = ""


def identity_of(routing: LdapRouting) -> Identity:
    """Who the settings say that we are."""
    user, domain = routing.username, routing.domain
    if not domain and "\\" in user:
        domain, _, user = user.partition("\\")
    return Identity(routing.binding, user, domain, routing.password, routing.keytab)


async def sign_in(line: Line, identity: Identity, host: str, wait: float) -> None:
    """Sign in on a connection with this host; within a security layer from then on, where Kerberos agrees on one."""
    match identity.binding:
        case LdapBinding.ANONYMOUS:
            await bind(line, "", "", wait)
        case LdapBinding.PLAIN_TEXT:
            await bind(line, _plain_name(identity), identity.password, wait)
        case LdapBinding.SERVICE_ACCOUNT:
            await _kerberos(line, _ticket(line, identity, host), wait)
        case LdapBinding.WINDOWS:
            await _windows(line, identity, host, wait)


async def bind(line: Line, name: str, password: str, wait: float) -> None:
    """Sign in with a name of the directory and a password."""
    result = await line.request(lambda number: messages.bind(number, name, password), wait)
    if result.code != Code.SUCCESS:
        raise refused(result, line)


def refused(result: Result, line: Line) -> Misconfigured | Unavailable:
    """The fault that a refusal is, in words for an operator."""
    text = f": {result.text}" if result.text else ""
    if result.code == Code.INVALID_CREDENTIALS:
        return Misconfigured(f"the directory does not take the user name or the password{text}")
    if result.code in {Code.STRONGER_AUTH, Code.CONFIDENTIALITY} and line.secured is not None:
        return Misconfigured(f"the directory takes no Windows account inside TLS{text}")
    if result.code in {Code.STRONGER_AUTH, Code.CONFIDENTIALITY}:
        return Misconfigured(f"the directory wants an encrypted connection{text}")
    if result.code in _BUSY:
        return Unavailable(f"the directory is busy{text}")
    return Misconfigured(f"the directory refuses the binding (result {result.code}){text}")


def _plain_name(identity: Identity) -> str:
    """A name of an entry as it is; another one with its domain, as Active Directory takes it."""
    user, domain = identity.user, identity.domain
    if not domain or "=" in user or "@" in user:
        return user
    return f"{user}@{domain}" if "." in domain else f"{domain}\\{user}"


async def _windows(line: Line, identity: Identity, host: str, wait: float) -> None:
    """Kerberos where we have its library and the account has a realm; else, or where no ticket is to be had, NTLM."""
    realm = identity.domain if "." in identity.domain else ""
    if gssapi_library() is not None and ("@" in identity.user or realm):
        try:
            await _kerberos(line, _ticket(line, identity, host), wait)
        except _NoTicket:
            pass
        else:
            return
    await _ntlm(line, identity, host, wait)


class _NoTicket(Unavailable):
    """Kerberos gave us nothing that could be shown to the directory."""


def _ticket(line: Line, identity: Identity, host: str) -> Ticket:
    user, realm = identity.user, identity.domain
    if user and "@" not in user and "." in realm:
        user = f"{user}@{realm.upper()}"
    return Ticket("ldap", host, user, identity.password, identity.keytab, _binding(line), sealed=line.secured is None)


def _binding(line: Line) -> ChannelBinding | None:
    return end_point_binding(line.secured.certificate) if line.secured is not None else None


class _Sealed:
    """A context of Kerberos as a security layer."""

    def __init__(self, context: KerberosClient) -> None:
        self.wrap = context.seal
        self.unwrap = context.unseal


async def _kerberos(line: Line, ticket: Ticket, wait: float) -> None:
    """GSSAPI (RFC 4752); without TLS everything after it is sealed, since directories demand that."""
    if gssapi_library() is None:
        raise Misconfigured("there is no gssapi for this Python; install python3-gssapi, or gssapi by pip")
    context = KerberosClient(ticket)
    token = b""
    for round_ in range(_MOST_ROUNDS):
        step = await context.answer(ContextStep(token))
        if not isinstance(step, ContextToken):
            cause = step.cause if isinstance(step, ContextFailed) else "no token"
            raise _NoTicket(f"Kerberos: {cause}") if round_ == 0 else Misconfigured(f"Kerberos: {cause}")
        token = await _said(line, "GSSAPI", step.data, wait)
        if step.user is not None:
            await _agree(line, context, token, wait)
            return
    raise Misconfigured(f"Kerberos: a context that is not established after {_MOST_ROUNDS} tokens")


async def _agree(line: Line, context: KerberosClient, offer: bytes, wait: float) -> None:
    """RFC 4752 section 3.1: choose a layer of those that the directory offers."""
    layers = await context.answer(ContextUnwrap(offer))
    if not isinstance(layers, bytes) or len(layers) != 4:
        raise Misconfigured("Kerberos: the directory's offer of security layers cannot be read")
    wanted = _NO_LAYER if line.secured is not None else _SEALED
    if not layers[0] & wanted:
        raise Misconfigured("Kerberos: the directory offers no security layer that we know; use TLS")
    size = 0 if wanted == _NO_LAYER else _LONGEST_PIECE
    answer = await context.answer(ContextWrap(bytes((wanted,)) + size.to_bytes(3, "big")))
    if not isinstance(answer, bytes):
        raise Misconfigured("Kerberos: the choice of a security layer cannot be sealed")
    result = await line.request(lambda number: messages.bind_by(number, "GSSAPI", answer), wait)
    if result.code != Code.SUCCESS:
        raise refused(result, line)
    if wanted == _SEALED:
        line.protect(_Sealed(context))


async def _said(line: Line, mechanism: str, token: bytes, wait: float) -> bytes:
    """The directory's challenge to a token."""
    result = await line.request(lambda number: messages.bind_by(number, mechanism, token), wait)
    if result.code != Code.SASL_CONTINUES:
        raise (
            refused(result, line)
            if result.code != Code.SUCCESS
            else Misconfigured("the directory ended the exchange early")
        )
    return result.credentials


async def _ntlm(line: Line, identity: Identity, host: str, wait: float) -> None:
    """NTLM within GSS-SPNEGO, as Active Directory takes it. It protects nothing that comes after it."""
    script = present_ntlm(_opening(line, identity, host, utc_now()))
    step = next(script)
    for _ in range(_MOST_ROUNDS):
        assert isinstance(step, Response)
        make = functools.partial(messages.bind_by, mechanism="GSS-SPNEGO", credentials=step.data)
        result = await line.request(make, wait)
        if result.code == Code.SUCCESS and step.conclusive:
            return
        if result.code != Code.SASL_CONTINUES:
            raise refused(result, line)
        try:
            step = script.send(result.credentials)
        except StopIteration as end:
            cause = end.value.cause if isinstance(end.value, Abandoned) else "the directory asks for more than NTLM has"
            raise Misconfigured(f"NTLM: {cause}") from None
    raise Misconfigured("NTLM: the directory asks on and on")


def _opening(line: Line, identity: Identity, host: str, now: datetime) -> ClientOpening:
    credentials = Credentials(identity.user, identity.password, domain=identity.domain)
    return ClientOpening(credentials, host, 389, secrets.token_bytes(32), now, _binding(line), "ldap")
