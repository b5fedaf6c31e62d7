"""Which pace a destination has, and when its next message may go. Clocks come in as arguments."""

from collections.abc import Mapping

from mailroot.mail.address import domain_key
from mailroot.routing.route import RelayRoute
from mailroot.settings.pace import Pace

EVERYTHING = "*"
_MOST_SLACK = 1.0


class PaceTable:
    """The paces of one revision of a virtual server's settings, by the names of destinations.

    An exact name goes before the longest `*.` suffix, and that before `*`, which holds for every destination; each
    destination is counted by itself.
    """

    def __init__(self, paces: Mapping[str, Pace]) -> None:
        self._exact = {domain_key(name): pace for name, pace in paces.items()}

    def __bool__(self) -> bool:
        return bool(self._exact)

    def find(self, route: RelayRoute) -> Pace | None:
        """The pace of a route's destination; None where none is set. Of several smart hosts, the first that has one."""
        return next((pace for name in paced_names(route) if (pace := self._named(name)) is not None), None)

    def _named(self, name: str) -> Pace | None:
        key = domain_key(name)
        found = self._exact.get(key)
        rest = "" if key.startswith("[") else key.partition(".")[2]
        while found is None and rest:
            found = self._exact.get(f"*.{rest}")
            rest = rest.partition(".")[2]
        return found if found is not None else self._exact.get(EVERYTHING)


def paced_names(route: RelayRoute) -> tuple[str, ...]:
    """The names by which the settings know a route's destination: of its smart hosts, or the recipients' domain."""
    if route.smart_hosts and not route.direct_first:
        return tuple(f"[{host.host}]" if host.literal else host.host for host in route.smart_hosts)
    return (route.domain,)


def after(last: float, moment: float, interval: float) -> float:
    """The turn that follows when a message goes at `moment`: `interval` after the last turn, or after now if idle."""
    return max(last, moment) + interval


def may_go(turn: float, moment: float, interval: float) -> bool:
    """Whether a message may go now. A little early will do, so that no delay on the way costs a turn."""
    return moment >= turn - slack(interval)


def slack(interval: float) -> float:
    """How early a message may be, in seconds: half a turn at most."""
    return min(interval / 2, _MOST_SLACK)
