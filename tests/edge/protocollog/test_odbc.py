"""The log in a database, through the ODBC driver of SQLite."""

import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mailroot.edge import optional
from mailroot.edge.protocollog import odbc
from mailroot.edge.protocollog.entry import Entry, Party
from mailroot.edge.protocollog.forms import Site
from mailroot.edge.protocollog.odbc import Database, OdbcSink, require_odbc, row_of
from mailroot.mail.faults import Misconfigured
from tests.live.running import until

SITE = Site("SMTPSVC1", "HOST", "default")
PARTY = Party("s1", "192.0.2.1", "192.0.2.2", 0)
DRIVERS = ("/usr/lib/x86_64-linux-gnu/odbc/libsqlite3odbc.so", "/usr/lib/aarch64-linux-gnu/odbc/libsqlite3odbc.so")
# As the predecessor's documentation has it (facts 6).
TABLE = """CREATE TABLE InternetLog (
    ClientHost varchar(255), Username varchar(255), LogTime datetime, Service varchar(255), Machine varchar(255),
    ServerIP varchar(50), ProcessingTime int, BytesRecvd int, BytesSent int, ServiceStatus int, Win32Status int,
    Operation varchar(255), Target varchar(255), Parameters varchar(255))"""


@pytest.fixture
def driver() -> str:
    """The path of SQLite's driver."""
    found = next((path for path in DRIVERS if Path(path).exists()), None)
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("libsqliteodbc is not installed")
    return str(found)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "log.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute(TABLE)
        database.commit()
    return path


@pytest.fixture
def database(driver: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setattr(odbc, "_FIRST_PAUSE", 0.05)
    monkeypatch.setattr(odbc, "_LONGEST_PAUSE", 0.2)
    return Database(f"Driver={driver};Database={file};Timeout=100", "InternetLog")


class Told(list[tuple[int, str]]):
    def __call__(self, count: int, cause: str) -> None:
        self.append((count, cause))


@pytest.fixture
def told() -> Told:
    """What was told of rows that wait."""
    return Told()


@pytest.fixture
def sink(database: Database, told: Told) -> Iterator[OdbcSink]:
    made = OdbcSink(database, SITE, told)
    yield made
    made.close(3.0)


def entry(query: str = "+FROM:<a@b>", size: int = 45) -> Entry:
    return (1_160_370_016.9, PARTY, "36A42160", "MAIL", query, "250", 0, 57, size, 3, b"", b"")


def rows(file: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(file, timeout=10)) as database:
        return database.execute("SELECT * FROM InternetLog").fetchall()


def test_a_row_has_the_predecessors_columns(sink: OdbcSink, file: Path) -> None:
    assert sink.write([entry()]) is None
    (row,) = until(lambda: rows(file), "the row")
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(1_160_370_016))
    assert row[:2] == ("192.0.2.1", "36A42160")
    assert row[2].startswith(moment)
    assert row[3:] == ("SMTPSVC1", "HOST", "192.0.2.2", 3, 45, 57, 250, 0, "MAIL", "-", "+FROM:<a@b>")


def test_values_fit_their_columns() -> None:
    row = row_of(entry("+" + "x" * 3_000, size=2**40), SITE)
    assert len(row[13]) == 255
    assert row[7] == 2**31 - 1


def test_statements_are_never_made_of_values(sink: OdbcSink, file: Path) -> None:
    sink.write([entry("'); DROP TABLE InternetLog; --"), entry("'\";\\%00")])
    until(lambda: len(rows(file)) == 2, "both rows")
    assert {row[13] for row in rows(file)} == {"'); DROP TABLE InternetLog; --", "'\";\\%00"}


def test_many_rows_come_in_their_order(sink: OdbcSink, file: Path) -> None:
    for begin in range(0, 3_000, 300):
        sink.write([entry(str(number)) for number in range(begin, begin + 300)])
    until(lambda: len(rows(file)) == 3_000, "all rows")
    assert [row[13] for row in rows(file)] == [str(number) for number in range(3_000)]


