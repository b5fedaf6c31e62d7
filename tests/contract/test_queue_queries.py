"""The queries of the embedded queue find by key or index, whatever the depth."""

import re
from pathlib import Path

import apsw
import pytest

from mailroot.edge.sqlite.queries import queries
from mailroot.edge.sqlite.queue import SqliteQueue
from tests.queue.drafts import Clock

SQL = queries("queue.sql")
# Asked once, at opening or closing; `troubled` and `extended` scan tables that are nearly always empty.
SCANS_ALLOWED = {
    *("count_recipients", "count_void_leases", "void_leases"),
    *("troubled", "extended", "read_store", "reserve"),
}
ASKED = sorted(name for name, text in SQL.items() if text.startswith(("SELECT", "UPDATE", "DELETE", "INSERT")))


@pytest.fixture
async def connection(tmp_path: Path) -> apsw.Connection:
    store = await SqliteQueue.open(tmp_path, "0", now=Clock())
    await store.close()
    return apsw.Connection(str(tmp_path / "Queue" / "0.db"))


@pytest.mark.parametrize("name", ASKED)
async def test_no_query_scans_a_table(connection: apsw.Connection, name: str) -> None:
    values = dict.fromkeys(re.findall(r":(\w+)", SQL[name]))
    bindings = values or (None,) * SQL[name].count("?")
    steps = [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + SQL[name], bindings)]
    scans = [step for step in steps if re.match(r"SCAN (entry|recipient|failure|claim)\b", step)]
    assert name in SCANS_ALLOWED or not scans, steps
    assert not any("TEMP B-TREE FOR ORDER BY" in step for step in steps), steps


LEASED = 1 << 62


async def test_the_index_of_the_due_holds_neither_the_leased_nor_the_held(connection: apsw.Connection) -> None:
    """What a lease costs is a row, not a place in an index besides."""
    connection.execute(
        "INSERT INTO recipient (place, due, held) VALUES (1, 5, NULL), (2, ?, NULL), (3, 7, 'operator')", (LEASED,)
    )
    indexed = "SELECT place FROM recipient INDEXED BY recipient_due WHERE due < 4611686018427387904 AND held IS NULL"
    assert list(connection.execute(indexed)) == [(1,)]
    for name in ("due_recipients", "misdated_recipients", "first_due", "last_due"):
        values = dict.fromkeys(re.findall(r":(\w+)", SQL[name]))
        (step,) = [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + SQL[name], values)]
        assert "recipient_due" in step


def test_every_query_has_a_sentence_above_it() -> None:
    import mailroot.edge.sqlite

    text = (Path(mailroot.edge.sqlite.__file__).parent / "sql" / "queue.sql").read_text()
    for block in text.split("-- name: ")[1:]:
        assert block.split("\n")[1].startswith("-- "), block
