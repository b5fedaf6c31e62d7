"""Pages of the embedded queue, as operators read them: found by key, without the contents."""

import contextlib
import functools
from array import array
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any

import apsw

from mailroot.edge.sqlite.queries import queries
from mailroot.edge.sqlite.rows import (
    LEASED,
    NUMBER_BITS,
    NUMBERS,
    SET_ASIDE,
    Damaged,
    RecipientRow,
    key_of,
    moment,
    number_of,
    place_range,
    read_held,
    read_status,
    read_words,
)
from mailroot.edge.sqlite.tables import Tables
from mailroot.mail.address import domain_key
from mailroot.mail.faults import Misconfigured
from mailroot.queue import summary
from mailroot.queue.entry import Listed
from mailroot.queue.ordering import By, Ordered, Ordering, Position
from mailroot.queue.summary import Sum, Summed

_SQL = queries("queue.sql")
_LAST_PLACE = (1 << 63) - 1
_DUE_DIGITS = 20  # that the query `sums` puts before an outcome


def page(tables: Tables, after: str, limit: int, key: str = "") -> list[Listed]:
    """Waiting recipients from the one after the cursor, "key/recipient_number"; "" begins."""
    return listed(tables, rows_after(tables, after, limit, key))


def rows_after(tables: Tables, after: str, limit: int, key: str = "") -> list[RecipientRow]:
    """Rows of waiting recipients from the one after a cursor, of all entries or of the one with this key."""
    place = place_of(tables.tag, after)
    end = _LAST_PLACE
    if key:
        places = place_range(number_of(tables.tag, key))
        place, end = max(place, places["first"] - 1), places["end"]
    return list(tables.connection.execute(_SQL["page"], {"after": place, "end": end, "limit": limit}))


def place_of(tag: str, cursor: str) -> int:
    """The place that a cursor names."""
    key, _, recipient = cursor.partition("/")
    return (number_of(tag, key) << NUMBER_BITS) + (int(recipient) if recipient.isdecimal() else 0)


def cursor_of(tag: str, place: int) -> str:
    """The cursor that names a place."""
    return f"{key_of(tag, place >> NUMBER_BITS)}/{place % NUMBERS}"


def ordered(tables: Tables, ordering: Ordering, position: str, limit: int, key: str = "") -> Ordered:
    """See `QueueStore.ordered`."""
    try:
        start = ordering.start(position)
    except ValueError as fault:
        raise Misconfigured(f"{position!r} is no position in the queue; begin again") from fault
    by = By.ARRIVED if key else ordering.by
    rows = _rows_from(tables, start, by, ordering.upwards, limit, key)
    places = [Position(_VALUES[by](row), row[0]) for row in rows]
    # Rows by due or attempts are in no order of their entries, and an entry is read once: sorted, then put back.
    sorted_rows = sorted(rows)
    found = dict(zip([row[0] for row in sorted_rows], listed(tables, sorted_rows), strict=True))
    end = places[-1] if len(rows) == limit else None
    return Ordered([(place, found[place.place]) for place in places], end)


_VALUES: dict[By, Callable[[RecipientRow], int]] = {
    By.ARRIVED: lambda _: 0,
    By.DUE: lambda row: row[1],
    By.ATTEMPTS: lambda row: row[2],
}


def _rows_from(tables: Tables, start: Position, by: By, upwards: bool, limit: int, key: str) -> list[RecipientRow]:
    name = f"{'place' if by is By.ARRIVED else by.value}_{'up' if upwards else 'down'}"
    bounds = place_range(number_of(tables.tag, key)) if key else {"first": 0, "end": _LAST_PLACE}
    place = start.place
    if key:
        place = max(place, bounds["first"] - 1) if upwards else min(place, bounds["end"] + 1)
    wanted = {"value": start.value, "place": min(place, _LAST_PLACE), "limit": limit, **bounds}
    return list(tables.connection.execute(_SQL[name], wanted))


