"""Cases from the trace: messages that were taken or refused, as facts to be weighed again."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from mailroot.service.explain.case import Case

Event = Mapping[str, Any]


class Recorded(NamedTuple):
    """A case, and the virtual server that it came to."""

    server: str
    case: Case


def recorded(event: Event) -> Recorded | None:
    """The case behind an event; None where it is about no message that a client sent, or names nobody.

    What the client declared is not in the trace: the size is that of the message as it was stored.
    """
    if event.get("event") == "accepted":
        recipients, size = _texts(event.get("to")), event.get("size")
    elif event.get("event") == "refused" and event.get("recipient"):
        recipients, size = (str(event["recipient"]),), None
    else:
        return None
    if not recipients:
        return None
    case = Case(
        sender=_path(event.get("sender")),
        recipients=recipients,
        client=str(event.get("address") or ""),
        user=str(event.get("user") or ""),
        tls=bool(event.get("tls")),
        size=size if isinstance(size, int) and event.get("address") else None,
    )
    return None if case.problem() else Recorded(str(event.get("server")), case)


def recorded_in(events: Iterable[Event], most: int) -> Iterator[Recorded]:
    """The cases behind events, so many at most."""
    for event in events:
        one = recorded(event)
        if one is not None:
            yield one
            most -= 1
            if most <= 0:
                return


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(one) for one in value) if isinstance(value, list) else ()


def _path(value: object) -> str:
    text = str(value or "")
    return "" if text == "<>" else text
