"""The doctor on protocol logs that go into a database, through the ODBC driver of SQLite."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from mailroot.edge.protocollog import odbc, trial
from mailroot.service.doctor import logs
from mailroot.service.doctor.finding import State
from tests.edge.protocollog.test_odbc import TABLE, driver, file  # noqa: F401 - fixtures
from tests.service.test_doctor import found, is_fault, is_warning, one, patient, settings

LOG = '[servers.{key}.general.log]\nformat = "odbc"\nodbc_source = "{source}"\n'


def logging_to(folder: Path, source: str, more: str = "") -> logs.Patient:
    return patient(settings(folder, more=LOG.format(key="default", source=source) + more))


async def test_where_no_log_goes_into_a_database(tmp_path: Path) -> None:
    assert (await one(logs.check, patient(settings(tmp_path)))).state is State.OK


async def test_a_database_with_the_table(tmp_path: Path, driver: str, file: Path) -> None:  # noqa: F811
    finding = await one(logs.check, logging_to(tmp_path, f"Driver={driver};Database={file}"))
    assert (finding.state, finding.said) == (
        State.OK,
        "the database is reached, and the table InternetLog takes rows",
    )
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT count(*) FROM InternetLog").fetchone() == (0,)


async def test_a_database_without_the_table_or_with_another(tmp_path: Path, driver: str) -> None:  # noqa: F811
    source = f"Driver={driver};Database={tmp_path / 'log.db'}"
    finding = await one(logs.check, logging_to(tmp_path, source))
    assert is_fault(finding, "is reached, but not the table InternetLog")
    assert "no such table" in finding.said
    with closing(sqlite3.connect(tmp_path / "log.db")) as database:
        database.execute("CREATE TABLE InternetLog (ClientHost varchar(255))")
        database.commit()
    assert is_fault(await one(logs.check, logging_to(tmp_path, source)), "no column named Username")


async def test_a_table_that_can_be_read_alone(tmp_path: Path, driver: str, file: Path) -> None:  # noqa: F811
    with closing(sqlite3.connect(file)) as database:
        database.executescript("ALTER TABLE InternetLog RENAME TO T; CREATE VIEW InternetLog AS SELECT * FROM T")
    finding = await one(logs.check, logging_to(tmp_path, f"Driver={driver};Database={file}"))
    assert is_warning(finding, "it may be that it takes no rows")


@pytest.mark.parametrize(
    ("source", "said", "mend"),
    [
        ("Driver=/nowhere/at/all.so", "the driver is missing: ", "odbcinst -q -d"),
        ("no such source", "the database cannot be reached: [IM002]", "/etc/odbc.ini"),
    ],
)
async def test_a_database_that_cannot_be_reached(tmp_path: Path, source: str, said: str, mend: str) -> None:
    pytest.importorskip("pyodbc")
    finding = await one(logs.check, logging_to(tmp_path, source))
    assert is_fault(finding, said)
    assert mend in finding.mend


async def test_a_machine_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(odbc, "optional_library", lambda _name: None)
    finding = await one(logs.check, logging_to(tmp_path, "HTTPLOG"))
    assert is_fault(finding, "no library pyodbc")
    assert "python3-pyodbc" in finding.mend


async def test_a_database_that_is_silent_is_tried_once_and_not_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[odbc.Database] = []

    def silent(database: odbc.Database) -> None:
        asked.append(database)
        time.sleep(1.0)

    monkeypatch.setattr(logs, "require_odbc", lambda: None)
    monkeypatch.setattr(trial, "connected", silent)
    monkeypatch.setattr(logs, "_PATIENCE", 0.05)
    other = (
        '[servers.other]\nhome = "Other"\n[servers.other.general]\nbindings = ["127.0.0.1:2"]\n'
        '[servers.other.delivery]\nfqdn = "o.test"\n[servers.other.domains."o.test"]\ntype = "default"\n'
    )
    who = logging_to(tmp_path, "HTTPLOG", other + LOG.format(key="other", source="HTTPLOG"))
    for finding in await found(logs.check, who):
        assert is_fault(finding, "cannot be reached: no answer within 0.05 seconds")
    assert len(asked) == 1
