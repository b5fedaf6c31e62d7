"""Opening a shard: its lock, its database, what a dead process left behind.

The log is carried over into the database before the first new transaction. So after a failed sync, when the kernel
may show pages that are not on the disk, what is built upon is synced again, and nothing new depends on it.
"""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import apsw

from mailroot.edge.files.contents import ContentFolder, remove
from mailroot.edge.files.durable import sync_folder, translated
from mailroot.edge.sqlite.lock import ShardLock
from mailroot.edge.sqlite.queries import queries
from mailroot.edge.sqlite.reserve import DiskReserve
from mailroot.edge.sqlite.rows import number_of
from mailroot.edge.sqlite.tables import Tables
from mailroot.mail.faults import DiskFull, Misconfigured, Unavailable
from mailroot.queue.recovery import SUSPECT_AFTER

_SQL = queries("queue.sql")
_SCHEMA_VERSION = 3
_UPGRADES = {
    1: "upgrade_from_1",
    2: "upgrade_from_2",
}  # by the version that they begin with; each ends with the next one
_STATEMENTS = 200  # that stay prepared: all of `queue.sql`, and the inserts of each number of rows
_LITTLE = 256 * 1024  # octets: less than a log and its index need


@dataclass(frozen=True, slots=True)
class Shard:
    """What identifies a shard, and how it is opened. `vfs` names the SQLite VFS; None for the system's own."""

    home: Path
    name: str
    now: Callable[[], datetime]
    aside: Callable[[str, str], None]
    longest_wait: timedelta
    vfs: str | None = None

    @property
    def database(self) -> Path:
        """The database file."""
        return self.home / "Queue" / f"{self.name}.db"


@dataclass(frozen=True, slots=True)
class Recovered:
    """What opening a shard found: `recovered` recipients with void leases, `swept` files without an entry."""

    recovered: int
    swept: int


@dataclass(frozen=True, slots=True)
class Opened:
    """An open shard."""

    connection: apsw.Connection
    tables: Tables
    reserve: DiskReserve
    lock: ShardLock
    found: Recovered

    def close(self) -> None:
        """Let everything go, without a word to the database."""
        _abandon(self.connection)
        self.reserve.close()
        self.lock.release()


def open_shard(shard: Shard, folder: ContentFolder) -> Opened:
    """Open a shard and put it in order.

    Raises `Misconfigured` where another process has it or its database is damaged (the file is left as it is),
    `Unavailable` where it cannot be opened now.
    """
    folder.make()
    with contextlib.ExitStack() as undo:
        lock = ShardLock(shard.database.with_suffix(".lock"))
        undo.callback(lock.release)
        with translated(f"opening the queue {shard.database}"):
            reserve = DiskReserve(shard.database.with_suffix(".reserve"))
            undo.callback(reserve.close)
            sync_folder(shard.database.parent)
        try:
            connection, tables, recovered = _opened(shard, folder)
        except DiskFull:
            # There is no room for the log's index. With the reserve, what waits can leave.
            if not reserve.there:
                raise
            reserve.release()
            connection, tables, recovered = _opened(shard, folder)
        undo.callback(_abandon, connection)
        with translated("sweeping the queue's folders"):
            found = Recovered(recovered, _sweep(tables, folder))
            sync_folder(shard.database.parent)
        undo.pop_all()
        return Opened(connection, tables, reserve, lock, found)


def _opened(shard: Shard, folder: ContentFolder) -> tuple[apsw.Connection, Tables, int]:
    """The open database, and how many leases were void."""
    with contextlib.ExitStack() as undo:
        try:
            connection = apsw.Connection(str(shard.database), vfs=shard.vfs, statementcachesize=_STATEMENTS)
            undo.callback(_abandon, connection)
            tables = _prepare(connection, shard, folder)
            recovered = _recover(connection, tables, shard)
        except apsw.Error as fault:
            raise _translated(fault, shard.database) from fault
        undo.pop_all()
        return connection, tables, recovered


def _abandon(connection: apsw.Connection) -> None:
    """Close a connection without a word to the database; one that failed is of no use, but its locks must go."""
    with contextlib.suppress(apsw.Error):
        connection.close(force=True)


def _prepare(connection: apsw.Connection, shard: Shard, folder: ContentFolder) -> Tables:
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    _run(connection, "pragma_before_creation")
    _run(connection, "pragmas")
    (version,) = next(iter(connection.execute("PRAGMA user_version")))
    if version == 0:
        connection.execute("BEGIN IMMEDIATE")
        _run(connection, "schema")
        connection.execute(_SQL["create_store"], (int.from_bytes(os.urandom(4)),))
        connection.execute("COMMIT")
    elif version in _UPGRADES:
        _upgrade(connection, version)
    elif version != _SCHEMA_VERSION:
        raise Misconfigured(f"{shard.database}: written by another version of Mailroot (format {version})")
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    tables = Tables(connection, folder, shard.aside)
    tables.expect_waits_of(shard.longest_wait)
    return tables


def _upgrade(connection: apsw.Connection, version: int) -> None:
    """Bring an older database to the present schema: all of it or nothing, so that a crash leaves it as it was."""
    connection.execute("BEGIN IMMEDIATE")
    while version != _SCHEMA_VERSION:
        _run(connection, _UPGRADES[version])
        version += 1
    connection.execute("COMMIT")


def _run(connection: apsw.Connection, name: str) -> None:
    connection.execute(_SQL[name]).fetchall()


def _recover(connection: apsw.Connection, tables: Tables, shard: Shard) -> int:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(_SQL["count_void_leases"], {"suspect": SUSPECT_AFTER})
    recovered = tables.void_leases(shard.now())
    connection.execute("COMMIT")
    tables.reload()
    return recovered


def _sweep(tables: Tables, folder: ContentFolder) -> int:
    """Remove contents that no entry has, and drafts of the process before; how many there were."""
    numbers = {number_of(tables.tag, key): key for key in folder.entry_keys()}
    known = tables.expect_files(numbers)
    orphans = [folder.entry_file(key) for number, key in numbers.items() if number not in known]
    return sum(remove(path) for path in orphans) + folder.sweep_drafts()


def _tells_of_full_disk(fault: apsw.Error, database: Path) -> bool:
    """SQLite calls it an I/O error where there is no room for the log's index."""
    if isinstance(fault, apsw.FullError):
        return True
    with contextlib.suppress(OSError):
        disk = os.statvfs(database.parent)
        return isinstance(fault, apsw.IOError) and disk.f_bavail * disk.f_frsize < _LITTLE
    return False


def _translated(fault: apsw.Error, database: Path) -> Unavailable | Misconfigured:
    if isinstance(fault, apsw.CorruptError | apsw.NotADBError):
        return Misconfigured(
            f"{database}: the database is damaged ({fault}); it was left as it is. Move it and its -wal file away "
            "to start with an empty queue; 'sqlite3 FILE .recover' reads what can be read"
        )
    if _tells_of_full_disk(fault, database):
        return DiskFull(f"{database}: no room to open the queue; make room on the disk")
    if isinstance(fault, apsw.CantOpenError | apsw.PermissionsError | apsw.ReadOnlyError):
        return Misconfigured(f"{database}: cannot be opened for writing: {fault}")
    return Unavailable(f"{database}: {fault}")
