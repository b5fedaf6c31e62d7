"""What the embedded queue does to its tables, inside a transaction that the writer owns.

Every change is one statement for all the rows of a group: a statement per row would take the interpreter lock once
for each of them.
"""

import zlib
from array import array
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from json import dumps
from pathlib import Path
from typing import Any

import apsw

from mailroot.edge.files.contents import ContentFolder, FileContent, remove
from mailroot.edge.sqlite.queries import queries
from mailroot.edge.sqlite.rows import (
    LEASED,
    NUMBER_BITS,
    SET_ASIDE,
    Damaged,
    DraftRow,
    EntryRow,
    RecipientRow,
    added_words,
    fresh_entry,
    held_words,
    key_of,
    microseconds,
    moment,
    number_of,
    place_range,
    read_added,
    read_entry,
    read_words,
    status_words,
    tag_text,
)
from mailroot.mail.envelope import Recipient
from mailroot.mail.message import Content
from mailroot.queue.entry import Pending, QueueEntry, Settlement
from mailroot.queue.schedule import CLOCK_SLACK

_SQL = queries("queue.sql")
_RESERVED_AT_ONCE = 4096
_MOST_ROWS = 32  # of one insert
_CLAIM_BYTES = 8 * 1024 * 1024  # contents that one claim brings into memory
_ENTRY_VALUES = "(?, ?, ?, ?, ?)"

Aside = Callable[[str, str], None]


def _numbers(values: Iterable[int]) -> "apsw.CArrayBinding":
    return apsw.carray(array("q", values))


