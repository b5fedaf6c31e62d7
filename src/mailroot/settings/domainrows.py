"""Domains as people read them in a list."""

from collections.abc import Iterable, Iterator

from mailroot.settings.declared import Parts, key_text, values
from mailroot.settings.domains import Domain, DomainType
from mailroot.settings.service import Settings
from mailroot.settings.spelling import toml_text
from mailroot.settings.virtualserver import VirtualServer

# What its own column tells, or the column "goes_to".
_TOLD = ("type", "drop", "route")


def domain_rows(settings: Settings, keys: Iterable[str]) -> Iterator[dict[str, object]]:
    """A row for each domain of these virtual servers."""
    for key in keys:
        server = settings.servers[key]
        for name, domain in server.domains.items():
            options = [*_options(settings, ("servers", key, "domains", name))]
            yield {
                "server": key,
                "domain": name,
                "type": domain.type.value,
                "goes_to": _way(server, domain),
                "options": options,
            }


def _way(server: VirtualServer, domain: Domain) -> str:
    """Where mail for the domain goes, in a word or two."""
    if domain.type is not DomainType.REMOTE:
        return domain.drop
    hosts = domain.route or server.delivery.smart_host
    way = ", ".join(str(host) for host in hosts) if hosts else "MX"
    first = bool(hosts) and not domain.route and server.delivery.direct_first
    return f"MX, then {way}" if first else way


def _options(settings: Settings, above: Parts) -> Iterator[str]:
    """The domain's options that differ from their defaults, as they are typed."""
    for parts, found, value in values(settings):
        if parts[: len(above)] == above and parts[-1] not in _TOLD and value != found.default:
            yield f"{key_text(parts[len(above) :])}={_typed(found.text(value))}"


def _typed(value: object) -> str:
    return value if isinstance(value, str) else toml_text(value)
