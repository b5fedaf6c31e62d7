"""Options of collecting: other servers that hold our mail, and when they are asked for it (`mailroot collect`)."""

import enum
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from mailroot.settings.delivery import OutboundSecurity
from mailroot.settings.option import option, section, strict
from mailroot.settings.places import DOMAIN, SMART_HOST, SmartHost
from mailroot.settings.spelling import choice, duration, or_unset, several


class CollectMethod(enum.Enum):
    """How mail is asked for: to be sent to us as any mail is, or on the connection on which we ask."""

    ETRN = "etrn"
    ATRN = "atrn"


@strict
@dataclass(frozen=True, slots=True)
class Collection:
    """One server that holds our mail. `host` is None only where it was not written, which is refused."""

    host: Annotated[SmartHost | None, or_unset(SMART_HOST)] = option(
        None, "The server that holds our mail; its port is 366 for ATRN (RFC 2645) and 25 for ETRN, unless it is named."
    )
    method: Annotated[CollectMethod, choice(CollectMethod)] = option(
        CollectMethod.ETRN,
        "How it is asked: `etrn` has it send the mail as any server does; `atrn` takes it on our own connection, "
        "for which we sign in.",
    )
    domains: Annotated[tuple[str, ...], several(DOMAIN)] = option(
        (), "The domains that are asked for; empty: with ATRN all that it has for us, with ETRN our local domains."
    )
    interval: Annotated[timedelta | None, or_unset(duration())] = option(
        timedelta(minutes=15), "How often it is asked; empty: only by `mailroot collect`."
    )
    security: OutboundSecurity = section(OutboundSecurity, "How we sign in there, and the TLS that we ask for.")


# RFC 2645 section 4: on-demand mail relay; RFC 1985 knows no port of its own.
_PORTS = {CollectMethod.ATRN: 366, CollectMethod.ETRN: 25}


def port_of(collection: Collection) -> int:
    """The port on which the server is asked."""
    named = collection.host.port if collection.host is not None else None
    return named or _PORTS[collection.method]
