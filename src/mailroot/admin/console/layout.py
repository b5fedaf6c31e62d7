"""Which option stands on which sheet, under which tab and heading: the property sheets of IIS, and what it had not.

It is made from the settings' declarations: an option that is declared stands on a sheet at once.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mailroot.settings.declared import ANY, Declared, Parts, declared

SERVICE, SERVER, DOMAIN = "service", "server", "domain"
NAMES, PACE, COLLECT, DKIM = "names", "pace", "collect", "dkim"

_SERVER = ("servers", ANY)
_DOMAIN = (*_SERVER, "domains", ANY)
_COLLECT = (*_SERVER, "collect", ANY)

# A table of the settings: its sheet, the tab, and the heading; "" takes the heading from the dialog of IIS.
_PLACES: Mapping[Parts, tuple[str, str, str]] = {
    ("service",): (SERVICE, "General", "Service"),
    ("service", "events_to"): (SERVICE, "Events", "Events elsewhere"),
    ("service", "trace"): (SERVICE, "Events", "Trace of messages"),
    ("admin",): (SERVICE, "Administration", "Administration"),
    _SERVER: (SERVER, "General", "Virtual server"),
    (*_SERVER, "general"): (SERVER, "General", "Connections"),
    (*_SERVER, "general", "log"): (SERVER, "General", "Logging"),
    (*_SERVER, "access"): (SERVER, "Access", ""),
    (*_SERVER, "access", "connection"): (SERVER, "Access", "Connection control"),
    (*_SERVER, "access", "relay"): (SERVER, "Access", "Relay restrictions"),
    (*_SERVER, "access", "names", ANY): (NAMES, "General", "Certificate for a name"),
    (*_SERVER, "messages"): (SERVER, "Messages", "Limits and Badmail"),
    (*_SERVER, "pickup"): (SERVER, "Messages", "Pickup folder"),
    (*_SERVER, "drop"): (SERVER, "Messages", "Files in Drop folders"),
    (*_SERVER, "delivery"): (SERVER, "Delivery", ""),
    (*_SERVER, "delivery", "security"): (SERVER, "Delivery", "Outbound Security"),
    (*_SERVER, "delivery", "security", "oauth2"): (SERVER, "Delivery", "Outbound Security: OAuth2"),
    (*_SERVER, "dkim"): (SERVER, "Delivery", "Signatures by DKIM"),
    (*_SERVER, "pace", ANY): (PACE, "General", "Pace"),
    _COLLECT: (COLLECT, "General", "Collecting"),
    (*_COLLECT, "security"): (COLLECT, "Outbound Security", "Outbound Security"),
    (*_COLLECT, "security", "oauth2"): (COLLECT, "Outbound Security", "OAuth2"),
    (*_SERVER, "ldap_routing"): (SERVER, "LDAP Routing", "Directory"),
    (*_SERVER, "ldap_routing", "custom"): (SERVER, "LDAP Routing", "Schema `custom`"),
    _DOMAIN: (DOMAIN, "General", ""),
    (*_DOMAIN, "security"): (DOMAIN, "Outbound Security", "Outbound Security"),
    (*_DOMAIN, "security", "oauth2"): (DOMAIN, "Outbound Security", "OAuth2"),
    (*_DOMAIN, "dkim", ANY): (DKIM, "General", "Key"),
}
# Headings where the dialogs of IIS name none.
_FIRST = {"Access": "Authentication", "Delivery": "Outbound", "Domain": "Domain"}
# Options of a domain that IIS had on another tab than the first, or not at all.
_TRIGGERED = ("hold", "atrn_accounts")
_ADVANCED = (*_TRIGGERED, "retry_intervals", "retry_attempts", "delay_notification", "expiration")


@dataclass(frozen=True, slots=True)
class Group:
    """Options under one heading of a tab."""

    tab: str
    heading: str
    options: tuple[Declared, ...]


def place(table: Parts) -> tuple[str, str, str]:
    """Sheet, tab and heading of a table of the settings: its own, or those of the nearest one around it."""
    for depth in range(len(table), 0, -1):
        if table[:depth] in _PLACES:
            sheet, tab, heading = _PLACES[table[:depth]]
            inner = " ".join(part for part in table[depth:] if part != ANY)
            return sheet, tab, f"{heading or tab}: {inner.replace('_', ' ')}" if inner else heading
    return SERVICE, "General", table[0].capitalize() if table else ""


@functools.cache
def sheets() -> Mapping[str, tuple[Group, ...]]:
    """Every sheet by its name, with the groups in the order in which they are declared."""
    made: dict[str, dict[tuple[str, str], list[Declared]]] = {}
    before: dict[Parts, str] = {}
    for parts, found in declared().items():
        table = parts[:-1]
        sheet, tab, heading = place(table)
        if table == _DOMAIN and parts[-1] in _ADVANCED:
            tab = "Advanced"
        if not heading:
            heading = before[table] = _dialog(found, tab) or before.get(table, _FIRST.get(tab, tab))
        made.setdefault(sheet, {}).setdefault((tab, heading), []).append(found)
    return {
        sheet: tuple(Group(tab, heading, tuple(options)) for (tab, heading), options in groups.items())
        for sheet, groups in made.items()
    }


def _dialog(found: Declared, tab: str) -> str:
    """The dialog of IIS that an option stood in, below its tab."""
    if found.parts[: len(_DOMAIN)] == _DOMAIN:
        if found.parts[-1] in _TRIGGERED:
            return "Remote triggered delivery"
        return "Retry" if found.parts[-1] in _ADVANCED else "Domain"
    _, arrow, dialog = found.option.tab.partition(" > ")
    if arrow:
        return dialog
    return _FIRST.get(tab, tab) if found.option.tab else ""


def tabs(groups: Sequence[Group]) -> tuple[str, ...]:
    """The tabs of these groups, each once."""
    return tuple(dict.fromkeys(group.tab for group in groups))
