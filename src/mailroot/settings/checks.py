"""What options ask of each other; each check is a generator of problems over settings that were resolved."""

import ipaddress
import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePath

from mailroot.mail.address import domain_key
from mailroot.settings.collect import CollectMethod, port_of
from mailroot.settings.declared import Parts, key_text
from mailroot.settings.delivery import Authentication
from mailroot.settings.dkimchecks import dkim_checks
from mailroot.settings.domains import Domain, DomainType, SmartHost
from mailroot.settings.ldapchecks import ldap_checks
from mailroot.settings.places import Binding, is_name
from mailroot.settings.problem import Problem
from mailroot.settings.resolve import Facts
from mailroot.settings.securitychecks import security_checks
from mailroot.settings.service import Settings
from mailroot.settings.spelling import size_text, toml_text
from mailroot.settings.virtualserver import Access, AccountSource, NamedCertificate, Start, TlsOffer, VirtualServer

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
# Names that Windows keeps for devices, whatever folder they stand in.
_DEVICES = {"con", "prn", "aux", "nul", *(f"{kind}{number}" for kind in ("com", "lpt") for number in range(1, 10))}
_INNER = ("Pickup", "Queue", "SortTemp")
_ELSEWHERE = "give one of them another address or port"


def checks(settings: Settings, facts: Facts) -> Iterator[Problem]:
    """Every problem between options."""
    yield from _names(settings)
    yield from _bindings(settings)
    yield from _homes(settings)
    yield from _folders(settings)
    for key, server in settings.servers.items():
        yield from _limits(key, server)
        yield from _texts(key, server)
        yield from _secure(key, server)
        yield from _accounts(key, server.access)
        yield from _domains(key, server)
        yield from _collections(key, server)
        yield from _paces(key, server)
        yield from _loops(key, server, settings, facts)
        yield from security_checks(key, server)
        yield from dkim_checks(key, server)
        yield from ldap_checks(key, server)


def _names(settings: Settings) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for key in settings.servers:
        path = key_text(("servers", key))
        if not _KEY.fullmatch(key) or key.lower() in _DEVICES:
            mend = 'use up to 64 letters, digits, "-" and "_", and no device name; servers.X.name may be anything'
            yield Problem(path, "", "the short name of a server names files", mend)
        elif key.lower() in seen:
            yield Problem(path, "", f"differs from {seen[key.lower()]} in its case only", "choose another short name")
        seen[key.lower()] = path


def overlap(one: Binding, other: Binding) -> bool:
    """Whether two bindings cannot both be listened on."""
    a, b = ipaddress.ip_address(one.address), ipaddress.ip_address(other.address)
    same_port = one.port == other.port != 0  # 0 is any port that is free
    return same_port and a.version == b.version and (a == b or a.is_unspecified or b.is_unspecified)


def conflict(key: str, binding: Binding) -> tuple[str, str]:
    """What is wrong where another server has a binding, and the mend."""
    return f'the server {key} listens on "{binding}" already', _ELSEWHERE


def _bindings(settings: Settings) -> Iterator[Problem]:
    taken = [
        (key, key_text(("servers", key, "general", option)), binding)
        for key, server in settings.servers.items()
        if server.start is not Start.DISABLED
        for option in ("bindings", "tls_bindings")
        for binding in getattr(server.general, option)
    ]
    others = {"service.metrics": settings.service.metrics, "admin.listen": settings.admin.listen}
    taken += [("", path, binding) for path, binding in others.items() if binding is not None]
    for (key, path, binding), (other_key, other_path, other) in itertools.combinations(taken, 2):
        if not overlap(binding, other):
            continue
        if key == other_key == "":
            wrong = f"{path} listens there already"
            yield Problem(other_path, f'"{other}"', wrong, _ELSEWHERE, related=(path,))
        elif key == other_key:
            related = (path,) if path != other_path else ()
            yield Problem(
                other_path, f'"{other}"', f'"{binding}" already covers it', "remove one of them", related=related
            )
        else:
            wrong, mend = conflict(key, binding)
            yield Problem(other_path, f'"{other}"', wrong, mend, related=(path,))


def _inside(path: str, folder: str) -> bool:
    return PurePath(path).is_relative_to(folder)


def _homes(settings: Settings) -> Iterator[Problem]:
    for (key, server), (other_key, other) in itertools.combinations(settings.servers.items(), 2):
        path, other_path = key_text(("servers", key, "home")), key_text(("servers", other_key, "home"))
        if _inside(other.home, server.home) or _inside(server.home, other.home):
            wrong = f"it shares its folders with the home of {key}, {server.home}"
            yield Problem(
                other_path, toml_text(other.home), wrong, "give each server a home of its own", related=(path,)
            )


