"""How guessing of passwords is slowed and capped: by the client's address, and by the name that is tried.

Levels are numbers of failed sign-ins of the last hour; who counts them is no matter here. Nothing depends on whether an
account exists: names that nobody has are counted as any other.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network

from mailroot.mail.reply import REPLIES
from mailroot.policy.client import Address
from mailroot.policy.verdict import Refuse

# Seconds over which failures count; a success of a client is remembered for longer.
WINDOW = 3600
REMEMBERED = 86_400
# Seconds before a failure is answered: the first, the second ... of the last hour; the last one for all further.
DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0)
# How many times as many failures as others a client may have for an account that it has signed in to.
_PATIENCE_WITH_KNOWN = 10
# A customer of an IPv6 provider has 2 ** 64 addresses at the least (RFC 6177).
_IPV6_PREFIX = 64


@dataclass(frozen=True, slots=True)
class GuessLimits:
    """How many failures an hour may have, of one address and for one account; 0: no limit."""

    per_address: int
    per_account: int


@dataclass(frozen=True, slots=True)
class Levels:
    """What is counted of a client and the name it tries.

    `known`: this client has signed in to this account before, so it has little to guess; that keeps a stranger from
    locking out those who have the account, and a broken program those on the same machine. But others may share its
    address: `pair` are its own failures for this account.
    """

    address: float
    account: float = 0
    known: bool = False
    pair: float = 0


def origin(address: Address) -> str:
    """What counts as one client: an IPv4 address, or the network that one customer has of IPv6."""
    if isinstance(address, IPv4Address):
        return str(address)
    assert isinstance(address, IPv6Address)
    return str(ip_network((address, _IPV6_PREFIX), strict=False))


def may_try(levels: Levels, limits: GuessLimits) -> Refuse | None:
    """Why a client may not try now: refused before its password is looked at. None: it may."""
    if levels.known:
        most = _PATIENCE_WITH_KNOWN * limits.per_account
        if not most or levels.pair < most:
            return None
        cause = f"{most} failed sign-ins of this address for this account within an hour"
    elif limits.per_address and levels.address >= limits.per_address:
        cause = f"{limits.per_address} failed sign-ins of this address within an hour"
    elif limits.per_account and levels.account >= limits.per_account:
        cause = f"{limits.per_account} failed sign-ins for this account within an hour"
    else:
        return None
    return Refuse(REPLIES.sign_in_unavailable(), cause)


def delay(levels: Levels) -> float:
    """Seconds to wait before a failure is answered; it is counted in the levels already."""
    failures = int(max(levels.address, levels.account, 1))
    return DELAYS[min(failures, len(DELAYS)) - 1]
