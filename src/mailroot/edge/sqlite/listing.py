"""Pages of the embedded queue, as operators read them: found by key, without the contents."""

from array import array
from collections.abc import Iterable, Sequence
from itertools import groupby

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
from mailroot.queue.entry import Listed

_SQL = queries("queue.sql")
_LAST_PLACE = (1 << 63) - 1


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
