"""Where recipients go, by the names that operators read: a domain, smart hosts, the default domain of a Drop folder."""

from collections.abc import Callable
from dataclasses import replace

from mailroot.queue.selection import Selection
from mailroot.routing.plan import Plan
from mailroot.routing.route import DropRoute, RelayRoute, Route

_KNOWN = 10_000


class Destinations:
    """The destinations of one virtual server. `plan` gives the plan that counts now."""

    def __init__(self, plan: Callable[[], Plan]) -> None:
        self._plan = plan
        self._known: dict[str, tuple[str, bool]] = {}

    def of(self, domain: str, via: str) -> tuple[str, bool]:
        """The destination of a domain's recipients, and whether that is a Drop folder of ours.

        `via` are smart hosts that an operator chose for them.
        """
        if via and not self._plan().trapped:
            return via, False
        place = self._known.get(domain)
        if place is None:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            place = self._known[domain] = self._find(domain)
        return place

    def name(self, domain: str, via: str) -> str:
        """The destination alone."""
        return self.of(domain, via)[0]

    def _find(self, domain: str) -> tuple[str, bool]:
        route = self._plan().route(domain)
        return led_to(route, domain), isinstance(route, DropRoute)


def led_to(route: Route, domain: str) -> str:
    """Where a route leads the recipients of a domain; they wait, or fail, under its own name where it leads nowhere."""
    if isinstance(route, RelayRoute):
        return route.destination
    return route.domain if isinstance(route, DropRoute) else domain


def placed(selected: Selection, plan: Plan) -> Selection:
    """The selection as rows can be compared with it: with where they go by this plan, if it asks for a destination."""
    if not selected.destination:
        return selected
    return replace(selected, placed=Destinations(lambda: plan).name)
