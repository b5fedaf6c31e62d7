"""The protocol log in a database, in the predecessor's table (facts 6).

A thread of its own talks to the database, as that may take its time. While the database is away, rows wait; beyond a
bound they are lost and counted, and so is what still waits at the end. Mail never waits.
"""

import datetime as dates
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mailroot.edge.optional import optional_library
from mailroot.edge.protocollog.entry import NOTHING, Entry, Loss
from mailroot.edge.protocollog.forms import Site
from mailroot.mail.faults import Misconfigured
from mailroot.settings.log import Log

WAITING_LIMIT = 20_000
_BATCH = 500
_CONNECT_WAIT, _QUERY_WAIT = 10, 30
# Seconds until the database is tried again, doubled each time up to the second figure.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
# Seconds until it is told again that rows wait, where the database comes and goes.
_QUIET = 60.0
# After so many refusals on end it is not the rows, but the database.
_HOPELESS = 5
_LONGEST_TEXT = 255
_LARGEST_NUMBER = 2**31 - 1
COLUMNS = (
    "ClientHost, Username, LogTime, Service, Machine, ServerIP, ProcessingTime, BytesRecvd, BytesSent, ServiceStatus, "
    "Win32Status, Operation, Target, Parameters"
)

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Database:
    """Where rows go. `source` is the name of a data source, or a connection string."""

    source: str
    table: str
    username: str = ""
    password: str = field(default="", repr=False)

    @property
    def connection_string(self) -> str:
        """What ODBC is given."""
        parts = [self.source.rstrip(";") if "=" in self.source else f"DSN={self.source}"]
        parts += [f"{key}={_quoted(value)}" for key, value in (("UID", self.username), ("PWD", self.password)) if value]
        return ";".join(parts)

    def told(self, fault: Exception) -> str:
        """What went wrong, without the password."""
        text = " ".join(str(part) for part in fault.args) or repr(fault)
        return text.replace(self.password, "***") if self.password else text


def _quoted(value: str) -> str:
    return "{" + value.replace("}", "}}") + "}"


def require_odbc() -> None:
    """Raises `Misconfigured` where this machine has no library for it."""
    if optional_library("pyodbc") is None:
        lacking = 'general.log.format = "odbc" needs the library pyodbc'
        raise Misconfigured(f'{lacking}: install the extra "odbc" or the package python3-pyodbc')


def database_of(log: Log) -> Database:
    """The database that settings name."""
    return Database(log.odbc_source, log.odbc_table, log.odbc_username, log.odbc_password)


def connected(database: Database) -> Any:
    """A new connection, on which nothing is committed by itself. Raises what the driver likes."""
    library: Any = optional_library("pyodbc")
    assert library is not None  # `require_odbc` has found it
    library.pooling = False  # or a connection that is broken comes back
    connection = library.connect(database.connection_string, timeout=_CONNECT_WAIT, autocommit=False)
    try:
        connection.timeout = _QUERY_WAIT
    except library.Error:  # not every driver can
        pass
    return connection


