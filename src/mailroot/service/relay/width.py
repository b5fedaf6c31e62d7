"""How many connections a destination bears: fewer once it says that it is busy, more again while all goes well.

Not responsible for the limits of the settings (`service.relay.connections`).
"""

# Where the settings set no limit, so many connections are as good as none.
_UNLIMITED = 1000
# Rounds of transactions that must go well before one connection more is tried than had been too many.
_PROBE = 10


class Width:
    """A destination's width, of at most `most` connections; 0 is no limit. Moments are seconds that never go back.

    It halves with the first sign of trouble, then grows by one with each round of transactions that went well; more
    slowly once it is where the trouble began. So it stays near what the destination bears, and tries more seldom
    enough to be no burden. Without trouble it is no limit, and costs nothing.
    """

    def __init__(self, most: int) -> None:
        self._most = most or _UNLIMITED
        self._width: float | None = None
        self._borne = 0
        self._halved_at = 0.0

    def bears(self, lines: int) -> bool:
        """Whether there may be so many connections."""
        return self._width is None or lines <= self._width

    @property
    def narrow(self) -> bool:
        """Whether the destination has been in trouble and has not recovered."""
        return self._width is not None

    def troubled(self, lines: int, begun: float, moment: float) -> None:
        """The destination was busy, while `lines` were open, for what was begun at `begun`.

        What was begun before the last halving tells nothing new: many transactions that fail together halve once.
        """
        if begun < self._halved_at:
            return
        self._borne = max(1, lines - 1)
        self._width = max(1.0, lines // 2)
        self._halved_at = moment

    def served(self) -> None:
        """A transaction went well."""
        if self._width is None:
            return
        self._width += 1.0 / self._width / (1 if self._width < self._borne else _PROBE)
        if self._width >= self._borne + 1:
            self._borne *= 2  # the trouble is over: as fast as before, up to twice as many
        if self._width >= self._most:
            self._width = None
