"""Options of the pace at which one destination gets mail. The predecessor had none of them."""

import re
from dataclasses import dataclass
from typing import Annotated

from mailroot.settings.option import option, strict
from mailroot.settings.spelling import Count, Spelling

_RATE = re.compile(r"(\d{1,7})/([smh])", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3600}
_WANTED = 'a number of messages by second, minute or hour, such as "60/m" or "1000/h", is wanted'


@dataclass(frozen=True, slots=True)
class Rate:
    """So many messages in so many seconds. `str` is as the settings file has it."""

    messages: int
    seconds: int

    @property
    def interval(self) -> float:
        """Seconds between two messages."""
        return self.seconds / self.messages

    def __str__(self) -> str:
        return f"{self.messages}/{next(unit for unit, seconds in _UNITS.items() if seconds == self.seconds)}"


def parse_rate(value: object) -> Rate | None:
    """A rate from "60/m"; None from "", which is no limit; raises `ValueError`."""
    if value == "":
        return None
    found = _RATE.fullmatch(value) if isinstance(value, str) else None
    if found is None or not int(found[1]):
        raise ValueError(_WANTED)
    return Rate(int(found[1]), _UNITS[found[2]])


RATE = Spelling("rate", parse_rate, lambda value: "" if value is None else str(value), '"60/m"')


@strict
@dataclass(frozen=True, slots=True)
class Pace:
    """How much a destination gets: a domain, or the smart host that mail for it goes to."""

    rate: Annotated[Rate | None, RATE] = option(
        None, "How many messages go there in a second, minute or hour, evenly spread; empty: no limit."
    )
    daily: Count = option(0, "How many messages go there in a day, which begins at midnight UTC; 0: no limit.")
    connections: Count = option(
        0, "How many connections there may be to it; 0: as delivery.connection_limit_per_domain says."
    )
