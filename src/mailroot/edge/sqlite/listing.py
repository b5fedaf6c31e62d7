"""Pages of the embedded queue, as operators read them: found by key, without the contents."""

from array import array
from collections.abc import Iterable
from itertools import groupby

import apsw

from mailroot.edge.sqlite.queries import queries
from mailroot.edge.sqlite.rows import (
    LEASED,
    NUMBER_BITS,
    NUMBERS,
    SET_ASIDE,
    Damaged,
    key_of,
    moment,
    number_of,
    read_status,
    read_words,
)
from mailroot.queue.entry import Listed

_SQL = queries("queue.sql")

# place, due, attempts, last
_Row = tuple[int, int, int, str | None]


def page(connection: apsw.Connection, tag: str, after: str, limit: int) -> list[Listed]:
    """Waiting recipients from the one after the cursor, "key/recipient_number"; "" begins."""
    key, _, recipient = after.partition("/")
    place = (number_of(tag, key) << NUMBER_BITS) + (int(recipient) if recipient.isdecimal() else 0)
    rows = list(connection.execute(_SQL["page"], {"after": place, "limit": limit}))
    grouped = [(number, list(group)) for number, group in groupby(rows, lambda row: row[0] >> NUMBER_BITS)]
    if not grouped:
        return []
    numbers = apsw.carray(array("q", [number for number, _ in grouped]))
    words = {row[0]: row for row in connection.execute(_SQL["read_words"], {"entries": numbers})}
    return [one for number, group in grouped for one in _listed(key_of(tag, number), words.get(number), group)]


def _listed(key: str, entry: tuple[int, int, bytes] | None, rows: list[_Row]) -> Iterable[Listed]:
    try:
        if entry is None:
            return [_unreadable(key, row, "its message is missing") for row in rows]
        _, size, kept = entry
        words = read_words(kept)
        recipients = words.envelope.recipients
        return [
            Listed(
                key=key,
                sender=words.envelope.sender_text,
                recipient=str(recipients[place % NUMBERS].address),
                size=size,
                arrived=words.arrived,
                due=moment(due) if due < LEASED else None,
                attempts=attempts,
                last=_last_text(due, last),
                message_id=words.message_id,
                recipient_number=place % NUMBERS,
            )
            for place, due, attempts, last in rows
        ]
    except (Damaged, IndexError) as fault:
        return [_unreadable(key, row, str(fault)) for row in rows]


def _unreadable(key: str, row: _Row, cause: str) -> Listed:
    return Listed(key, "", "", 0, moment(0), last=f"damaged: {cause}", recipient_number=row[0] % NUMBERS)


def _last_text(due: int, last: str | None) -> str:
    if due == SET_ASIDE:
        return "set aside: the entry is damaged"
    status = read_status(last)
    return "" if status is None else status.words
