"""In which turn several smart hosts are asked: by their order, and among equals by chance, as their weights say."""

import math
from collections.abc import Callable, Sequence

from mailroot.settings.places import SmartHost


def in_turn(hosts: Sequence[SmartHost], random: Callable[[], float]) -> Sequence[SmartHost]:
    """The smart hosts, the one to ask first in front; `random` gives numbers from 0 up to 1.

    Where no host names an order or a weight, the list is the order. Otherwise a host without them has order 1 and
    weight 1: of those of equal order, each comes first as often as its share in their weights, and the others follow.
    """
    if not any(host.order or host.weight for host in hosts):
        return hosts
    # Of exponentially distributed waits, the shortest is each one's as often as its rate says.
    return sorted(hosts, key=lambda host: (host.order or 1, -math.log(1.0 - random()) / (host.weight or 1)))
