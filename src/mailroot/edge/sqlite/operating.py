"""What operators and the servers of held domains do to the embedded queue: each page or turn is one transaction."""

from array import array
from collections.abc import Sequence
from datetime import datetime
from json import dumps

from mailroot.edge.sqlite.listing import cursor_of, listed, rows_after
from mailroot.edge.sqlite.queries import queries
from mailroot.edge.sqlite.rows import (
    LEASED,
    NUMBER_BITS,
    RecipientRow,
    all_held,
    awaited_domain,
    held_range,
    held_words,
    microseconds,
    number_of,
)
from mailroot.edge.sqlite.tables import Tables
from mailroot.queue.entry import Listed, QueueEntry
from mailroot.queue.selection import Change, Selection, effect
from mailroot.queue.store import Changed

_SQL = queries("queue.sql")


def change(tables: Tables, selection: Selection, wanted: Change, after: str, limit: int) -> Changed:
    """See `QueueStore.change`."""
    rows = rows_after(tables, after, limit, selection.key)
    effects = effect(listed(tables, rows), selection, wanted)
    if effects.changed:
        _write(tables, effects.changed)
    if effects.removed:
        places = array("q", [_place(tables, row) for row in effects.removed])
        numbers = array("q", {place >> NUMBER_BITS for place in places})
        tables.delete(places, numbers)
        tables.clear_failures(numbers)
    following = cursor_of(tables.tag, rows[-1][0]) if len(rows) == limit else ""
    entries = effects.entries
    return Changed(sum(entries.values()), effects.in_delivery, following, entries)


def _write(tables: Tables, changed: Sequence[Listed]) -> None:
    rows = [
        (
            _place(tables, row),
            None if row.due is None else microseconds(row.due),
            held_words(row.held, row.recipient.rpartition("@")[2]),
            row.via or None,
        )
        for row in changed
    ]
    tables.connection.execute(_SQL["change_recipients"], {"rows": dumps(rows)})
    tables.any_held = tables.any_held or any(row.held for row in changed)


def _place(tables: Tables, row: Listed) -> int:
    return (number_of(tables.tag, row.key) << NUMBER_BITS) + row.recipient_number


def take(tables: Tables, selection: Selection, after: str, limit: int) -> tuple[list[QueueEntry], int, str]:
    """The entries, how many are in delivery, and the cursor; see `QueueStore.take`.

    A page ends early where more contents would not have room in memory.
    """
    rows = rows_after(tables, after, limit, selection.key)
    following = cursor_of(tables.tag, rows[-1][0]) if len(rows) == limit else ""
    meant = [row for row, one in zip(rows, listed(tables, rows), strict=True) if selection.means(one)]
    meant, beyond = _with_room(tables, meant)
    if beyond is not None:
        following = cursor_of(tables.tag, beyond[0] - 1)
    free = [row for row in meant if row[1] != LEASED]
    return tables.lease(free), len(meant) - len(free), following


def claim_held(tables: Tables, domain: str, after: str, limit: int) -> tuple[list[QueueEntry], int, str]:
    """The entries, 0, and the cursor, "held|place"; see `QueueStore.claim_held`. Domain after domain is looked at."""
    bounds = held_range(domain)
    held, _, place = after.rpartition("|")
    if not after:
        held, place = _next_held(tables, bounds["first"], bounds["end"]), "0"
    rows: list[RecipientRow] = []
    while held:
        wanted = {"held": held, "after": int(place), "limit": limit - len(rows)}
        rows += tables.connection.execute(_SQL["held_recipients"], wanted)
        if len(rows) == limit:
            break
        held, place = _next_held(tables, f"{held}\0", bounds["end"]), "0"
    rows, beyond = _with_room(tables, rows)
    if beyond is not None:
        return tables.lease(rows), 0, f"{beyond[5]}|{beyond[0] - 1}"
    return tables.lease(rows), 0, f"{held}|{rows[-1][0]}" if held else ""


def _next_held(tables: Tables, first: str, end: str) -> str:
    (held,) = next(iter(tables.connection.execute(_SQL["next_held"], {"first": first, "end": end})))
    return held or ""


def _with_room(tables: Tables, rows: list[RecipientRow]) -> tuple[list[RecipientRow], RecipientRow | None]:
    """The first of these rows, whose entries have room in memory together, and the first that does not fit."""
    room = set(tables.within_memory(dict.fromkeys(row[0] >> NUMBER_BITS for row in rows)))
    for count, row in enumerate(rows):
        if row[0] >> NUMBER_BITS not in room:
            return rows[:count], row
    return rows, None


def count_held(tables: Tables, domain: str) -> int:
    """See `QueueStore.count_held`."""
    (count,) = next(iter(tables.connection.execute(_SQL["count_held"], held_range(domain))))
    return int(count)


def held_domains(tables: Tables) -> list[str]:
    """See `QueueStore.held_domains`."""
    bounds = all_held()
    found = []
    held = _next_held(tables, bounds["first"], bounds["end"])
    while held:
        found.append(awaited_domain(held))
        held = _next_held(tables, f"{held}\0", bounds["end"])
    return sorted(found)


def thaw(tables: Tables, domain: str, now: datetime, limit: int) -> int:
    """Thaw so many recipients of a domain; how many there were."""
    wanted = {"now": microseconds(now), "limit": limit, **held_range(domain)}
    tables.connection.execute(_SQL["thaw"], wanted)
    return tables.connection.changes()
