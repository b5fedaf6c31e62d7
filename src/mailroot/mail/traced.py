"""What a trace is searched by: the fields of events that name a message, a session, an address or a next hop."""

from collections.abc import Callable, Iterable, Iterator, Mapping
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


def naming(row: EventRow) -> tuple[str, ...]:
    """The fields of a row that can be searched by; none where its events belong to no message and no session."""
    fields = set(row.fields)
    if not fields & {"entry", "session"}:
        return ()
    return tuple(name for name in NAMING if name in fields)


def _reader(row: EventRow) -> Callable[[Mapping[str, Any]], Iterable[str]]:
    """What takes the names out of an event of this row; made once, as it is called for each event."""
    names = naming(row)
    single = [name for name in names if name != _SEVERAL]
    one_by_one = itemgetter(*single) if len(single) > 1 else lambda fields: (fields[single[0]],)
    if _SEVERAL not in names:
        return one_by_one
    return lambda fields: (*one_by_one(fields), *fields[_SEVERAL])


READERS: Mapping[str, Callable[[Mapping[str, Any]], Iterable[str]]] = {
    row.name: _reader(row) for row in EVENT_ROWS if naming(row)
}


def normal(text: str) -> str:
    """A name in the form in which names are compared: without `< >` around it, in lower case."""
    return text.removeprefix("<").removesuffix(">").lower()


def named(event: Mapping[str, object]) -> Iterator[str]:
    """Every name in an event that was read back, as it is compared."""
    for name in NAMING:
        value = event.get(name)
        if isinstance(value, str):
            yield normal(value)
        elif isinstance(value, list):
            yield from (normal(item) for item in value if isinstance(item, str))
