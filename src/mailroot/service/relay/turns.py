"""Whose turn it is: deliveries to destinations with a pace go when it lets them, and wait in the queue until then.

What waits holds neither memory nor a lease. Mail that has waited goes before mail that is new.
"""

from dataclasses import dataclass

from mailroot.edge.sharedturns import SharedTurns
from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.status import Disposition, Status
from mailroot.routing.pace import PaceTable, after, may_go, slack
from mailroot.routing.route import RelayRoute
from mailroot.settings.pace import Pace

# Seconds: a longer wait is looked at again in between, for settings and counts may have changed by then.
LONGEST_WAIT = 900.0
_SHORTEST_WAIT = 0.01
# Destinations beyond these whose surplus is known are forgotten; their mail then comes earlier, and waits again.
_DESTINATIONS = 10_000


@dataclass(frozen=True, slots=True)
class _Paced:
    name: str
    pace: Pace


class Turns:
    """The turns of one virtual server's destinations, in one worker. No wait is longer than `longest` seconds."""

    def __init__(
        self, server: str, table: PaceTable, shared: SharedTurns, emit: Emit, longest: float = LONGEST_WAIT
    ) -> None:
        self._server = server
        self._longest = min(longest, LONGEST_WAIT)
        self._table = table
        self._shared = shared
        self._emit = emit
        self._known: dict[str, _Paced | None] = {}
        self._surplus: dict[str, float] = {}

    def wait(self, route: RelayRoute, waited: bool) -> float:
        """Seconds until a delivery may go. 0.0: now, and it is counted. `waited`: it was put off before."""
        paced = self._paced(route)
        if paced is None:
            return 0.0
        moment, interval = self._shared.moment(), self._interval(paced.pace)
        turn = self._turn(paced)
        queued = self._surplus.get(paced.name, 0.0)
        if may_go(turn, moment, interval) and (waited or queued <= moment):
            if self._take(paced, turn, moment, interval):
                return 0.0
            turn = self._turn(paced)
        if queued <= moment:
            self._tell(paced)
        # Behind all that waits already, as far as turns are given in advance.
        turn = max(turn, queued)
        self._surplus[paced.name] = min(turn + interval, moment + self._longest)
        return min(max(turn - slack(interval) / 2 - moment, _SHORTEST_WAIT), self._longest)

    def status(self, route: RelayRoute) -> Status:
        """Why a delivery waits that has waited for so long that its sender is to hear of it."""
        paced = self._paced(route)
        pace = "" if paced is None else f", {_words(paced.pace)}"
        return Status(Disposition.DELAYED, "4.4.5", f"The pace set here for {route.destination}{pace}, lets it wait.")

    def _paced(self, route: RelayRoute) -> _Paced | None:
        name = route.destination
        if name not in self._known:
            if len(self._known) >= _DESTINATIONS:
                self._known.clear()
            pace = self._table.find(route)
            limited = pace is not None and (pace.rate is not None or pace.daily)
            self._known[name] = _Paced(name, pace) if pace is not None and limited else None
        return self._known[name]

    def _turn(self, paced: _Paced) -> float:
        turn = self._shared.turn(self._turn_key(paced))
        if paced.pace.daily and self._shared.today(self._key(paced)) >= paced.pace.daily:
            # `may_go` lets messages come early: none of tomorrow's comes today.
            return self._shared.moment() + self._shared.until_tomorrow() + self._interval(paced.pace)
        return turn

    def _take(self, paced: _Paced, turn: float, moment: float, interval: float) -> bool:
        """Take a turn. False where another worker had the day's last one in the same instant: a cap is never passed."""
        if paced.pace.daily:
            self._shared.count(self._key(paced))
            if self._shared.today(self._key(paced)) > paced.pace.daily:
                self._shared.count(self._key(paced), -1)
                return False
        if paced.pace.rate is not None:
            self._shared.set_turn(self._turn_key(paced), after(turn, moment, interval))
        return True

    def _tell(self, paced: _Paced) -> None:
        self._forget_old()
        self._emit(EVENTS.pace_reached, server=self._server, destination=paced.name, pace=_words(paced.pace))

    def _forget_old(self) -> None:
        if len(self._surplus) >= _DESTINATIONS:
            moment = self._shared.moment()
            self._surplus = {name: turn for name, turn in self._surplus.items() if turn > moment}

    def _key(self, paced: _Paced) -> str:
        return f"{self._server} {paced.name}"

    def _turn_key(self, paced: _Paced) -> str:
        # Turns are never brought forward, so a new rate has its own: the old one's may be an hour ahead.
        return f"{self._key(paced)} {paced.pace.rate}"

    def _interval(self, pace: Pace) -> float:
        return pace.rate.interval if pace.rate is not None else 0.0


def _words(pace: Pace) -> str:
    parts = [str(pace.rate)] if pace.rate is not None else []
    return ", ".join([*parts, f"{pace.daily} a day"] if pace.daily else parts)
