"""TLS of outgoing connections: what is asked of the other side, and what was wrong with its certificate.

Not responsible for the connections themselves (`edge.outgoing`) or for when TLS is used (`service.relay.approach`).
"""

import functools
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography import x509

from mailroot.mail.faults import Misconfigured
from mailroot.settings.access import TlsVersion
from mailroot.settings.declared import key_text
from mailroot.settings.delivery import OutboundSecurity, OutboundTls
from mailroot.settings.problem import Problem
from mailroot.settings.service import Settings

_VERSIONS = {
    TlsVersion.TLS_1_0: ssl.TLSVersion.TLSv1,
    TlsVersion.TLS_1_1: ssl.TLSVersion.TLSv1_1,
    TlsVersion.TLS_1_2: ssl.TLSVersion.TLSv1_2,
    TlsVersion.TLS_1_3: ssl.TLSVersion.TLSv1_3,
}
_OLD = {TlsVersion.TLS_1_0, TlsVersion.TLS_1_1}
# A certificate may list thousands of names; people need to see that it is for somebody else.
_NAMES_SHOWN = 5
_TEXT_SHOWN = 200

# x509_vfy.h of OpenSSL.
_NOT_YET_VALID, _EXPIRED, _SELF_SIGNED, _SELF_SIGNED_ROOT = 9, 10, 18, 19
_UNKNOWN_ISSUER = {2, 20, 21, 27}
_OTHER_NAME = {62, 63, 64}


@dataclass(frozen=True, slots=True)
class Secured:
    """A handshake that succeeded. `certificate` is the server's, DER; b"" where it has none."""

    version: str
    cipher: str
    certificate: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class TlsFailed:
    """A handshake that failed. `cause` is a clause; where it is the certificate, `distrust` is OpenSSL's number."""

    cause: str
    distrust: int = 0


class ClientTls:
    """Contexts for what routes demand, made when first needed; files are read once for each of these objects."""

    def __init__(self) -> None:
        self._made = functools.cache(_context)

    def context(self, security: OutboundSecurity) -> ssl.SSLContext:
        """The context for a route. Raises `Misconfigured` where the authorities cannot be read."""
        verify = security.tls is OutboundTls.VERIFY
        return self._made(verify, security.ca_file if verify else "", security.tls_minimum)


def _context(verify: bool, ca_file: str, minimum: TlsVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # RFC 6125 section 6.4.4 and RFC 9525: the subject's common name is for people.
    context.hostname_checks_common_name = False
    if verify:
        _trust(context, ca_file)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        # Whoever takes any certificate gains nothing by refusing a weak one.
        context.set_ciphers("DEFAULT:@SECLEVEL=1")
    if minimum in _OLD:
        # OpenSSL 3 speaks TLS 1.0 and 1.1 at its lowest level only.
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = _VERSIONS[minimum]
    return context


def _trust(context: ssl.SSLContext, ca_file: str) -> None:
    if not ca_file:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return
    try:
        context.load_verify_locations(cafile=ca_file)
    except ssl.SSLError as fault:
        raise Misconfigured(f"{ca_file}: no certificates in PEM form are in it") from fault
    except OSError as fault:
        raise Misconfigured(f"{ca_file}: {(fault.strerror or str(fault)).lower()}") from fault


def problems_in(settings: Settings) -> Iterator[Problem]:
    """A problem for each file of authorities that cannot be used."""
    for place, security in _securities(settings):
        fault = _distrust(security)
        if fault:
            path = key_text((*place, "security", "ca_file"))
            yield Problem(path, "", fault, "name a file with certificates that the service can read")


def _securities(settings: Settings) -> Iterator[tuple[tuple[str, ...], OutboundSecurity]]:
    """Every `security`, with the key of the table that it stands in."""
    for key, server in settings.servers.items():
        yield ("servers", key, "delivery"), server.delivery.security
        for name, collection in server.collect.items():
            yield ("servers", key, "collect", name), collection.security
        for name, domain in server.domains.items():
            if domain.security is not None:
                yield ("servers", key, "domains", name), domain.security


def _distrust(security: OutboundSecurity) -> str:
    """Why nobody's certificate could be checked as the settings want it; "" where it can be, or need not be."""
    if security.tls is OutboundTls.VERIFY:
        try:
            _trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), security.ca_file)
        except Misconfigured as fault:
            return str(fault)
    return ""


def secured(tls: Any) -> Secured:
    """What a handshake came to, from the loop's TLS object."""
    cipher = tls.cipher()
    return Secured(tls.version() or "", cipher[0] if cipher else "", tls.getpeercert(binary_form=True) or b"")


def handshake_failed(fault: Exception) -> TlsFailed:
    """The value that stands for an exception of the handshake."""
    if isinstance(fault, ssl.SSLCertVerificationError):
        return TlsFailed(fault.verify_message or "the certificate was not believed", fault.verify_code or 1)
    if isinstance(fault, ssl.SSLError):
        return TlsFailed((fault.reason or str(fault)).lower().replace("_", " "))
    if isinstance(fault, TimeoutError) or "longer than" in str(fault):  # asyncio's ConnectionAbortedError
        return TlsFailed("it took too long")
    if isinstance(fault, ConnectionError):
        return TlsFailed("the server closed the connection")
    return TlsFailed(getattr(fault, "strerror", None) or str(fault) or type(fault).__name__)


def distrusted(failed: TlsFailed, name: str, certificate: bytes, now: datetime | None = None) -> str:
    """Why a certificate was not believed, and which one it was: clauses for the log and for reports."""
    try:
        found = x509.load_der_x509_certificate(certificate)
        return f"{_clause(failed, name, found, now or datetime.now(UTC))} ({_described(found)})"
    except ValueError:
        return failed.cause


def _clause(failed: TlsFailed, name: str, found: x509.Certificate, now: datetime) -> str:
    begins, ends = found.not_valid_before_utc, found.not_valid_after_utc
    clauses = {
        _EXPIRED: f"its certificate expired on {_day(ends)}"
        if ends < now
        else "a certificate of its chain has expired",
        _NOT_YET_VALID: f"its certificate is not valid before {_day(begins)}",
        _SELF_SIGNED: "its certificate is self-signed",
        _SELF_SIGNED_ROOT: "its certificate comes from an authority that is not trusted here",
        **dict.fromkeys(_UNKNOWN_ISSUER, f"the issuer of its certificate, {_name(found.issuer)}, is not known here"),
        **dict.fromkeys(_OTHER_NAME, f"its certificate is not for {name} but for {_names(found)}"),
    }
    return clauses.get(failed.distrust, f"its certificate was not believed: {failed.cause}")


def _described(found: x509.Certificate) -> str:
    """Subject, names, issuer and term of a certificate, for people."""
    return (
        f"certificate of {_name(found.subject)}, for {_names(found)}, issued by {_name(found.issuer)}, "
        f"valid from {_day(found.not_valid_before_utc)} to {_day(found.not_valid_after_utc)}"
    )


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def _name(name: x509.Name) -> str:
    return _shown(name.rfc4514_string()) or "nobody"


def _names(found: x509.Certificate) -> str:
    try:
        listed = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension):
        return "no host at all"
    names = [str(one.value) for one in listed if isinstance(one, x509.DNSName | x509.IPAddress)]
    more = len(names) - _NAMES_SHOWN
    return _shown(", ".join(names[:_NAMES_SHOWN])) + (f" and {more} more" if more > 0 else "") or "no host at all"


def _shown(text: str) -> str:
    """What a stranger wrote into a certificate, harmless and short."""
    return "".join(sign if sign.isprintable() else "?" for sign in text[:_TEXT_SHOWN])
