"""A row of the table of counters."""

import enum
from dataclasses import dataclass


class Kind(enum.Enum):
    """How a number is to be read."""

    COUNT = "count"  # it only grows
    LEVEL = "level"  # how much there is at this moment
    SUM = "sum"  # of counts
    RATE = "rate"  # the growth of counts in a second
    RATIO = "ratio"  # one count by another, over the whole life of the service
    NONE = "none"  # the predecessor had it, and here is nothing to count: always 0


@dataclass(frozen=True, slots=True)
class CounterRow:
    """One counter.

    `name` is ours, `shown` the predecessor's, "" where it had none. `feed` is the event or the measure that it comes
    from. `of` are the counts from which a sum, a rate or a ratio is made. A `service` counter belongs to the service as
    a whole, not to a virtual server.
    """

    name: str
    shown: str
    kind: Kind
    unit: str
    feed: str
    sentence: str
    of: tuple[str, ...] = ()
    service: bool = False

    @property
    def metric(self) -> str:
        """Its name in the exposition; "" where a query makes it of others."""
        if self.kind is Kind.COUNT:
            return f"mailroot_{self.name}_total"
        return f"mailroot_{self.name}" if self.kind is Kind.LEVEL else ""
