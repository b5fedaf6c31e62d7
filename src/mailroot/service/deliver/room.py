"""The room for messages that are worked on from memory, and each destination's share in it.

A destination may hold a quarter of what is free, and little until it has taken something: so none that is slow or dead
can fill the room, nor can many of them, and one without any mail under way finds a place. What goes beyond a share
returns to the queue and comes again when the destination, at its present speed, will have worked off what lies before.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mailroot.mail.message import Content

MOST_ENTRIES = 4_000
MOST_OCTETS = 64 * 1024 * 1024
# The share of what is free, and the most deliveries for a destination that has not taken any yet.
_PART = 4
_UNPROVEN = 64
# The speed of a destination, in deliveries a second: until it is known, and the least that is reckoned with for all of
# them together, so that one that recovers soon has its mail, and looking for such ones stays cheap.
_FIRST_SPEED = 1_000.0
_LEAST_SPEED = 200.0
# Seconds: a speed is known after the first, and the past counts half after the second.
_KNOWN_AFTER = 0.5
_MEMORY = 10.0
# Mail comes again rather too early than too late: early, it is put off once more; late, the destination would be idle.
_HASTE = 1.25
_LONGEST_WAIT = 900.0


@dataclass(slots=True)
class _Share:
    """What a destination holds. `served` deliveries have ended since `since`; `slot` is when the next surplus comes."""

    since: float
    entries: int = 0
    octets: int = 0
    served: float = 0.0
    slot: float = 0.0

    def speed(self, moment: float) -> float:
        """Deliveries a second, lately."""
        elapsed = moment - self.since
        if elapsed < _KNOWN_AFTER:
            return _FIRST_SPEED
        if elapsed > 2 * _MEMORY:
            self.served *= _MEMORY / elapsed
            self.since = moment - _MEMORY
            elapsed = _MEMORY
        return self.served / elapsed


class Room:
    """The room of one dispatcher. `clock` gives seconds that never go back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._octets = 0
        self._shares: dict[str, _Share] = {}
        self.entries = 0

    def fits(self, content: Content) -> bool:
        """Whether one more message has room."""
        return self.entries < MOST_ENTRIES and self._octets + held(content) <= MOST_OCTETS

    @property
    def left(self) -> int:
        """How many more entries have room; 0 also where only octets are used up."""
        return MOST_ENTRIES - self.entries if self._octets < MOST_OCTETS else 0

    def enter(self, content: Content) -> None:
        """A message is worked on."""
        self.entries += 1
        self._octets += held(content)

    def leave(self, content: Content) -> None:
        """Its work has ended."""
        self.entries -= 1
        self._octets -= held(content)

    def take(self, destination: str, content: Content) -> bool:
        """Whether a destination may hold one more delivery; if so, it does until `give`."""
        if not self.shares(destination):
            return False
        share = self._shares.get(destination)
        if share is None:
            share = self._shares[destination] = _Share(self._clock())
        share.entries += 1
        share.octets += held(content)
        return True

    def shares(self, destination: str) -> bool:
        """Whether a destination might hold one more delivery."""
        share = self._shares.get(destination)
        if share is None:
            return True
        return share.entries < self._most(share) and share.octets <= (MOST_OCTETS - self._octets) // _PART

    def _most(self, share: _Share) -> int:
        most = self.left // _PART
        return most if share.served else min(most, _UNPROVEN)

    def give(self, destination: str, content: Content) -> None:
        """A delivery has ended."""
        share = self._shares[destination]
        share.entries -= 1
        share.octets -= held(content)
        share.served += 1
        if not share.entries:
            del self._shares[destination]

    def surplus_wait(self, destination: str) -> float:
        """Seconds after which a delivery that a destination had no share for may come again."""
        share, moment = self._shares[destination], self._clock()
        speed = max(share.speed(moment) * _HASTE, _LEAST_SPEED / len(self._shares))
        share.slot = min(max(share.slot, moment + share.entries / speed) + 1 / speed, moment + _LONGEST_WAIT)
        return share.slot - moment


def held(content: Content) -> int:
    """The octets of memory that a message takes."""
    return content.size if content.in_memory else 0