def test_O08_rows_wait_while_the_database_is_away_and_none_is_lost(sink: OdbcSink, file: Path) -> None:
    sink.write([entry("before")])
    until(lambda: rows(file), "the first row")
    with closing(sqlite3.connect(file)) as other:
        other.execute("ALTER TABLE InternetLog RENAME TO Away")
        sink.write([entry("meanwhile")] * 10)
        until(lambda: sink._cause, "a failure")
        other.execute("ALTER TABLE Away RENAME TO InternetLog")
        other.commit()
    until(lambda: len(rows(file)) == 11, "all rows")
    assert sink.write([entry("after")]) is None
    until(lambda: len(rows(file)) == 12, "the last row")


def test_O08_that_rows_wait_is_told_once_each_time_that_it_begins(
    sink: OdbcSink, file: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(odbc, "_QUIET", 0.0)
    refused: list[bool] = []
    tell = OdbcSink._tell
    monkeypatch.setattr(OdbcSink, "_tell", lambda self: (refused.append(True), tell(self)))
    for times in (1, 2):
        refused.clear()
        with closing(sqlite3.connect(file)) as other:
            other.execute("ALTER TABLE InternetLog RENAME TO Away")
            sink.write([entry()] * 3)
            until(lambda: len(refused) > 2, "refusals")
            other.execute("ALTER TABLE Away RENAME TO InternetLog")
            other.commit()
        until(lambda times=times: len(rows(file)) == 3 * times, "the rows")
    assert [count for count, _ in told] == [3, 3]
    assert "no such table" in told[0][1]


def test_O08_a_database_that_comes_and_goes_is_not_told_of_each_time(sink: OdbcSink, told: Told) -> None:
    for _ in range(3):
        sink._tell()
        sink._told_waiting = False  # as after a success
    assert len(told) == 1


def test_O08_beyond_the_bound_rows_are_lost_and_counted(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(odbc, "WAITING_LIMIT", 5)
    sink = OdbcSink(replace(database, source="Driver=/nowhere/at/all.so", password="sesame"), SITE, Told())
    assert sink.write([entry()] * 3) is None
    until(lambda: sink._cause, "a failure")
    loss = sink.write([entry()] * 4)
    assert loss is not None
    assert loss.entries == 2
    assert "nowhere" in loss.cause
    left = sink.close(3.0)
    assert left is not None
    assert left.entries == 5


def test_a_row_that_the_database_does_not_take_is_lost_alone(sink: OdbcSink, file: Path) -> None:
    with closing(sqlite3.connect(file)) as other:
        other.execute(
            "CREATE TRIGGER picky BEFORE INSERT ON InternetLog WHEN NEW.Parameters = 'bad' "
            "BEGIN SELECT RAISE(ABORT, 'not this one'); END"
        )
        other.commit()
    sink.write([entry("1"), entry("bad"), entry("2"), entry("3")])
    until(lambda: len(rows(file)) == 3, "the other rows")
    loss = until(lambda: sink.write([entry("4")]), "the loss")
    assert loss.entries == 1
    assert "not this one" in loss.cause


def test_what_waits_is_written_at_the_end(database: Database, file: Path) -> None:
    sink = OdbcSink(database, SITE, Told())
    sink.write([entry()] * 1_200)
    assert sink.close(3.0) is None
    assert len(rows(file)) == 1_200


def test_O06_no_fault_shows_the_password() -> None:
    database = Database("HTTPLOG", "InternetLog", "ann", "se}s;ame")
    assert database.connection_string == "DSN=HTTPLOG;UID={ann};PWD={se}}s;ame}"
    assert "se}s;ame" not in repr(database)
    assert database.told(OSError("no such account with se}s;ame")) == "no such account with ***"
    assert Database("Driver=x;Server=y;", "t", "ann").connection_string == "Driver=x;Server=y;UID={ann}"


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(odbc, "optional_library", lambda name: None)
    with pytest.raises(Misconfigured, match=re.escape("python3-pyodbc")):
        require_odbc()
    assert optional.optional_library("no_library_is_called_so") is None