def summed(tables: Tables, after: str, limit: int) -> Summed:
    """See `QueueStore.summed`. What the database cannot read is read row by row."""
    first = place_of(tables.tag, after)
    (end, count) = next(iter(tables.connection.execute(_SQL["end_of_part"], {"after": first, "limit": limit})))
    if not count:
        return Summed([], "")
    following = cursor_of(tables.tag, end) if count == limit else ""
    rows: list[tuple[Any, ...]] = []
    with contextlib.suppress(apsw.SQLError, UnicodeDecodeError):  # words of an entry that are damaged
        rows = list(tables.connection.execute(_SQL["sums"], {"after": first, "end": end}))
    if sum(sum(row[5:10]) for row in rows) != count or any(not isinstance(row[0], str) for row in rows):
        return Summed(summary.summed(page(tables, after, limit)), following)
    return Summed([_sum(tables, row) for row in rows], following)


def _sum(tables: Tables, row: tuple[Any, ...]) -> Sum:
    domain, via, first, last, messages, unresolved, held, leased, tried, untried, arrived, due, attempts, said = row
    return Sum(
        domain_key(domain),
        via or "",
        key_of(tables.tag, first),
        key_of(tables.tag, last),
        messages,
        unresolved,
        held,
        leased,
        tried,
        untried,
        oldest=moment(arrived),
        due=None if due is None else moment(due),
        attempts=attempts,
        said=_said(said[_DUE_DIGITS:]) if said else "",
    )


@functools.lru_cache(maxsize=1024)  # outcomes are the same for many
def _said(kept: str) -> str:
    try:
        status = read_status(kept)
    except Damaged:
        return ""
    return "" if status is None else status.words


def listed(tables: Tables, rows: Sequence[RecipientRow]) -> list[Listed]:
    """Recipients as operators see them, in the order of their rows; a row each, also where its entry is damaged."""
    grouped = [(number, list(group)) for number, group in groupby(rows, lambda row: row[0] >> NUMBER_BITS)]
    if not grouped:
        return []
    numbers = apsw.carray(array("q", [number for number, _ in grouped]))
    words = {row[0]: row for row in tables.connection.execute(_SQL["read_words"], {"entries": numbers})}
    return [one for number, group in grouped for one in _of_entry(tables, number, words.get(number), group)]


def _of_entry(
    tables: Tables, number: int, entry: tuple[int, int, bytes] | None, rows: list[RecipientRow]
) -> Iterable[Listed]:
    key = key_of(tables.tag, number)
    try:
        if entry is None:
            return [_unreadable(key, row, "its message is missing") for row in rows]
        _, size, kept = entry
        words = read_words(kept)
        recipients = [*words.envelope.recipients, *tables.added_to(number)]
        sender, arrived, message_id = words.envelope.sender_text, words.arrived, words.message_id
        return [
            _listed(row, Listed(key, sender, str(recipients[row[0] % NUMBERS].address), size, arrived), message_id)
            for row in rows
        ]
    except (Damaged, IndexError) as fault:
        return [_unreadable(key, row, str(fault)) for row in rows]


def _listed(row: RecipientRow, entry: Listed, message_id: str) -> Listed:
    place, due, attempts, delay_reported, last, held, via = row
    status = read_status(last)
    words = "" if status is None else status.words
    return Listed(
        entry.key,
        entry.sender,
        entry.recipient,
        entry.size,
        entry.arrived,
        due=moment(due) if due < LEASED else None,
        attempts=attempts,
        status="" if status is None else status.code,
        last="set aside: the entry is damaged" if due == SET_ASIDE else words,
        message_id=message_id,
        recipient_number=place % NUMBERS,
        held=read_held(held),
        via=via or "",
        delay_reported=bool(delay_reported),
        leased=due == LEASED,
    )


def _unreadable(key: str, row: RecipientRow, cause: str) -> Listed:
    leased = row[1] == LEASED
    return Listed(key, "", "", 0, moment(0), last=f"damaged: {cause}", recipient_number=row[0] % NUMBERS, leased=leased)
