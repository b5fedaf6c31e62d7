"""What an event says in the story of a message: a sentence for each kind, its fields for all others."""

from collections.abc import Callable
from typing import Any

from mailroot.service.trace.story import Event

_PLAIN = {"time", "event", "severity", "pid", "worker", "server", "entry", "message_id", "session"}


def words(event: Event) -> str:
    """The event in a line."""
    said = _WORDS.get(str(event.get("event")))
    if said is None:
        rest = " ".join(f"{name}={value}" for name, value in event.items() if name not in _PLAIN)
        return f"{str(event.get('event')).replace('_', ' ')} {rest}".rstrip()
    return said(event)


def _accepted(event: Event) -> str:
    client = _client(event)
    came = f"from {client} in session {event['session']}" if event.get("session") else "from the Pickup folder"
    why = f"; {event['cause']}" if event.get("cause") else ""
    size = f"{event.get('size', 0):,}" if isinstance(event.get("size"), int) else event.get("size")
    return f"accepted {came}: <{event.get('sender', '')}> to {_people(event)}, {size} octets, durably in the queue{why}"


def _client(event: Event) -> str:
    user = f" as {event['user']}" if event.get("user") else ""
    tls = f" by {event['tls']}" if event.get("tls") else ""
    return f"{event.get('address', '')}{user}{tls}"


def _people(event: Event) -> str:
    named = event.get("to") or []
    beyond = event.get("recipients", 0) - len(named) if isinstance(event.get("recipients"), int) else 0
    text = ", ".join(f"<{one}>" for one in named)
    if not text:
        return f"{event.get('recipients', 0)} recipients"
    return f"{text} and {beyond} more" if beyond > 0 else text


def _attempt(event: Event) -> str:
    tls = f" by {event['tls']}" if event.get("tls") else " in clear"
    return f"tried: {event.get('remote')} for {event.get('destination')}{tls}, {event.get('recipients')} recipient(s)"


def _delivered(event: Event) -> str:
    if not event.get("remote"):
        return f"delivered to <{event.get('recipient')}>"
    return f"handed over for <{event.get('recipient')}> to {event['remote']}: {event.get('reply')}"


def _deferred(event: Event) -> str:
    said = event.get("reason") or event.get("status")
    return f"deferred for <{event.get('recipient')}>: {said} Next attempt at {event.get('due')}"


def _failed(event: Event) -> str:
    return f"given up for <{event.get('recipient')}>, {event.get('status')}: {event.get('reason')}"


def _reported(event: Event) -> str:
    kind = str(event.get("kind", "")).lower()
    return f"report of {kind} about <{event.get('recipient')}> made: {event.get('message_id')} on {event.get('about')}"


def _refused(event: Event) -> str:
    whom = f" to <{event['recipient']}>" if event.get("recipient") else ""
    sender = str(event.get("sender", "")).strip("<>")
    return f"refused <{sender}>{whom} from {event.get('address')}: {event.get('reply')} ({event.get('cause')})"


def _disconnected(event: Event) -> str:
    hello = f", which called itself {event['hello']}," if event.get("hello") else ""
    return (
        f"session {event.get('session')} of {event.get('address')}{hello} ended: {event.get('reason')}; "
        f"{event.get('messages')} message(s) in it"
    )


def _signed_in(event: Event) -> str:
    return f"{event.get('address')} signed in as {event.get('user')} by {event.get('mechanism')}"


def _resolved(event: Event) -> str:
    outcome = event.get("outcome")
    into = f" into {event.get('recipients')} recipient(s)" if outcome == "expanded" else ""
    return f"asked the directory for <{event.get('recipient')}>: {outcome}{into}; {event.get('cause')}"


_WORDS: dict[str, Callable[[Any], str]] = {
    "accepted": _accepted,
    "attempt": _attempt,
    "delivered": _delivered,
    "deferred": _deferred,
    "failed": _failed,
    "reported": _reported,
    "refused": _refused,
    "resolved": _resolved,
    "disconnected": _disconnected,
    "signed_in": _signed_in,
}
