"""Deliveries, and what carries them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mailroot.mail.status import Status
from mailroot.queue.entry import AWAITED, Pending, QueueEntry
from mailroot.routing.plan import Plan
from mailroot.routing.route import HoldRoute, Route
from mailroot.settings.places import SmartHost, parse_smart_host


@dataclass(frozen=True, slots=True)
class Delivery:
    """One entry's recipients that share a route: one SMTP transaction, or one Drop file."""

    entry: QueueEntry
    pending: tuple[Pending, ...]
    route: Route
    carrier: "Carrier | None" = None
    """Who carries what is held, on a line that its server opened; None: who carries such routes."""


class Carrier(Protocol):
    """Takes deliveries one hop further."""

    async def carry(self, delivery: Delivery) -> Mapping[int, Status]:
        """The outcome for each recipient, by `Pending.number`; every one of them is in it.

        "Delivered" and "relayed" mean durable at the other side. Failures of the other side are statuses; nothing is
        raised but programming mistakes and cancellation.
        """


def deliveries_of(entry: QueueEntry, plan: Plan) -> list[Delivery]:
    """Route: the entry's recipients by their way."""
    pending = entry.pending
    if len(pending) == 1:
        one = pending[0]
        route = plan.route(one.recipient.address.domain) if not (one.via or one.held) else _own_way(one, plan)
        return [Delivery(entry, pending, route)]
    usual, own = pending, []
    if any(one.via or one.held for one in pending):
        usual = tuple([one for one in pending if not (one.via or one.held)])
        own = [one for one in pending if one.via or one.held]
    routes = plan.group([one.recipient.address for one in usual])
    deliveries = [Delivery(entry, tuple([usual[place] for place in places]), route) for route, places in routes]
    return deliveries + _by_own_way(entry, own, plan)


def _by_own_way(entry: QueueEntry, pending: Sequence[Pending], plan: Plan) -> list[Delivery]:
    grouped: dict[Route, list[Pending]] = {}
    for one in pending:
        grouped.setdefault(_own_way(one, plan), []).append(one)
    return [Delivery(entry, tuple(together), route) for route, together in grouped.items()]


def _own_way(pending: Pending, plan: Plan) -> Route:
    """The way of one whom an operator gave another route, or whose domain's server has asked for its mail."""
    domain = pending.recipient.address.domain
    if pending.via and not plan.trapped:
        return plan.through(hosts_of_via(pending.via), domain)
    route = plan.route(domain)
    return route.relay if pending.held == AWAITED and isinstance(route, HoldRoute) else route


def hosts_of_via(text: str) -> tuple[SmartHost, ...]:
    """The smart hosts of a route that an operator chose, parted by commas; raises `ValueError`."""
    return tuple(parse_smart_host(part.strip()) for part in text.split(","))
