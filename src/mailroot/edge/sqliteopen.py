"""Opening a shard: its lock, its database, what a dead process left behind.

The log is carried over into the database before the first new transaction. So after a failed sync, when the kernel
may show pages that are not on the disk, what is built upon is synced again, and nothing new depends on it.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import apsw

from mailroot.edge.contentfiles import ContentFolder
from mailroot.edge.diskreserve import DiskReserve
from mailroot.edge.durable import sync_folder, translated
from mailroot.edge.queries import queries
from mailroot.edge.shardlock import ShardLock
from mailroot.edge.sqlitetables import Tables
from mailroot.mail.faults import DiskFull, Misconfigured, Unavailable
from mailroot.queue.recovery import SUSPECT_AFTER

_SQL = queries("queue.sql")
_SCHEMA_VERSION = 1


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
        try:
            self.connection.close(force=True)
        except apsw.Error:
            # A connection that failed is of no use to anybody; its lock must go.
            pass
        self.reserve.close()
        self.lock.release()


def open_shard(shard: Shard, folder: ContentFolder) -> Opened:
    """Open a shard and put it in order.

    Raises `Misconfigured` where another process has it or its database is damaged (the file is left as it is),
    `Unavailable` where it cannot be opened now.
    """
    folder.make()
    lock = ShardLock(shard.database.with_suffix(".lock"))
    try:
        with translated(f"opening the queue {shard.database}"):
            reserve = DiskReserve(shard.database.with_suffix(".reserve"))
        connection = apsw.Connection(str(shard.database), vfs=shard.vfs)
        tables = _prepare(connection, shard, folder)
        with translated("putting the queue in order"):
            sync_folder(shard.database.parent)
            found = Recovered(_recover(connection, tables, shard), tables.sweep())
    except apsw.Error as fault:
        lock.release()
        raise _translated(fault, shard.database) from fault
    except BaseException:
        lock.release()
        raise
    return Opened(connection, tables, reserve, lock, found)


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
    elif version != _SCHEMA_VERSION:
        raise Misconfigured(f"{shard.database}: written by another version of Mailroot (format {version})")
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    tables = Tables(connection, folder, shard.aside)
    tables.expect_waits_of(shard.longest_wait)
    return tables


def _run(connection: apsw.Connection, name: str) -> None:
    connection.execute(_SQL[name]).fetchall()


def _recover(connection: apsw.Connection, tables: Tables, shard: Shard) -> int:
    connection.execute("BEGIN IMMEDIATE")
    recovered = tables.recover(shard.now(), SUSPECT_AFTER)
    connection.execute("COMMIT")
    return recovered


def _translated(fault: apsw.Error, database: Path) -> Unavailable | Misconfigured:
    if isinstance(fault, apsw.CorruptError | apsw.NotADBError):
        return Misconfigured(
            f"{database}: the database is damaged ({fault}); it was left as it is. Move it and its -wal file away "
            "to start with an empty queue; 'sqlite3 FILE .recover' reads what can be read"
        )
    if isinstance(fault, apsw.FullError):
        return DiskFull(f"{database}: no room to open the queue")
    if isinstance(fault, apsw.CantOpenError | apsw.PermissionsError | apsw.ReadOnlyError):
        return Misconfigured(f"{database}: cannot be opened for writing: {fault}")
    return Unavailable(f"{database}: {fault}")
