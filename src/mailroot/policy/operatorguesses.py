"""How often somebody was wrong: who guesses is made to wait, by address and by name. The clock comes in."""

from collections import OrderedDict
from collections.abc import Callable

WINDOW = 900.0
"""Seconds for which a wrong guess counts."""
_MOST_KEPT = 10_000


class Guesses:
    """Wrong guesses of late, by whatever is counted. `now` gives seconds that never go back."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()

    def wait(self, limits: dict[str, int]) -> float:
        """For how many seconds nobody may guess who comes from all of these, each with how often he may be wrong."""
        return max((self._wait(key, most) for key, most in limits.items()), default=0.0)

    def wrong(self, *keys: str) -> None:
        """A guess was wrong. Who was wrong longest ago is forgotten first."""
        for key in keys:
            self._wrong.setdefault(key, []).append(self._now())
            self._wrong.move_to_end(key)
        while len(self._wrong) > _MOST_KEPT:
            self._wrong.popitem(last=False)

    def right(self, *keys: str) -> None:
        """A guess was right: what was wrong before is forgiven."""
        for key in keys:
            self._wrong.pop(key, None)

    def _wait(self, key: str, most: int) -> float:
        recent = [moment for moment in self._wrong.get(key, ()) if moment > self._now() - WINDOW]
        if not recent:
            self._wrong.pop(key, None)
            return 0.0
        self._wrong[key] = recent[-most:]
        return recent[-most] + WINDOW - self._now() if len(recent) >= most else 0.0