class OdbcSink:
    """Writes entries into a table. `write` and `close` are called by one thread, the database by another.

    `waits` hears once, in that other thread, that the database takes no rows: how many wait, and why.
    """

    tells_local = True

    def __init__(self, database: Database, site: Site, waits: Callable[[int, str], None]) -> None:
        self._database = database
        self._site = site
        self._tell_waiting = waits
        self._told_waiting, self._quiet_until = False, 0.0
        self._insert = f"INSERT INTO {database.table} ({COLUMNS}) VALUES ({', '.join('?' * 14)})"  # noqa: S608 - a word
        self._rows: deque[Row] = deque()
        self._guard = threading.Lock()
        self._lost = 0
        self._cause = ""
        self._wake, self._ending = threading.Event(), threading.Event()
        self._connection: Any = None
        self._thread = threading.Thread(target=self._work, name="odbc log", daemon=True)
        self._thread.start()

    def write(self, entries: Sequence[Entry]) -> Loss | None:
        """Take the entries over; what was lost meanwhile, None where nothing was."""
        rows = [row_of(entry, self._site) for entry in entries]
        with self._guard:
            room = max(WAITING_LIMIT - len(self._rows), 0)
            self._rows.extend(rows[:room])
            self._lost += len(rows) - min(room, len(rows))
        self._wake.set()
        return self._loss()

    def close(self, patience: float) -> Loss | None:
        """Write what waits, if that can be had in time, and end."""
        self._ending.set()
        self._wake.set()
        self._thread.join(patience)
        with self._guard:
            self._lost += len(self._rows)
            self._rows.clear()
        return self._loss()

    def _loss(self) -> Loss | None:
        with self._guard:
            lost, self._lost = self._lost, 0
            cause = self._cause or "the database takes rows too slowly"
        return Loss(lost, cause) if lost else None

    # -- the thread

    def _work(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._rows:
                if self._carried():
                    pause, self._told_waiting = _FIRST_PAUSE, False
                    continue
                if not self._ending.is_set():
                    self._tell()
                if self._ending.wait(pause):
                    break
                pause = min(pause * 2, _LONGEST_PAUSE)
            if self._ending.is_set():
                self._disconnect()
                return

    def _tell(self) -> None:
        """Tell that rows wait, once until some are written, and not too often where that goes to and fro."""
        if self._told_waiting or time.monotonic() < self._quiet_until:
            return
        self._told_waiting, self._quiet_until = True, time.monotonic() + _QUIET
        self._tell_waiting(len(self._rows), self._cause)

    def _carried(self) -> bool:
        """Whether rows were carried over: written, or refused by a database that takes others."""
        with self._guard:
            rows = [self._rows[place] for place in range(min(_BATCH, len(self._rows)))]
        try:
            self._connect()
            done, refused = self._inserted(rows)
        except Exception as fault:  # drivers raise what they like; whatever it is, the database is away
            self._cause = self._database.told(fault)
            self._disconnect()
            return False
        with self._guard:
            self._lost += refused
            for _ in range(min(done + refused, len(self._rows))):
                self._rows.popleft()
        if not done:
            self._disconnect()
        return done > 0

    def _inserted(self, rows: list[Row]) -> tuple[int, int]:
        """How many of the first rows are written, and how many among them the database does not take."""
        cursor = self._connection.cursor()
        try:
            cursor.executemany(self._insert, rows)
            self._connection.commit()
        except Exception:  # as above; one row may be the reason
            self._connection.rollback()
        else:
            return len(rows), 0
        done = refused = in_a_row = 0
        for row in rows:
            try:
                cursor.execute(self._insert, row)
                self._connection.commit()
            except Exception as fault:  # as above
                self._connection.rollback()
                self._cause = self._database.told(fault)
                in_a_row += 1
                if in_a_row == _HOPELESS:
                    break
            else:
                done, refused, in_a_row = done + 1, refused + in_a_row, 0
        return done, refused

    def _connect(self) -> None:
        if self._connection is None:
            self._connection = connected(self._database)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except Exception:  # noqa: S110 - it is of no use any more
                pass


def row_of(entry: Entry, site: Site) -> Row:
    """The row of an entry; times are those of the machine's zone."""
    at, party, username, method, query, status, win32, sent, received, taken, _, _ = entry
    moment = dates.datetime.fromtimestamp(int(at))  # the column has no zone
    texts = [party.address, username, site.instance, site.machine, party.local, method, NOTHING, query]
    client, name, service, machine, server, operation, target, parameters = (text[:_LONGEST_TEXT] for text in texts)
    counts = [min(count, _LARGEST_NUMBER) for count in (taken, received, sent, int(status), win32)]
    return (client, name, moment, service, machine, server, *counts, operation, target, parameters)