def _folders(settings: Settings) -> Iterator[Problem]:
    inner = [
        (f"{name} of {key}", str(PurePath(server.home, name)), key_text(("servers", key, "home")))
        for key, server in settings.servers.items()
        for name in _INNER
    ]
    for key, server in settings.servers.items():
        outer = [(key_text(("servers", key, "messages", "badmail")), "Badmail", server.messages.badmail)]
        outer += [
            (key_text(("servers", key, "domains", name, "drop")), "Drop", domain.drop)
            for name, domain in server.domains.items()
            if domain.type in (DomainType.DEFAULT, DomainType.CUSTOM)
        ]
        for (path, what, folder), (whose, place, home_path) in itertools.product(outer, inner):
            if _inside(folder, place):
                wrong = f"{what} lies in {whose}, where its files would be taken as mail"
                yield Problem(path, toml_text(folder), wrong, "choose another folder", related=(home_path,))
        for path, what, folder in outer[1:]:
            if folder == outer[0][2]:
                wrong = f"{what} and Badmail are one folder"
                yield Problem(outer[0][0], toml_text(folder), wrong, "choose another folder", related=(path,))


def _limits(key: str, server: VirtualServer) -> Iterator[Problem]:
    size, session = server.messages.size_limit, server.messages.session_limit
    if size and session and session < size:
        path = key_text(("servers", key, "messages", "session_limit"))
        related = key_text(("servers", key, "messages", "size_limit"))
        wrong = f"it lies below the size limit of one message, {size_text(size)}"
        yield Problem(
            path, toml_text(size_text(session)), wrong, f'write "{size_text(size)}" or more', related=(related,)
        )


def _texts(key: str, server: VirtualServer) -> Iterator[Problem]:
    fqdn, copy = server.delivery.fqdn, server.messages.ndr_copy_to
    if not is_name(fqdn.lower()):
        path = key_text(("servers", key, "delivery", "fqdn"))
        yield Problem(path, toml_text(fqdn), "not the name of a host", 'write one such as "mail.example.com"')
    masquerade = server.delivery.masquerade_domain
    if masquerade and not is_name(domain_key(masquerade)):
        path = key_text(("servers", key, "delivery", "masquerade_domain"))
        yield Problem(path, toml_text(masquerade), "not the name of a domain", 'write one such as "example.com"')
    local, _, domain = copy.rpartition("@")
    if copy and not (local and is_name(domain.lower()) and not re.search(r"[\s<>]", copy)):
        path = key_text(("servers", key, "messages", "ndr_copy_to"))
        yield Problem(path, toml_text(copy), "not an address", 'write one such as "postmaster@example.com"')


def _secure(key: str, server: VirtualServer) -> Iterator[Problem]:
    """Options of TLS that contradict each other: what one demands, another makes impossible."""
    access, general = server.access, server.general
    tls = key_text(("servers", key, "access", "tls"))
    if access.tls is TlsOffer.OFF:
        mend, related = 'write tls = "offer"', (tls,)
        if general.tls_bindings:
            path, bindings = key_text(("servers", key, "general", "tls_bindings")), map(str, general.tls_bindings)
            yield Problem(path, toml_text(list(bindings)), 'access.tls is "off"', mend, related=related)
        if access.basic and access.basic_requires_tls:
            path, wrong = key_text(("servers", key, "access", "basic")), "nobody could sign in without TLS"
            yield Problem(path, "true", wrong, f"{mend}, or basic_requires_tls = false", related=related)
    tables: list[tuple[Parts, Access | NamedCertificate]] = [((), access)]
    tables += [(("names", name), named) for name, named in access.names.items()]
    for above, holder in tables:
        path = key_text(("servers", key, "access", *above, "certificate"))
        if not holder.certificate and (holder.key or above):
            yield Problem(path, '""', "the certificate is missing", 'write the name of its file, "mail.pem" perhaps')
    for name in access.names:
        if not is_name(name.removeprefix("*.")):
            path = key_text(("servers", key, "access", "names", name))
            yield Problem(path, "", "not the name of a host", 'write one such as "mail.example.com"')


def _accounts(key: str, access: Access) -> Iterator[Problem]:
    """Demands on accounts that whoever knows them cannot meet."""
    source = access.accounts

    def path(option: str) -> str:
        return key_text(("servers", key, "access", option))

    if not (access.anonymous or access.basic or access.integrated):
        yield Problem(path("anonymous"), "false", "nobody could send", "set basic or integrated, or write true")
    if access.cram_md5 and source is not AccountSource.EMBEDDED:
        wrong = f'the accounts of "{source.value}" do not keep what CRAM-MD5 needs'
        yield Problem(path("cram_md5"), "true", wrong, "write false", related=(path("accounts"),))
    windows = access.ntlm and source not in {AccountSource.PAM, AccountSource.LDAP}
    if access.integrated and not windows and not access.keytab:
        wrong = "neither GSSAPI, which needs a keytab, nor NTLM is there"
        yield Problem(path("integrated"), "true", wrong, "set keytab, or write false", related=(path("accounts"),))
    if access.principal and not access.keytab:
        yield Problem(path("principal"), toml_text(access.principal), "the keytab is missing", "set keytab")


