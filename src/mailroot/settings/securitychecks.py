"""What the options of outbound security ask of each other, and of the routes that they are for."""

import ipaddress
import re
from collections.abc import Iterator

from mailroot.settings.declared import Parts, key_text
from mailroot.settings.delivery import Authentication, OAuth2, OutboundSecurity, OutboundTls
from mailroot.settings.domains import DomainType
from mailroot.settings.problem import Problem
from mailroot.settings.spelling import toml_text
from mailroot.settings.virtualserver import VirtualServer

_URL = re.compile(r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?(/[^\s#]*)?", re.ASCII)
_DEMANDING = {OutboundTls.REQUIRE, OutboundTls.VERIFY}


def security_checks(key: str, server: VirtualServer) -> Iterator[Problem]:
    """Every problem of a server's outbound security, and of its domains'."""
    security = server.delivery.security
    parts: Parts = ("servers", key, "delivery", "security")
    yield from _tls(security, parts)
    yield from _sign_in(security, parts)
    if security.authentication is not Authentication.ANONYMOUS and not _somebody_to_sign_in_to(server):
        yield Problem(
            key_text((*parts, "authentication")),
            toml_text(security.authentication.value),
            "there is no smart host, and a password is not shown to every server of the world",
            "name a delivery.smart_host, or give the domains that are meant a security of their own",
            related=(key_text(("servers", key, "delivery", "smart_host")),),
        )
    for name, collection in server.collect.items():
        yield from _tls(collection.security, ("servers", key, "collect", name, "security"))
        yield from _sign_in(collection.security, ("servers", key, "collect", name, "security"))
    for name, domain in server.domains.items():
        own: Parts = ("servers", key, "domains", name)
        if domain.security is not None:
            yield from _tls(domain.security, (*own, "security"))
            yield from _sign_in(domain.security, (*own, "security"))
        counting = domain.security or security
        if domain.use_helo and counting.tls in _DEMANDING and not counting.implicit_tls:
            wrong = f'HELO has no STARTTLS, and security.tls is "{counting.tls.value}"'
            yield Problem(key_text((*own, "use_helo")), "true", wrong, "remove the line, or write security.tls")


def _somebody_to_sign_in_to(server: VirtualServer) -> bool:
    routed = (domain for domain in server.domains.values() if domain.type is DomainType.REMOTE)
    return bool(server.delivery.smart_host) or any(domain.route and domain.security is None for domain in routed)


def _tls(security: OutboundSecurity, parts: Parts) -> Iterator[Problem]:
    if security.implicit_tls and security.tls is OutboundTls.OFF:
        mend = 'write tls = "require" or "verify", or remove the line'
        yield Problem(key_text((*parts, "implicit_tls")), "true", 'tls is "off"', mend)


def _sign_in(security: OutboundSecurity, parts: Parts) -> Iterator[Problem]:
    way = security.authentication
    path = key_text((*parts, "authentication"))
    value = toml_text(way.value)
    if way in {Authentication.BASIC, Authentication.OAUTH2} and not security.username:
        yield Problem(path, value, "there is no username", f"write {key_text((*parts, 'username'))}")
    if way is Authentication.BASIC and not security.password and not security.password_file:
        mend = f"write {key_text((*parts, 'password'))} or {key_text((*parts, 'password_file'))}"
        related = (key_text((*parts, "password")), key_text((*parts, "password_file")))
        yield Problem(path, value, "there is no password", mend, related=related)
    if way is Authentication.OAUTH2:
        yield from _tokens(security.oauth2, (*parts, "oauth2"))
        if security.tls is OutboundTls.OFF and not security.password_without_tls:
            yield Problem(path, value, 'tls is "off", and a token is not shown without TLS', 'write tls = "verify"')


def _tokens(oauth2: OAuth2, parts: Parts) -> Iterator[Problem]:
    url, command = key_text((*parts, "token_url")), key_text((*parts, "token_command"))
    if oauth2.token_command:
        if oauth2.token_url:
            yield Problem(command, "", "token_command and token_url exclude each other", "remove one of them")
        return
    if not oauth2.token_url:
        yield Problem(url, "", "nothing says where access tokens come from", f"write {url} or {command}")
        return
    if not _is_safe(oauth2.token_url):
        wrong = "an https URL, or an http one of this machine, is wanted"
        mend = 'write one such as "https://login.example/oauth2/v2.0/token"'
        yield Problem(url, toml_text(oauth2.token_url), wrong, mend)
    if not oauth2.client_id:
        path = key_text((*parts, "client_id"))
        yield Problem(path, "", "the token endpoint needs to know who asks", f"write {path}")
    secrets = (oauth2.client_secret, oauth2.client_secret_file, oauth2.refresh_token, oauth2.refresh_token_file)
    if not any(secrets):
        path = key_text((*parts, "client_secret"))
        related = tuple(key_text((*parts, f"{name}_file")) for name in ("client_secret", "refresh_token"))
        mend = f"write {path}, or {key_text((*parts, 'refresh_token'))}"
        yield Problem(path, "", "the token endpoint gives nothing without a secret", mend, related=related)


def _is_safe(url: str) -> bool:
    """Whether a secret may be sent there: over TLS, or not over any wire."""
    found = _URL.fullmatch(url)
    if found is None:
        return False
    host = found["host"].strip("[]")
    try:
        return found["scheme"] == "https" or host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
