"""The look-ups of one examination: each question is asked once, however many virtual servers need the answer."""

from mailroot.edge.dns import DnsResolver
from mailroot.settings.virtualserver import VirtualServer

# Seconds for one question. Mail waits longer; whoever sits before a terminal hears that resolvers are slow.
_LIFETIME = 8.0


class Lookups:
    """Resolvers by the servers that they ask. Belongs to one event loop."""

    def __init__(self) -> None:
        self._resolvers: dict[tuple[tuple[str, int], ...], DnsResolver] = {}

    def of(self, server: VirtualServer) -> DnsResolver:
        """A resolver that asks the servers that the virtual server's mail asks."""
        servers = tuple((one.address, one.port) for one in server.delivery.dns)
        if servers not in self._resolvers:
            # Its clock stands still, so an answer holds until the end, and so does that there was none.
            self._resolvers[servers] = DnsResolver(servers, lambda: 0.0, _LIFETIME)
        return self._resolvers[servers]

    async def close(self) -> None:
        """End what is still being asked."""
        for resolver in self._resolvers.values():
            await resolver.close()