def _domains(key: str, server: VirtualServer) -> Iterator[Problem]:
    default = ""
    for name, domain in server.domains.items():
        path = key_text(("servers", key, "domains", name))
        bare = name.removeprefix("*.")
        if not is_name(bare):
            mend = 'write one such as "example.com", or "*.example.com" for all below it'
            yield Problem(path, "", "not the name of a domain", mend)
        elif bare != name and domain.type is not DomainType.REMOTE:
            yield Problem(f"{path}.type", "", "only a remote domain may begin with *.", "write the domain's whole name")
        if domain.type is DomainType.DEFAULT:
            if default:
                wrong = f"{default} is the default domain already"
                yield Problem(f"{path}.type", '"default"', wrong, 'write "alias"', related=(f"{default}.type",))
            default = path
        yield from _misplaced(path, domain)
        if domain.type is DomainType.ALIAS and domain.drop != server.domains[_default_of(server)].drop:
            wrong, mend = "an alias shares the Drop folder of the default domain", 'write type = "custom"'
            yield Problem(f"{path}.drop", toml_text(domain.drop), wrong, f"{mend}, or remove the line")


def _default_of(server: VirtualServer) -> str:
    return next(name for name, domain in server.domains.items() if domain.type is DomainType.DEFAULT)


_WHY = {
    DomainType.REMOTE: "a remote domain has no Drop folder and no mail that waits for it here",
    DomainType.DEFAULT: "mail for a local domain is not sent on",
    DomainType.ALIAS: "mail for a local domain is not sent on",
    DomainType.CUSTOM: "mail for a local domain is not sent on",
}
_OF_LOCAL = ("drop", "drop_quota", "former")
_OF_REMOTE = ("relay", "use_helo", "route", "hold", "atrn_accounts", "security")


def _paces(key: str, server: VirtualServer) -> Iterator[Problem]:
    for name in server.pace:
        if name != "*" and not name.startswith("[") and not is_name(name.removeprefix("*.")):
            mend = 'write a domain or smart host such as "example.com" or "[192.0.2.1]", "*.example.com", or "*"'
            yield Problem(key_text(("servers", key, "pace", name)), "", "not the name of a destination", mend)


def _misplaced(path: str, domain: Domain) -> Iterator[Problem]:
    """Options that do not count for a domain of this type (facts 1.7)."""
    for name in _OF_LOCAL if domain.type is DomainType.REMOTE else _OF_REMOTE:
        if getattr(domain, name):
            yield Problem(f"{path}.{name}", "", _WHY[domain.type], "remove the line, or write another type")
    if domain.type is DomainType.CUSTOM and not domain.drop:
        yield Problem(f"{path}.drop", '""', "a custom local domain has a Drop folder of its own", "name one")


def _collections(key: str, server: VirtualServer) -> Iterator[Problem]:
    for name, one in server.collect.items():
        here = ("servers", key, "collect", name)
        if one.host is None:
            mend = 'write the server that holds the mail, such as "mail.provider.example"'
            yield Problem(key_text((*here, "host")), '""', "nobody is asked", mend)
        if one.method is CollectMethod.ATRN and one.security.authentication is Authentication.ANONYMOUS:
            path, related = key_text((*here, "method")), key_text((*here, "security", "authentication"))
            wrong = "ATRN is for those who sign in (RFC 2645 section 5.1)"
            yield Problem(path, '"atrn"', wrong, f'write {related} = "basic", and who we are', related=(related,))


def _loops(key: str, server: VirtualServer, settings: Settings, facts: Facts) -> Iterator[Problem]:
    places: list[tuple[Parts, tuple[SmartHost, ...]]] = [
        (("servers", key, "delivery", "smart_host"), server.delivery.smart_host)
    ]
    places += [(("servers", key, "domains", name, "route"), domain.route) for name, domain in server.domains.items()]
    places += [
        (("servers", key, "collect", name, "host"), (replace(one.host, port=port_of(one)),))
        for name, one in server.collect.items()
        if one.host is not None
    ]
    for parts, hosts in places:
        for host in hosts:
            port = host.port or server.delivery.port
            owner = next((name for name, other in settings.servers.items() if _own(host, port, other, facts)), "")
            if owner:
                wrong = f"the server {owner} itself listens there, so mail would go round in a circle"
                related = (key_text(("servers", owner, "general", "bindings")),)
                yield Problem(key_text(parts), f'"{host}"', wrong, "name another host or port", related=related)


def _own(host: SmartHost, port: int, server: VirtualServer, facts: Facts) -> bool:
    """Whether the host is one of the server's bindings, as far as that shows without asking DNS."""
    bound = [ipaddress.ip_address(binding.address) for binding in server.general.listening if binding.port == port]
    if not host.literal:
        names = {"localhost", facts.host, server.delivery.fqdn}
        return bool(bound) and host.host in {name.lower() for name in names}
    address = ipaddress.ip_address(host.host)
    everywhere = any(own.is_unspecified and own.version == address.version for own in bound)
    return address in bound or (everywhere and (address.is_loopback or host.host in facts.addresses))
