"""A line to a host for another end than carrying mail: its owner ends it. No limit of destinations counts for it."""

from mailroot.mail.events import EVENTS
from mailroot.mail.status import Status
from mailroot.routing.exchangers import Host
from mailroot.routing.route import RelayRoute
from mailroot.service.relay.approach import Tools, approach_of, call
from mailroot.service.relay.callout import Line
from mailroot.service.relay.destination import Means


async def reach(means: Means, route: RelayRoute) -> Line | Status:
    """A line to the first host of a route that answers and meets its demands; else what the last one said."""

    def fell_back(host: Host, cause: str) -> None:
        means.emit(
            EVENTS.tls_fallback,
            server=means.server,
            destination=route.destination,
            remote=host.name,
            address=host.address,
            cause=cause,
        )

    answer: Line | Status | None = None
    hosts = await means.guide.hosts(route)
    if isinstance(hosts, Status):
        return hosts
    for host in hosts:
        tools = Tools(means.tls, means.wallet, fell_back, means.log)
        answer = await call(approach_of(host, route, means.settings), tools)
        if isinstance(answer, Line):
            break
    assert answer is not None
    return answer
