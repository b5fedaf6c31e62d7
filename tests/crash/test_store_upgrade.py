"""A queue that an older version wrote: nothing of it is lost, whenever the upgrade is cut off."""

from pathlib import Path

import apsw
import pytest

from mailroot.edge.sqlite.queue import SqliteQueue
from mailroot.edge.sqlite.rows import LEASED, draft_row, microseconds
from mailroot.mail.faults import Fault
from mailroot.mail.message import BytesContent
from tests.crash.faultyfiles import Faults, faulty_files, full, sync_error
from tests.queue.drafts import HOUR, NOON, Clock, draft, elaborate_draft

# As version 1 of the schema was written; never to be changed.
SCHEMA_1 = """
PRAGMA page_size = 4096;
PRAGMA auto_vacuum = incremental;
PRAGMA journal_mode = WAL;
CREATE TABLE store (tag INTEGER NOT NULL, reserved INTEGER NOT NULL) STRICT;
CREATE TABLE entry (
    id INTEGER PRIMARY KEY,
    checksum INTEGER NOT NULL,
    size INTEGER NOT NULL,
    words BLOB NOT NULL,
    content BLOB
) STRICT;
CREATE TABLE recipient (
    place INTEGER PRIMARY KEY,
    due INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    delay_reported INTEGER NOT NULL DEFAULT 0,
    last TEXT
) STRICT;
CREATE INDEX recipient_due ON recipient (due);
CREATE TABLE failure (entry INTEGER PRIMARY KEY, count INTEGER NOT NULL) STRICT;
CREATE TABLE claim (claim TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
PRAGMA user_version = 1;
INSERT INTO store (tag, reserved) VALUES (439041101, 4098);
"""
LAST = '["delayed","4.2.1","busy","450 4.2.1 busy","mx.example.net",false]'
ENTRIES = 60


def old_queue(home: Path) -> None:
    """A queue of version 1: one elaborate entry that waits, and many of which one recipient of two is leased."""
    (home / "Queue").mkdir(parents=True)
    connection = apsw.Connection(str(home / "Queue" / "0.db"))
    connection.execute(SCHEMA_1).fetchall()
    for number in range(1, ENTRIES + 1):
        given = elaborate_draft() if number == 1 else draft("ann", "bob", content=BytesContent(b"%d " % number * 900))
        row = draft_row(given)
        connection.execute(
            "INSERT INTO entry VALUES (?, ?, ?, ?, ?)",
            (number, row.checksum, given.content.size, row.words, row.content),
        )
        for place in range(len(given.envelope.recipients)):
            due = LEASED if number > 1 and place == 1 else microseconds(NOON + HOUR)
            connection.execute(
                "INSERT INTO recipient VALUES (?, ?, ?, ?, ?)", ((number << 24) + place, due, 2, 1, LAST)
            )
    connection.execute("INSERT INTO failure VALUES (2, 1)")
    connection.execute("INSERT INTO claim VALUES ('file-1')")
    connection.close()


async def check(home: Path) -> None:
    """Everything of the old queue is there, and works in the new one."""
    store = await SqliteQueue.open(home, "0", now=Clock())
    rows = await store.page("", 10_000)
    assert len(rows) == 3 + 2 * (ENTRIES - 1)
    assert all(
        (row.attempts, row.status, row.held, row.via, row.delay_reported) == (2, "4.2.1", "", "", True) for row in rows
    )
    keys = sorted({row.key for row in rows})
    for number, key in enumerate(keys, 1):
        entry = await store.entry(key)
        assert entry is not None
        if number == 1:
            assert entry.envelope == elaborate_draft().envelope
        else:
            assert b"".join(entry.content.pieces()) == b"%d " % number * 900
    assert await store.commit(draft(claim="file-1")) is None
    fresh = await store.commit(draft())
    assert fresh is not None and fresh.key > keys[-1]
    await store.close()


async def test_a_queue_of_version_1_is_upgraded_when_it_is_opened(tmp_path: Path) -> None:
    old_queue(tmp_path)
    store = await SqliteQueue.open(tmp_path, "0", now=Clock())
    assert store.found.recovered == ENTRIES - 1
    assert await store.next_due() == NOON
    entry = await store.entry((await store.page("", 1))[0].key[:-10] + "0000000002")
    assert entry is not None and entry.failures == 2
    await store.close()
    await check(tmp_path)


async def test_an_upgraded_queue_is_indexed_as_a_new_one(tmp_path: Path) -> None:
    old_queue(tmp_path / "old")
    schemas = []
    for home in (tmp_path / "old", tmp_path / "new"):
        store = await SqliteQueue.open(home, "0", now=Clock())
        await store.close()
        connection = apsw.Connection(str(home / "Queue" / "0.db"))
        indexes = connection.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'index' ORDER BY name"
        ).fetchall()
        columns = connection.execute("SELECT name, type FROM pragma_table_info('recipient')").fetchall()
        version = connection.execute("PRAGMA user_version").fetchall()
        schemas.append((indexes, columns, version))
        connection.close()
    assert schemas[0] == schemas[1]


async def _cut_off(home: Path, faults: Faults, at: int, fault: Exception) -> bool:
    """Open the queue with a disk that does nothing any more from an operation on; whether that was reached."""
    before = len(faults.done)
    faults.failing = lambda _, number: fault if number >= before + at else None
    try:
        store = await SqliteQueue.open(home, "0", now=Clock(), vfs="faulty")
    except Fault:
        return True
    await store.close()
    return len(faults.done) > before + at


@pytest.mark.parametrize("full_disk", [False, True])
async def test_an_upgrade_that_is_cut_off_anywhere_loses_nothing(tmp_path: Path, full_disk: bool) -> None:
    reached, at = True, 0
    with faulty_files("faulty") as faults:
        while reached:
            home = tmp_path / str(at)
            old_queue(home)
            reached = await _cut_off(home, faults, at, full() if full_disk else sync_error())
            await check(home)
            at += 1
    assert at > 10
