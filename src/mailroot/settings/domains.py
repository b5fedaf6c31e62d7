"""Options of a domain, local or remote (IIS: Domains)."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from mailroot.settings.delivery import OutboundSecurity
from mailroot.settings.dkim import DkimKey
from mailroot.settings.option import Applies, option, section, strict
from mailroot.settings.places import DOMAIN, SMART_HOSTS, SmartHost
from mailroot.settings.spelling import TEXT, Flag, Folder, choice, count, duration, or_unset, several

__all__ = ["Domain", "DomainType", "SmartHost"]

_LOCAL = "Domain > General"
_REMOTE = "Remote domain > General"
_ADVANCED = "Remote domain > Advanced"


class DomainType(enum.Enum):
    """What a domain is to this server.

    An alias is stamped with the default domain and shares its Drop folder. A custom one is local, too, with its own
    name and its own Drop folder (IIS: Local (Custom)).
    """

    DEFAULT = "default"
    ALIAS = "alias"
    CUSTOM = "custom"
    REMOTE = "remote"


@strict
@dataclass(frozen=True, slots=True)
class Domain:
    """One domain. `drop` is absolute for local domains and "" for remote ones; `route` is empty for delivery by MX.

    `security` is None where the server's `delivery.security` counts.
    """

    type: Annotated[DomainType, choice(DomainType)] = option(
        DomainType.REMOTE,
        "Whether the domain is the default one, another name of it, local with a Drop folder of its own, or elsewhere.",
        label="Type",
        tab="Domains",
        metabase="RouteAction",
    )
    drop: Folder = option(
        "",
        "The folder for the domain's mail; empty for the default domain: Drop under the server's home.",
        label="Drop directory",
        tab=_LOCAL,
        metabase="DropDirectory",
    )
    drop_quota: Flag = option(
        False,
        "Whether the Drop folder may hold no more than ten times the message size limit.",
        label="Enable drop directory quota",
        tab=_LOCAL,
    )
    former: Annotated[tuple[str, ...], several(DOMAIN)] = option(
        (),
        "Names that the local domain had: what still waits for them is delivered as its mail; nothing new is taken.",
        caption="Former names of this domain",
    )
    relay: Flag = option(
        False,
        "Whether mail for this domain is taken from anybody who may connect.",
        label="Allow incoming mail to be relayed to this domain",
        tab=_REMOTE,
        metabase="RouteAction",
        applies=Applies.NEW_SESSIONS,
    )
    use_helo: Flag = option(
        False,
        "Whether the domain's servers are greeted with HELO instead of EHLO.",
        label="Send HELO instead of EHLO",
        tab=_REMOTE,
        metabase="RouteAction",
    )
    route: Annotated[tuple[SmartHost, ...], SMART_HOSTS] = option(
        (),
        "The smart host for this domain; empty: as its MX records say, or the server's smart host.",
        label="Forward all mail to smart host",
        tab=_REMOTE,
        metabase="RouteActionString",
    )
    hold: Flag = option(
        False,
        "Whether mail for the domain is kept until its server asks for it (ETRN, ATRN).",
        label="Queue messages for remote triggered delivery",
        tab=_ADVANCED,
        metabase="RouteAction",
    )
    atrn_accounts: Annotated[tuple[str, ...], several(TEXT)] = option(
        (),
        "The accounts that may ask for the domain's mail.",
        label="Accounts authorized to use ATRN",
        tab=_ADVANCED,
        metabase="AuthTurnList",
    )
    security: OutboundSecurity | None = option(
        None,
        "Outbound security for this domain, instead of the server's.",
        label="Outbound Security...",
        tab=_REMOTE,
    )
    dkim: Mapping[str, DkimKey] = section(dict, "The keys that sign mail from the domain, by their selectors.")
    retry_intervals: Annotated[tuple[timedelta, ...], several(duration())] = option(
        (), "The waits between attempts, as `delivery.retry_intervals`; empty: as there."
    )
    retry_attempts: Annotated[int | None, or_unset(count())] = option(
        None, "How often delivery is tried; 0: until the message expires; empty: as `delivery.retry_attempts`."
    )
    delay_notification: Annotated[timedelta | None, or_unset(duration())] = option(
        None, "When the sender is told that a message to the domain is delayed; empty: as in `delivery`."
    )
    expiration: Annotated[timedelta | None, or_unset(duration())] = option(
        None, "When a message to the domain is given up and its sender is told; empty: as in `delivery`."
    )
