"""TLS with clients: one context for each virtual server, certificates that may change any time, and the handshake.

The context is made before the workers are forked, so that a session which one of them began is resumed by any other:
the keys of the tickets are in it. It has no certificate of its own. Each handshake takes the one that is presented for
the name that the client asks for, so new certificates, of another kind of key even, need no new context.
"""

import asyncio
import os
import ssl
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from mailroot.edge.tls.connection import TlsConnection
from mailroot.edge.tls.identity import Identity
from mailroot.mail.faults import Misconfigured
from mailroot.wire.sasl.words import ChannelBinding

# Forward secrecy and authenticated encryption, nothing else (RFC 9325 section 4.2); TLS 1.3 has no other ciphers.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
# What OpenSSL 3 needs to speak TLS 1.0 and 1.1 at all.
_OLD_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:AES:!aNULL:!eNULL:@SECLEVEL=0"
_MINIMUM = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}


@dataclass(frozen=True, slots=True)
class TlsTerms:
    """Which TLS is spoken: the oldest version ("1.2"), and the ciphers below 1.3 ("": what is secure today)."""

    minimum: str = "1.2"
    ciphers: str = ""


Presented: TypeAlias = tuple[TlsTerms, Mapping[str, Identity]]
"""How one virtual server speaks TLS, and whom it is by the names that clients ask for."""


@dataclass(frozen=True, slots=True)
class Secured:
    """A connection after its handshake. `version` is "TLSv1.3" or older; `binding` is that to our certificate."""

    transport: asyncio.Transport
    version: str
    cipher: str
    binding: ChannelBinding | None


Ended: TypeAlias = Callable[[Secured | str], None]
"""Is told how a handshake ended: what it agreed on, or what went wrong."""


class _Certified(ssl.SSLContext):
    """A certificate as handshakes take it."""

    binding: ChannelBinding | None = None


class ServerTls:
    """The TLS of one virtual server."""

    def __init__(self) -> None:
        self.context = _context()
        self.context.sni_callback = self._choose
        self._presented: dict[str, _Certified] = {}

    def apply(self, terms: TlsTerms, identities: Mapping[str, Identity]) -> None:
        """Handshakes that begin from now on follow these terms, and present these certificates by name.

        That of the name "" is for clients that ask for none, or for an unknown one; "*.example.com" is for everything
        one level below. Raises `Misconfigured`, and then nothing has changed.
        """
        presented = {name: _present(identity) for name, identity in identities.items()}
        _agree(_context(), terms)  # on trial
        _agree(self.context, terms)
        self._presented = presented

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> int | None:
        """Called within each handshake, whether the client asked for a name or not."""
        presented = self._presented
        known = presented.get("")
        if name:
            asked = name.lower().removesuffix(".")
            known = presented.get(asked) or presented.get(f"*.{asked.partition('.')[2]}") or known
        if known is None:
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        connection.context = known
        return None


def ignore_odd_names() -> None:
    """Keep names that are no ASCII out of the standard error: the handshake of such a client fails, which is told.

    Python decodes the name that a client asks for before we see it, and reports there what it cannot decode.
    """
    report = sys.unraisablehook

    def unless_name(unraisable: "sys.UnraisableHookArgs") -> None:
        if not (unraisable.exc_type is UnicodeDecodeError and isinstance(unraisable.object, bytes)):
            report(unraisable)

    sys.unraisablehook = unless_name


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_COMPRESSION
    context.num_tickets = 1  # mail clients resume one session at a time; each ticket costs its making
    return context


def _agree(context: ssl.SSLContext, terms: TlsTerms) -> None:
    minimum = _MINIMUM[terms.minimum]
    old = minimum < ssl.TLSVersion.TLSv1_2
    try:
        context.set_ciphers(terms.ciphers or (_OLD_CIPHERS if old else _CIPHERS))
    except ssl.SSLError as fault:
        raise Misconfigured(f"access.tls_ciphers: {terms.ciphers}: OpenSSL knows none of them") from fault
    context.minimum_version = minimum


def _present(identity: Identity) -> _Certified:
    """The context with this certificate. OpenSSL reads files only: these stand in memory, and are gone at once."""
    context = _Certified(ssl.PROTOCOL_TLS_SERVER)
    descriptor = os.memfd_create("identity", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(identity.key + b"\n" + identity.certificate)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=lambda: b"")
    except (ssl.SSLError, OSError) as fault:
        reason = (getattr(fault, "reason", None) or str(fault)).lower().replace("_", " ")
        raise Misconfigured(f"OpenSSL refuses the certificate of {', '.join(identity.names)}: {reason}") from fault
    finally:
        os.close(descriptor)
    context.binding = identity.binding
    return context


def begin_handshake(
    transport: asyncio.Transport, protocol: asyncio.Protocol, tls: ServerTls, patience: float, ended: Ended
) -> None:
    """Shake hands as the server, within `patience` seconds; `protocol` gets what comes through TLS from then on.

    `ended` is told what the handshake agreed on, or what went wrong, and then the connection is closed; `protocol`
    hears of neither.
    """

    def told(fault: str) -> None:
        ended(fault or secured_by(connection))

    connection = TlsConnection(tls.context, protocol, patience, told)
    transport.set_protocol(connection)
    connection.connection_made(transport)


def secured_by(transport: asyncio.Transport) -> Secured:
    """What a handshake agreed on."""
    found = transport.get_extra_info("ssl_object")
    cipher = found.cipher()
    binding = found.context.binding if isinstance(found.context, _Certified) else None
    return Secured(transport, found.version() or "", cipher[0] if cipher else "", binding)
