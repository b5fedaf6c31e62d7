"""Whether the database of a protocol log is reached and takes rows. None is written for that."""

import asyncio
import contextlib
import enum
import threading
from dataclasses import dataclass
from typing import Any

from mailroot.edge.protocollog.odbc import COLUMNS, Database, connected


class Reached(enum.Enum):
    """How far one gets."""

    NOTHING = "not the database"
    DATABASE = "the database, but no such table with such columns"
    TABLE = "the table, but it may be that it takes no rows"
    ROWS = "rows can be written"


@dataclass(frozen=True, slots=True)
class Trial:
    """How far one got; what the driver said where it was not far enough, and its SQLSTATE."""

    reached: Reached
    said: str = ""
    state: str = ""


async def try_database(database: Database, patience: float) -> Trial:
    """Try to reach the table, in so many seconds. The library is there (`require_odbc`)."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[Trial] = loop.create_future()

    def settle(trial: Trial) -> None:
        if not found.done():
            found.set_result(trial)

    def work() -> None:
        trial = _tried(database)
        with contextlib.suppress(RuntimeError):  # nobody waits any more
            loop.call_soon_threadsafe(settle, trial)

    # No thread of a pool: a driver may take its time, and the end of the process does not wait for this one.
    threading.Thread(target=work, name="odbc trial", daemon=True).start()
    try:
        async with asyncio.timeout(patience):
            return await found
    except TimeoutError:
        return Trial(Reached.NOTHING, f"no answer within {patience:g} seconds")


def _tried(database: Database) -> Trial:
    try:
        connection = connected(database)
    except Exception as fault:  # drivers raise what they like
        return _failed(database, Reached.NOTHING, fault)
    try:
        return _table_tried(database, connection)
    finally:
        with contextlib.suppress(Exception):
            connection.close()


def _table_tried(database: Database, connection: Any) -> Trial:
    """Insert no rows at all; whoever may do that may insert some. Not every database knows a SELECT without FROM."""
    nothing = ", ".join(["NULL"] * len(COLUMNS.split(",")))
    try:
        _run(connection, f"INSERT INTO {database.table} ({COLUMNS}) SELECT {nothing} WHERE 1 = 0")
    except Exception as fault:  # as above
        refused = fault
    else:
        return Trial(Reached.ROWS)
    try:
        _run(connection, f"SELECT {COLUMNS} FROM {database.table} WHERE 1 = 0")  # noqa: S608 - a word
    except Exception:  # as above
        return _failed(database, Reached.DATABASE, refused)
    return _failed(database, Reached.TABLE, refused)


def _run(connection: Any, statement: str) -> None:
    try:
        connection.cursor().execute(statement)
    finally:
        connection.rollback()


def _failed(database: Database, reached: Reached, fault: Exception) -> Trial:
    state = str(fault.args[0]) if fault.args else ""
    return Trial(reached, " ".join(database.told(fault).removeprefix(f"{state} ").split()), state)
