"""Several smart hosts: load shared by weight, the next in order where one fails, literals without DNS."""

import dataclasses

from mailroot.settings.domains import SmartHost
from tests.peers.smtp import Peer
from tests.service.carrying import KnownNames, carrier, delivery, smart


class NoNames(KnownNames):
    """A resolver that must not be asked."""

    async def exchangers(self, domain):
        raise AssertionError(f"the exchangers of {domain} were asked for")

    async def addresses(self, name):
        raise AssertionError(f"the addresses of {name} were asked for")


def route(*hosts):
    """To peers, each with its order and weight."""
    smart_hosts = tuple(SmartHost(peer.address, peer.port, True, order, weight) for peer, order, weight in hosts)
    return dataclasses.replace(smart(), smart_hosts=smart_hosts)


async def test_connections_are_shared_by_weight_and_the_spare_one_is_left_alone():
    async with Peer() as strong, Peer() as weak, Peer() as spare, carrier(NoNames(), per_connection=1) as way:
        to = route((strong, 0, 9), (weak, 0, 0), (spare, 2, 0))
        for _ in range(300):
            assert (await way.carry(delivery(to)))[0].disposition.value == "relayed"
        assert len(strong.messages) + len(weak.messages) == 300 and not spare.connections
        # Nine to one, by chance: none or a hundred of 300 come to the weak one less than once in 10^13 runs.
        assert 1 <= len(weak.messages) < 100


async def test_where_all_of_one_order_fail_the_next_order_has_its_turn():
    down = {"GREETING": "421 4.3.2 closed"}
    async with Peer(down) as one, Peer(down) as other, Peer() as spare, carrier(NoNames()) as way:
        to = route((spare, 2, 0), (one, 1, 3), (other, 1, 1))
        assert (await way.carry(delivery(to)))[0].disposition.value == "relayed"
        assert one.connections and other.connections and len(spare.messages) == 1
