"""From values as they stand in the file to values that rules can trust: whole folders, names and secrets filled in."""

import dataclasses
import os.path
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from mailroot.mail.address import domain_key
from mailroot.mail.faults import Fault
from mailroot.settings.declared import Parts, key_text, values
from mailroot.settings.delivery import OAuth2, OutboundSecurity
from mailroot.settings.dkim import DkimKey
from mailroot.settings.domains import Domain, DomainType
from mailroot.settings.log import Log
from mailroot.settings.option import declaration
from mailroot.settings.problem import Problem
from mailroot.settings.service import Admin, Settings
from mailroot.settings.virtualserver import Access, LdapRouting, NamedCertificate, VirtualServer

_Holder = TypeVar("_Holder", OutboundSecurity, OAuth2, LdapRouting, DkimKey, Log)
_Certified = TypeVar("_Certified", Access, NamedCertificate)


@dataclass(frozen=True, slots=True)
class Facts:
    """What settings rest on besides their text; `edge.settingsfile` finds it out.

    `folder` is the settings file's, absolute. `host` is the machine's full name and `addresses` are its own. `read`
    gives the secret in a file, its first line or a whole PEM, and raises `Fault` where it cannot. `revision` is that of
    the settings to be made.
    """

    folder: str
    host: str = "localhost"
    cores: int = 1
    addresses: frozenset[str] = frozenset()
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    read: Callable[[str], str] = str
    revision: int = 1


def resolve(settings: Settings, facts: Facts) -> Settings:
    """The settings with absolute folders, the machine's name for an empty one, and a default domain in each server."""
    service = settings.service
    servers = settings.servers or {"default": VirtualServer()}
    return Settings(
        service=dataclasses.replace(
            service,
            workers=service.workers or facts.cores,
            events=service.events and _under(facts.folder, service.events),
            history=service.history and _under(facts.folder, service.history),
            trace=dataclasses.replace(
                service.trace, folder=service.trace.folder and _under(facts.folder, service.trace.folder)
            ),
        ),
        admin=_admin(settings.admin, facts),
        servers={key: _server(server, facts) for key, server in servers.items()},
        revision=facts.revision,
        folder=facts.folder,
    )


def _admin(admin: Admin, facts: Facts) -> Admin:
    return dataclasses.replace(
        admin,
        operators=_under(facts.folder, admin.operators or "Operators"),
        audit=admin.audit and _under(facts.folder, admin.audit),
        certificate=admin.certificate and _under(facts.folder, admin.certificate),
        key=admin.key and _under(facts.folder, admin.key),
    )


def _under(folder: str, path: str) -> str:
    return os.path.normpath(os.path.join(folder, path))  # noqa: PTH118 - `Path` would not remove ".."


def _server(server: VirtualServer, facts: Facts) -> VirtualServer:
    home = _under(facts.folder, server.home)
    messages, log = server.messages, server.general.log
    badmail = _under(facts.folder, messages.badmail) if messages.badmail else _under(home, "Badmail")
    log = dataclasses.replace(log, directory=_under(facts.folder, log.directory))
    access = _certified(server.access, facts)
    access = dataclasses.replace(
        access,
        account_file=_under(facts.folder, access.account_file),
        ntlm_auth=access.ntlm_auth and _under(facts.folder, access.ntlm_auth),
        keytab=access.keytab and _under(facts.folder, access.keytab),
        names={domain_key(name): _certified(named, facts) for name, named in access.names.items()},
    )
    return dataclasses.replace(
        server,
        home=home,
        general=dataclasses.replace(server.general, log=log),
        access=access,
        messages=dataclasses.replace(messages, badmail=badmail),
        delivery=dataclasses.replace(
            server.delivery,
            fqdn=server.delivery.fqdn or facts.host,
            security=_with_files(server.delivery.security, facts),
        ),
        ldap_routing=dataclasses.replace(
            server.ldap_routing,
            ca_file=server.ldap_routing.ca_file and _under(facts.folder, server.ldap_routing.ca_file),
            keytab=server.ldap_routing.keytab and _under(facts.folder, server.ldap_routing.keytab),
        ),
        domains=_domains(server, home, facts),
        collect={
            name: dataclasses.replace(one, security=_with_files(one.security, facts))
            for name, one in server.collect.items()
        },
        pace={domain_key(name): pace for name, pace in server.pace.items()},
    )


def _certified(holder: _Certified, facts: Facts) -> _Certified:
    certificate = holder.certificate and _under(facts.folder, holder.certificate)
    return dataclasses.replace(holder, certificate=certificate, key=holder.key and _under(facts.folder, holder.key))


