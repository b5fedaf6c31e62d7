"""Who is connected to the administration, and who makes way for whom. Pure: what ends a connection comes in.

Each origin, an address or the network that one customer has of IPv6, has a share of the places. Where no place is left
for somebody new, the connection makes way that has waited longest without an answer being due: in a full share one of
the same origin, in a full house one of the origin that has most. A connection that is being answered never does.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from mailroot.policy.client import client_address
from mailroot.policy.guesses import origin


def where_from(address: str) -> str:
    """What counts as one client of the administration; a text that is no address stands for itself."""
    try:
        return origin(client_address(address))
    except ValueError:
        return address


@dataclass(eq=False, slots=True)
class Guest:
    """A connection. `end` closes it at once."""

    origin: str
    end: Callable[[], object]


@dataclass(slots=True)
class _Party:
    """The guests of one origin; those that wait, the longest first."""

    waiting: dict[Guest, None] = field(default_factory=dict)
    answered: set[Guest] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.waiting) + len(self.answered)


class Crowd:
    """All guests: `share` of one origin at most, and `most` in all."""

    def __init__(self, share: int, most: int) -> None:
        self._share = share
        self._most = most
        self._count = 0
        self._parties: dict[str, _Party] = {}

    def __len__(self) -> int:
        return self._count

    def enter(self, guest: Guest) -> bool:
        """Whether there is a place, perhaps because another one makes way, whom this ends."""
        party = self._parties.get(guest.origin, _Party())
        full = party if len(party) >= self._share else self._largest() if self._count >= self._most else None
        if full is not None and not self._made_way(full):
            return False
        self._parties.setdefault(guest.origin, party).waiting[guest] = None
        self._count += 1
        return True

    def answering(self, guest: Guest) -> None:
        """An answer is due to him: he stays until it is out."""
        party = self._parties.get(guest.origin)
        if party is not None and guest in party.waiting:
            del party.waiting[guest]
            party.answered.add(guest)

    def answered(self, guest: Guest) -> None:
        """His answer is out: he waits again, from now on."""
        party = self._parties.get(guest.origin)
        if party is not None and guest in party.answered:
            party.answered.remove(guest)
            party.waiting[guest] = None

    def leave(self, guest: Guest) -> None:
        """He is gone. Nothing happens where that is said twice."""
        party = self._parties.get(guest.origin)
        if party is None or (guest not in party.waiting and guest not in party.answered):
            return
        party.waiting.pop(guest, None)
        party.answered.discard(guest)
        self._count -= 1
        if not len(party):
            del self._parties[guest.origin]

    def _largest(self) -> _Party:
        """Of those that have somebody who may make way, the largest; the one that came first where several are."""
        able = [party for party in self._parties.values() if party.waiting]
        return max(able, key=len, default=_Party())

    def _made_way(self, party: _Party) -> bool:
        guest = next(iter(party.waiting), None)
        if guest is None:
            return False
        self.leave(guest)
        guest.end()
        return True
