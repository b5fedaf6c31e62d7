"""What a trace is searched by: the fields of events that name a message, a session, an address or a next hop."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Any

from mailroot.mail.events import EVENT_ROWS, EventRow

# The names of fields; `to` and `user` come with some events only.
NAMING = (
    "entry",
    "message_id",
    "about",
    "session",
    "sender",
    "to",
    "recipient",
    "remote",
    "destination",
    "address",
    "user",
)
_SEVERAL = "to"
_HOP = "destination"
_BARE = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}:\d+", re.ASCII)
_PORT = re.compile(r":\d+$", re.ASCII)


def naming(row: EventRow) -> tuple[str, ...]:
    """The fields of a row that can be searched by; none where its events belong to no message and no session."""
    fields = set(row.fields)
    if not fields & {"entry", "session"}:
        return ()
    return tuple(name for name in NAMING if name in fields)


def _reader(row: EventRow) -> Callable[[Mapping[str, Any]], Iterable[str]]:
    """What takes the names out of an event of this row; made once, as it is called for each event."""
    names = naming(row)
    single = [name for name in names if name not in (_SEVERAL, _HOP)]
    one_by_one = itemgetter(*single) if len(single) > 1 else lambda fields: (fields[single[0]],)
    if _HOP in names:
        return lambda fields: (*one_by_one(fields), *hops(fields[_HOP]))
    if _SEVERAL not in names:
        return one_by_one
    return lambda fields: (*one_by_one(fields), *fields[_SEVERAL])


@lru_cache(maxsize=4096)
def hops(destination: str) -> tuple[str, ...]:
    """What a destination is called: as a whole, each smart host of it, each without its port, then without brackets."""
    names = [destination]
    for host in destination.split(","):
        place = _PORT.sub("", host)
        names += [host, place, place.strip("[]")]
    return tuple(dict.fromkeys(names))


READERS: Mapping[str, Callable[[Mapping[str, Any]], Iterable[str]]] = {
    row.name: _reader(row) for row in EVENT_ROWS if naming(row)
}


def normal(text: str) -> str:
    """A name in the form in which names are compared: without `< >` around it, in lower case."""
    return text.removeprefix("<").removesuffix(">").lower()


def as_recorded(text: str) -> str:
    """A name as events have it, by what somebody types: an IPv4 address with a port stands in brackets there."""
    host, colon, port = text.rpartition(":")
    return f"[{host}]:{port}" if colon and _BARE.fullmatch(text) else text


def named(event: Mapping[str, object]) -> Iterator[str]:
    """Every name in an event that was read back, as it is compared."""
    for name in NAMING:
        value = event.get(name)
        if isinstance(value, str):
            yield from map(normal, hops(value) if name == _HOP else (value,))
        elif isinstance(value, list):
            yield from (normal(item) for item in value if isinstance(item, str))