def _domains(server: VirtualServer, home: str, facts: Facts) -> dict[str, Domain]:
    domains = {domain_key(name): domain for name, domain in server.domains.items()}
    if not any(domain.type is DomainType.DEFAULT for domain in domains.values()):
        # Facts 1.7: without a default domain of its own a server has the machine's.
        own = domains.get(domain_key(facts.host), Domain())
        domains[domain_key(facts.host)] = dataclasses.replace(own, type=DomainType.DEFAULT)
    default = next(domain for domain in domains.values() if domain.type is DomainType.DEFAULT)
    drop = _under(facts.folder, default.drop) if default.drop else _under(home, "Drop")
    return {name: _domain(domain, drop, facts) for name, domain in domains.items()}


def _domain(domain: Domain, drop: str, facts: Facts) -> Domain:
    if domain.type is not DomainType.REMOTE:
        shared = "" if domain.type is DomainType.CUSTOM else drop
        return dataclasses.replace(domain, drop=_under(facts.folder, domain.drop) if domain.drop else shared)
    return dataclasses.replace(domain, security=domain.security and _with_files(domain.security, facts))


def with_secrets(settings: Settings, facts: Facts) -> tuple[Settings, tuple[Problem, ...]]:
    """The settings with every `$NAME` and secret in a file replaced by the secret, and what went wrong with that."""
    problems: list[Problem] = []
    servers = {}
    for key, server in settings.servers.items():
        here = ("servers", key)
        security = _secure(server.delivery.security, (*here, "delivery", "security"), facts, problems)
        domains = {
            name: _domain_with_secrets(domain, (*here, "domains", name), facts, problems)
            for name, domain in server.domains.items()
        }
        log = _filled(server.general.log, (*here, "general", "log"), facts, problems)
        servers[key] = dataclasses.replace(
            server,
            general=dataclasses.replace(server.general, log=log),
            delivery=dataclasses.replace(server.delivery, security=security),
            domains=domains,
            collect={
                name: dataclasses.replace(
                    one, security=_secure(one.security, (*here, "collect", name, "security"), facts, problems)
                )
                for name, one in server.collect.items()
            },
            ldap_routing=_filled(server.ldap_routing, (*here, "ldap_routing"), facts, problems),
        )
    return dataclasses.replace(settings, servers=servers), tuple(problems)


def _domain_with_secrets(domain: Domain, here: Parts, facts: Facts, problems: list[Problem]) -> Domain:
    security = domain.security and _secure(domain.security, (*here, "security"), facts, problems)
    keys = {selector: _filled(key, (*here, "dkim", selector), facts, problems) for selector, key in domain.dkim.items()}
    return dataclasses.replace(domain, security=security, dkim=keys)


def _secure(security: OutboundSecurity, parts: Parts, facts: Facts, problems: list[Problem]) -> OutboundSecurity:
    filled = _filled(security, parts, facts, problems)
    return dataclasses.replace(filled, oauth2=_filled(security.oauth2, (*parts, "oauth2"), facts, problems))


def _with_files(security: OutboundSecurity, facts: Facts) -> OutboundSecurity:
    oauth2 = security.oauth2
    return dataclasses.replace(
        security,
        ca_file=security.ca_file and _under(facts.folder, security.ca_file),
        oauth2=dataclasses.replace(
            oauth2, refresh_token_file=oauth2.refresh_token_file and _under(facts.folder, oauth2.refresh_token_file)
        ),
    )


def _filled(holder: _Holder, parts: Parts, facts: Facts, problems: list[Problem]) -> _Holder:
    """The holder with its secrets in place: each field `x` that is one, with `x_file` beside it."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(holder):
        known = declaration(field)
        if known is not None and known.secret:
            found[field.name] = _secret(holder, (*parts, field.name), facts, problems)
    return dataclasses.replace(holder, **found)


def _secret(holder: _Holder, parts: Parts, facts: Facts, problems: list[Problem]) -> str:
    name = parts[-1]
    written, file = getattr(holder, name), getattr(holder, f"{name}_file")
    if file:
        path = key_text((*parts[:-1], f"{name}_file"))
        if written:
            problems.append(Problem(path, "", f"{name} and {name}_file exclude each other", "remove one of them"))
        try:
            return facts.read(_under(facts.folder, file))
        except Fault as fault:
            problems.append(Problem(path, "", str(fault)))
        return ""
    if written.startswith("$"):
        variable = written[1:]
        if variable not in facts.environment:
            wrong = f"the environment variable {variable} is not set"
            problems.append(Problem(key_text(parts), "", wrong, "set it where the service is started"))
        return facts.environment.get(variable, "")
    return str(written)


def secrets_in(settings: Settings) -> Iterator[str]:
    """The keys of the secrets that stand in the file itself, neither in a variable nor in a file of their own."""
    for parts, known, value in values(settings):
        if known.option.secret and value and not value.startswith("$"):
            yield key_text(parts)
