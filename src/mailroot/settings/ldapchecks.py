"""What the options of LDAP routing ask of each other."""

from collections.abc import Iterator

from mailroot.settings.access import AccountSource
from mailroot.settings.declared import Parts, key_text
from mailroot.settings.ldap import LdapBinding, LdapRouting, LdapSchema, LdapTls
from mailroot.settings.problem import Problem
from mailroot.settings.spelling import toml_text
from mailroot.settings.virtualserver import VirtualServer

_WITH_PASSWORD = {LdapBinding.PLAIN_TEXT, LdapBinding.WINDOWS}


def ldap_checks(key: str, server: VirtualServer) -> Iterator[Problem]:
    """Every problem of a server's LDAP routing; none where nothing asks a directory."""
    routing, parts = server.ldap_routing, ("servers", key, "ldap_routing")
    accounts = server.access.accounts is AccountSource.LDAP and server.access.basic
    if not (routing.enabled or accounts):
        return
    yield from _place(routing, parts)
    yield from _credentials(routing, parts)
    yield from _tls(routing, parts, accounts)
    yield from _schema(routing, parts)


def domain_of(routing: LdapRouting) -> str:
    """The domain whose directory is found by DNS: the one that is named, or that of the base; "" without both."""
    if "." in routing.domain:
        return routing.domain
    pairs = [pair.strip().partition("=") for pair in routing.base.split(",")]
    return ".".join(value.strip() for name, _, value in pairs if name.strip().lower() == "dc")


def _place(routing: LdapRouting, parts: Parts) -> Iterator[Problem]:
    servers, base = key_text((*parts, "servers")), key_text((*parts, "base"))
    if not routing.servers and not domain_of(routing):
        mend = f'write one such as "ldap://dc1.example.com", or {key_text((*parts, "domain"))} to have it found by DNS'
        yield Problem(servers, "[]", "nothing says where the directory is", mend)
    if not routing.base and routing.schema is not LdapSchema.ACTIVE_DIRECTORY:
        yield Problem(base, '""', "only Active Directory tells its own base", 'write one such as "dc=example,dc=com"')


def _credentials(routing: LdapRouting, parts: Parts) -> Iterator[Problem]:
    path, value = key_text((*parts, "binding")), toml_text(routing.binding.value)
    if routing.binding in _WITH_PASSWORD:
        if not routing.username:
            yield Problem(path, value, "there is no username", f"write {key_text((*parts, 'username'))}")
        if not (routing.password or routing.password_file):
            # RFC 4513 section 5.1.2: a directory may take an empty password for an anonymous binding.
            mend = f"write {key_text((*parts, 'password'))} or {key_text((*parts, 'password_file'))}"
            related = (key_text((*parts, "password")), key_text((*parts, "password_file")))
            yield Problem(path, value, "there is no password", mend, related=related)
    elif routing.username or routing.password or routing.password_file:
        mend = 'write binding = "plain-text" or "windows", or remove the account'
        yield Problem(path, value, "an account is named that is not signed in with", mend)
    if routing.keytab and routing.binding is not LdapBinding.SERVICE_ACCOUNT:
        mend = 'write "service-account", or remove keytab'
        yield Problem(path, value, "only a service account has a keytab", mend)


def _tls(routing: LdapRouting, parts: Parts, accounts: bool) -> Iterator[Problem]:
    path, value = key_text((*parts, "tls")), toml_text(routing.tls.value)
    if routing.tls is not LdapTls.OFF:
        return
    secured = next((server for server in routing.servers if server.tls), None)
    if secured is not None:
        yield Problem(path, value, f"{secured} speaks TLS from the beginning", 'write "verify", or ldap://')
    shown = routing.binding is LdapBinding.PLAIN_TEXT or accounts
    if shown and not routing.password_without_tls:
        mend = f'write "verify", or {key_text((*parts, "password_without_tls"))} = true'
        yield Problem(path, value, "a password would go over the network for everybody to read", mend)


def _schema(routing: LdapRouting, parts: Parts) -> Iterator[Problem]:
    custom = routing.custom
    if routing.schema is not LdapSchema.CUSTOM:
        return
    if not custom.mail:
        path = key_text((*parts, "custom", "mail"))
        yield Problem(path, "[]", "no attribute holds an address", 'write one, such as ["mail"]')
    if custom.disabled_attribute and not custom.disabled_values:
        path = key_text((*parts, "custom", "disabled_values"))
        yield Problem(path, "[]", f"no value of {custom.disabled_attribute} means disabled", "write those that do")