class Tables:
    """The tables of one shard. Used by the writer's thread only."""

    def __init__(self, connection: apsw.Connection, folder: ContentFolder, aside: Aside) -> None:
        """`aside` is told the key of each entry that is set aside because it is damaged, and the cause."""
        self.connection = connection
        self._run = connection.execute
        self._folder = folder
        self._aside = aside
        self._longest_wait = self._reserved = 0
        self._file_numbers: set[int] = set()
        self._gone_files: list[int] = []
        self._adopted: list[tuple[Path, Path]] = []
        self.reload()
        self._next = self._reserved

    def reload(self) -> None:
        """Read again what memory knows of the tables: after opening, and after a transaction that was undone."""
        for entry_file, draft_file in self._adopted:
            entry_file.rename(draft_file)
        self._adopted.clear()
        tag, self._reserved = self._row("read_store")
        self.tag = tag_text(tag)
        (self.depth,) = self._row("count_recipients")
        self._troubled = {number for (number,) in self._run(_SQL["troubled"])}
        self._gone_files.clear()
        self._extended = {number for (number,) in self._run(_SQL["extended"])}
        self.any_held = bool(list(self._run(_SQL["any_held"])))

    def _row(self, query: str) -> tuple[Any, ...]:
        return next(iter(self._run(_SQL[query])))

    def expect_waits_of(self, longest: timedelta) -> None:
        """Take a due further ahead than this, or than any that is set from now on, for a clock that jumped back."""
        self._longest_wait = max(self._longest_wait, (longest + CLOCK_SLACK) // timedelta(microseconds=1))

    # --- commit ---------------------------------------------------------------------------------------------------

    def reserve(self, count: int) -> int:
        """Reserve numbers for so many entries; the first of them."""
        first = self._next
        self._next += count
        if self._next > self._reserved:
            self._reserved = self._next + _RESERVED_AT_ONCE
            self._run(_SQL["reserve"], (self._reserved,))
        return first

    def key(self, number: int) -> str:
        """The key of the entry with this number."""
        return key_of(self.tag, number)

    def known_claims(self, claims: Sequence[str]) -> set[str]:
        """Those claims that were committed before."""
        return {claim for (claim,) in self._run(_SQL["known_claims"], {"claims": apsw.carray(tuple(claims))})}

    def adopt(self, rows: Sequence[DraftRow], first: int) -> list[Content]:
        """Give the drafts' files to the entries numbered from `first`, durably; what each entry holds.

        Raises `Unavailable` or `DiskFull` where a file cannot be moved, `OSError` where the sync fails.
        """
        contents: list[Content] = []
        for number, row in enumerate(rows, first):
            content = row.draft.content
            if isinstance(content, FileContent):
                adopted = self._folder.adopt(content, self.key(number))
                self._adopted.append((adopted.path, content.path))
                content = adopted
            contents.append(content)
        if self._adopted:
            self._folder.sync_entries()
        return contents

    def insert(self, rows: Sequence[DraftRow], first: int, contents: Sequence[Content]) -> list[QueueEntry]:
        """Put drafts in as the entries numbered from `first`; `contents` are what the entries hold."""
        values: list[object] = []
        leased = array("q")
        waiting: dict[int, array[int]] = {}
        entries = []
        for number, (row, content) in enumerate(zip(rows, contents, strict=True), first):
            draft, checksum, words, held = row
            if held is None:
                self._file_numbers.add(number)
            values += (number, checksum, content.size, words, held)
            places = leased if draft.lease else waiting.setdefault(microseconds(draft.arrived), array("q"))
            place = number << NUMBER_BITS
            places.extend(range(place, place + len(draft.envelope.recipients)))
            entries.append(fresh_entry(key_of(self.tag, number), draft, content))
        self._insert_entries(values)
        self._insert_recipients(LEASED, leased)
        for due, places in waiting.items():
            self._insert_recipients(due, places)
        claims = tuple(row.draft.claim for row in rows if row.draft.claim is not None)
        if claims:
            self._run(_SQL["insert_claims"], {"claims": apsw.carray(claims)})
        return entries

    def _insert_entries(self, values: list[object]) -> None:
        # A statement for each number of rows, up to a bound: each is prepared once.
        for begin in range(0, len(values), _MOST_ROWS * 5):
            some = values[begin : begin + _MOST_ROWS * 5]
            self._run(_INSERTS[len(some) // 5], some)

    def _insert_recipients(self, due: int, places: "array[int]") -> None:
        if places:
            self._run(_SQL["insert_recipients"], {"due": due, "places": apsw.carray(places)})
            self.depth += len(places)

    # --- settle ---------------------------------------------------------------------------------------------------

    def settle(self, settlements: Sequence[Settlement], now: datetime) -> None:
        """Apply settlements, without their reports."""
        numbers = array("q")
        served = array("q")
        deferred: list[tuple[object, ...]] = []
        for settlement in settlements:
            number = number_of(self.tag, settlement.key)
            numbers.append(number)
            for recipient in settlement.served:
                served.append((number << NUMBER_BITS) + recipient)
            if settlement.deferred:
                deferred += self._deferred(number, settlement.deferred, now)
            if settlement.added:
                self._add(number, settlement.added, now)
        if deferred:
            self._run(_SQL["defer_recipients"], {"rows": dumps(deferred)})
        if served:
            self.delete(served, numbers)
        self.clear_failures(numbers)

    def _deferred(self, number: int, pending: Sequence[Pending], now: datetime) -> Iterable[tuple[object, ...]]:
        self._expect(pending, now)
        return [
            (
                (number << NUMBER_BITS) + recipient.number,
                microseconds(recipient.due),
                recipient.attempts,
                int(recipient.delay_reported),
                status_words(recipient.last),
                held_words(recipient.held, recipient.recipient.address.domain),
            )
            for recipient in pending
        ]

    def _expect(self, pending: Sequence[Pending], now: datetime) -> None:
        """What these recipients wait is no jump of the clock; who is held is waited for otherwise."""
        waits = [one.due for one in pending if not one.held]
        if waits:
            self.expect_waits_of(max(waits) - now)
        self.any_held = self.any_held or len(waits) < len(pending)

    def _add(self, number: int, added: Sequence[Pending], now: datetime) -> None:
        """Recipients join an entry; an entry that is gone has none."""
        words = list(self._run(_SQL["read_words"], {"entries": _numbers([number])}))
        if not words:
            return
        places = place_range(number)
        (more,) = next(iter(self._run(_SQL["count_added"], places)))
        first = places["first"] + len(read_words(words[0][2]).envelope.recipients) + more
        for place, pending in enumerate(added, first):
            kept = added_words(pending.recipient)
            self._run(_SQL["insert_added"], (place, zlib.crc32(kept), kept))
            self._insert_recipients(microseconds(pending.due), array("q", [place]))
        self._extended.add(number)
        self._expect(added, now)

    def added_to(self, number: int) -> list[Recipient]:
        """The recipients that joined an entry after its commit. Raises `Damaged`."""
        if number not in self._extended:
            return []
        return [read_added(*row) for row in self._run(_SQL["read_added"], place_range(number))]

    def delete(self, places: "array[int]", numbers: "array[int]") -> None:
        """Recipients leave, and those of these entries that have none left."""
        self._run(_SQL["delete_recipients"], {"places": apsw.carray(places)})
        self.depth -= self.connection.changes()
        self._delete_entries(numbers)

    def _delete_entries(self, numbers: "array[int]") -> None:
        self._run(_SQL["delete_entries"], {"entries": apsw.carray(numbers)})
        for number in self._extended.intersection(numbers) if self._extended else ():
            self._run(_SQL["delete_added"], {"entry": number, **place_range(number)})
        if self._file_numbers:
            files = self._file_numbers.intersection(numbers)
            self._gone_files += files.difference(self._entries_with_files(files))

    def clear_failures(self, numbers: "array[int]") -> None:
        """Work on these entries has ended well, as far as nothing of them is leased."""
        if self._troubled and not self._troubled.isdisjoint(numbers):
            self._run(_SQL["delete_failures"], {"entries": apsw.carray(numbers)})
            self._troubled = {number for (number,) in self._run(_SQL["troubled"])}

    def committed(self) -> None:
        """The transaction is durable: remove the contents of entries that have left with it."""
        self._adopted.clear()
        for number in self._gone_files:
            # A file that cannot be removed is an orphan: its entry has left, so nothing is sent twice.
            remove(self._folder.entry_file(self.key(number)))
            self._file_numbers.discard(number)
        self._gone_files.clear()

    def _entries_with_files(self, numbers: Iterable[int]) -> set[int]:
        wanted = array("q", numbers)
        if not wanted:
            return set()
        return {number for (number,) in self._run(_SQL["file_entries"], {"entries": apsw.carray(wanted)})}

    # --- work -----------------------------------------------------------------------------------------------------

    def claim(self, now: datetime, limit: int) -> list[QueueEntry]:
        """Lease recipients that are due; each entry's `pending` holds those that were leased.

        A due beyond the longest wait is one that a clock set back has left behind, and counts as now.
        """
        moment_now = microseconds(now)
        rows = self._rows("due_recipients", {"now": moment_now, "limit": limit})
        if len(rows) < limit:
            horizon = moment_now + self._longest_wait
            rows += self._rows("misdated_recipients", {"horizon": horizon, "limit": limit - len(rows)})
        if self.any_held and len(rows) < limit:
            rows += self._rows("due_held_recipients", {"now": moment_now, "limit": limit - len(rows)})
        return self.lease(rows)

    def lease(self, rows: Iterable[RecipientRow]) -> list[QueueEntry]:
        """Lease these recipients, as far as their contents have room in memory; the entries that hold them."""
        grouped: dict[int, list[RecipientRow]] = {}
        for row in rows:
            grouped.setdefault(row[0] >> NUMBER_BITS, []).append(row)
        chosen = self.within_memory(grouped)
        places = [row[0] for number in chosen for row in grouped[number]]
        if places:
            self._set_due(LEASED, places)
        return self._read(chosen, grouped)

    def _rows(self, query: str, bindings: dict[str, int]) -> list[RecipientRow]:
        return list(self._run(_SQL[query], bindings))

    def within_memory(self, numbers: Iterable[int]) -> list[int]:
        """Of these entries, the first ones: those whose contents one claim may bring into memory."""
        numbers = list(numbers)
        if not numbers:
            return []
        sizes = dict(self._run(_SQL["sizes"], {"entries": _numbers(numbers)}))
        total = 0
        chosen: list[int] = []
        for number in numbers:
            total += sizes.get(number, 0)
            if chosen and total > _CLAIM_BYTES:
                break
            chosen.append(number)
        return chosen

    def _set_due(self, due: int, places: Iterable[int]) -> None:
        self._run(_SQL["set_due"], {"due": due, "places": _numbers(places)})

    def _read(self, numbers: Sequence[int], recipients: dict[int, list[RecipientRow]]) -> list[QueueEntry]:
        if not numbers:
            return []
        rows: dict[int, EntryRow] = {
            row[0]: row for row in self._run(_SQL["read_entries"], {"entries": _numbers(numbers)})
        }
        entries = []
        for number in numbers:
            key = self.key(number)
            try:
                waiting, file = sorted(recipients[number]), self._folder.entry_file(key)
                entries.append(read_entry(key, rows.get(number), waiting, file, self.added_to(number)))
            except Damaged as fault:
                self._set_due(SET_ASIDE, [row[0] for row in recipients[number]])
                self._aside(key, str(fault))
        return entries

    def release(self, key: str, numbers: Sequence[int], due: datetime, now: datetime) -> None:
        """Give leases back unused."""
        number = number_of(self.tag, key)
        if number and numbers:
            self.expect_waits_of(due - now)
            places = _numbers((number << NUMBER_BITS) + recipient for recipient in numbers)
            self._run(_SQL["release"], {"due": microseconds(due), "places": places})

    def failed(self, key: str) -> int:
        """Count one more failure of the work on an entry."""
        number = number_of(self.tag, key)
        counts = list(self._run(_SQL["count_failure"], {"entry": number}))
        if not counts:
            return 0
        self._troubled.add(number)
        return int(counts[0][0])

    # --- what operators ask ---------------------------------------------------------------------------------------

    def next_due(self, now: datetime) -> datetime | None:
        """When the earliest recipient that is not leased is due."""
        dues = [self._row("first_due")[0], self._row("first_held_due")[0] if self.any_held else None]
        first = min([due for due in dues if due is not None], default=None)
        if first is None:
            return None
        last = self._row("last_due")[0] or 0
        return now if last > microseconds(now) + self._longest_wait else moment(first)

    def entry(self, key: str) -> QueueEntry | None:
        """The entry with all its waiting recipients."""
        number = number_of(self.tag, key)
        rows = self._rows("recipients_of", place_range(number))
        found = self._read([number], {number: rows}) if rows else []
        return found[0] if found else None

    def forget(self, claims: Sequence[str]) -> None:
        """Drop the memory of claims."""
        if claims:
            self._run(_SQL["forget_claims"], {"claims": apsw.carray(tuple(claims))})

    # --- at open -----------------------------------------------------------------------------------------------------

    def void_leases(self, now: datetime) -> int:
        """End all leases: their recipients are due now; how many there were."""
        self._run(_SQL["void_leases"], {"now": microseconds(now)})
        return self.connection.changes()

    def expect_files(self, numbers: Iterable[int]) -> set[int]:
        """Of these numbers, which have files, take those whose entries exist; the others are orphans."""
        self._file_numbers = self._entries_with_files(numbers)
        return self._file_numbers


_INSERTS = {
    rows: _SQL["insert_entries"].replace(_ENTRY_VALUES, ", ".join([_ENTRY_VALUES] * rows))
    for rows in range(1, _MOST_ROWS + 1)
}
