"""What `mailroot top` shows, made of two answers of the operation `overview`: values in, lines out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mailroot.cli.screen import cell

Facts = Mapping[str, Any]

# Counts that are shown as growth in a second, by the words that people read.
RATES: Mapping[str, str] = {
    "in/s": "messages_received",
    "drop/s": "messages_delivered",
    "sent/s": "messages_sent",
    "later/s": "recipients_deferred",
    "failed/s": "recipients_failed",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading, how wide it is at least, what it shows of a row."""

    name: str
    width: int
    text: Callable[[Facts], str]
    right: bool = True


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table that is to be drawn: its title, its columns, and the text of each row."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


def with_rates(now: Facts, before: Facts | None) -> dict[str, Any]:
    """The answer with what grew since the one before, in a second; None where there was none."""
    passed = now["seconds"] - before["seconds"] if before else 0.0
    known = {row["server"]: row for row in before["servers"]} if before else {}
    servers = [{**row, "rates": _rates(row, known.get(row["server"]), passed)} for row in now["servers"]]
    return {**now, "servers": servers}


def _rates(row: Facts, before: Facts | None, passed: float) -> dict[str, float | None]:
    names = {**RATES, "octets in/s": "bytes_received", "octets out/s": "bytes_sent"}
    rates = {
        shown: _growth(row[name], None if before is None else before[name], passed) for shown, name in names.items()
    }
    refused_before = None if before is None else sum(before["refusals"].values())
    rates["refused/s"] = _growth(sum(row["refusals"].values()), refused_before, passed)
    return rates


def _growth(now: float, before: float | None, passed: float) -> float | None:
    """None where nothing can be said: at first, and where counts began anew."""
    if before is None or passed <= 0 or now < before:
        return None
    return round((now - before) / passed, 1)


def heading(shown: Facts) -> str:
    """The first line."""
    depth = sum(row["queue_depth"] for row in shown["servers"])
    sessions = sum(row["inbound_connections_current"] for row in shown["servers"])
    coming = [row["rates"]["in/s"] for row in shown["servers"]]
    rate = "-" if None in coming else f"{sum(coming):.1f}"
    at = str(shown["at"])[11:19]
    return cell(f"mailroot {at} UTC   {rate} messages/s in   {depth:g} waiting   {sessions:g} sessions   q: quit")


def sheets(shown: Facts, width: int, height: int) -> list[Sheet]:
    """The tables that have room in so many signs and lines, the most important first."""
    room = max(height - 2, 3)
    found = []
    for title, columns, rows, most in (
        ("Virtual servers", _SERVERS, shown["servers"], 8),
        ("Most waits for", _DESTINATIONS, shown["destinations"], 10),
        ("Latest refusals", _REFUSALS, shown["latest_refusals"], 20),
    ):
        count = min(len(rows), most, room - 2)
        if count < 1:
            continue
        fitting = _fitting(columns, width)
        texts = tuple(tuple(column.text(row) for column in fitting) for row in rows[:count])
        found.append(Sheet(title, fitting, texts))
        room -= count + 3
    return found


def _fitting(columns: Sequence[Column], width: int) -> tuple[Column, ...]:
    """The first columns that fit side by side; one in any case."""
    fitting: list[Column] = []
    for column in columns:
        used = sum(one.width + 2 for one in fitting)
        if fitting and used + max(column.width, len(column.name)) > width:
            continue
        fitting.append(column)
    return tuple(fitting)


def span(seconds: float) -> str:
    """A time for people: 45s, 12m, 3h, 2d."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f}{unit}"
    return f"{max(seconds, 0):.0f}s"


def _rate_of(name: str) -> Callable[[Facts], str]:
    def text(row: Facts) -> str:
        value = row["rates"][name]
        return "-" if value is None else f"{value:.1f}"

    return text


def _of(name: str) -> Callable[[Facts], str]:
    return lambda row: cell(row.get(name))


def _number(name: str) -> Callable[[Facts], str]:
    return lambda row: f"{row[name]:g}" if row[name] < 1_000_000 else f"{row[name]:,.0f}"


_SERVERS = (
    Column("server", 10, _of("server"), right=False),
    Column("in/s", 7, _rate_of("in/s")),
    Column("queue", 8, _number("queue_depth")),
    Column("sent/s", 7, _rate_of("sent/s")),
    Column("drop/s", 7, _rate_of("drop/s")),
    Column("sessions", 8, _number("inbound_connections_current")),
    Column("refused/s", 9, _rate_of("refused/s")),
    Column("later/s", 7, _rate_of("later/s")),
    Column("failed/s", 8, _rate_of("failed/s")),
    Column("oldest", 6, lambda row: span(row["queue_age_seconds"]) if row["queue_depth"] else "-"),
    Column("held", 6, _number("held_current")),
    Column("out", 5, _number("outbound_connections_current")),
    Column("state", 8, _of("state"), right=False),
)
_DESTINATIONS = (
    Column("destination", 24, _of("destination"), right=False),
    Column("recipients", 10, _number("recipients")),
    Column("oldest", 6, lambda row: span(row["age_seconds"])),
    Column("server", 10, _of("server"), right=False),
)
_REFUSALS = (
    Column("time", 8, lambda row: cell(str(row["at"])[11:19]), right=False),
    Column("client", 15, _of("address"), right=False),
    Column("recipient", 24, _of("recipient"), right=False),
    Column("reply", 30, lambda row: cell(row.get("reply") or row.get("cause")), right=False),
    Column("sender", 24, _of("sender"), right=False),
    Column("server", 10, _of("server"), right=False),
)
