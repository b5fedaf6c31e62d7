"""The databases of protocol logs: whether each is reached, and has the table."""

import asyncio
from collections.abc import AsyncIterator, Mapping

from mailroot.edge.protocollog.odbc import Database, database_of, require_odbc
from mailroot.edge.protocollog.trial import Reached, Trial, try_database
from mailroot.mail.faults import Misconfigured
from mailroot.service.doctor.finding import Finding, Patient, fault, ok, warning
from mailroot.settings.log import LogFormat

_PATIENCE = 15.0
# By the SQLSTATE, as unixODBC and the drivers give it.
_MENDS = {
    "01000": "install the driver of the database; odbcinst -q -d lists those that are there",
    "IM002": "name the data source in /etc/odbc.ini and its driver in /etc/odbcinst.ini; odbcinst -j shows which count",
    "28000": "check odbc_username and odbc_password, and whether the account may come from this machine",
}
_AWAY = "see whether the database runs, and whether a firewall stands before it"
_NO_DRIVER = "Can't open lib"


async def check(patient: Patient) -> AsyncIterator[Finding]:
    """The database of each virtual server that logs into one; the same one is tried once."""
    wanted = _wanted(patient)
    if not wanted:
        yield ok("logs", "no protocol log goes into a database")
        return
    try:
        require_odbc()
    except Misconfigured:
        said = "a protocol log goes into a database, and this machine has no library pyodbc for it"
        yield fault("logs", said, 'install the extra "odbc" or the package python3-pyodbc')
        return
    databases = list(dict.fromkeys(wanted.values()))
    trials = await asyncio.gather(*(try_database(one, _PATIENCE) for one in databases))
    found = dict(zip(databases, trials, strict=True))
    for key, database in wanted.items():
        yield _judged(key, database, found[database])


def _wanted(patient: Patient) -> Mapping[str, Database]:
    logs = {key: server.general.log for key, server in patient.settings.servers.items()}
    return {key: database_of(log) for key, log in logs.items() if log.enabled and log.format is LogFormat.ODBC}


def _judged(key: str, database: Database, trial: Trial) -> Finding:
    match trial.reached:
        case Reached.ROWS:
            return ok(key, f"the database is reached, and the table {database.table} takes rows")
        case Reached.TABLE:
            said = f"the table {database.table} is there, but it may be that it takes no rows: {trial.said}"
            return warning(key, said, "let the account insert rows there")
        case Reached.DATABASE:
            said = f"the database is reached, but not the table {database.table} with its columns: {trial.said}"
            return fault(key, said, "make the table as docs/logs.md shows it, or set general.log.odbc_table")
        case Reached.NOTHING:
            what = "the driver is missing" if _NO_DRIVER in trial.said else "the database cannot be reached"
            return fault(key, f"{what}: {trial.said}", _MENDS.get(trial.state, _AWAY))
