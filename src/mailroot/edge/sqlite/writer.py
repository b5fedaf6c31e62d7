"""The writer of the embedded queue: one thread, one connection, and one transaction and one sync for all that waits.

Requests that come while a transaction is being made durable form the next group (`gathering`). What a group answers is
given to the event loop in one call. Checkpoints follow the answers, so nobody waits for them but the next group.
"""

import threading
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import apsw

from mailroot.edge.files.contents import FileContent, remove
from mailroot.edge.files.durable import fault_of
from mailroot.edge.scheduling import wait_when_waking
from mailroot.edge.sqlite.gathering import Gathering, Request
from mailroot.edge.sqlite.opening import Opened
from mailroot.edge.sqlite.rows import DraftRow
from mailroot.edge.sqlite.tables import Tables
from mailroot.mail.faults import DiskFull, Fault, StoreFailed, Unavailable
from mailroot.queue.entry import Lease, QueueEntry
from mailroot.queue.store import Taken

_WAL_PAGES = 4096  # the log is carried over into the database when it is this long: 16 MB
_FREE_PAGES = 2048  # that are kept for the next messages instead of being given back to the file system


class Writer:
    """Works requests off in groups until it is told to end; after a failed sync it refuses everything."""

    def __init__(self, loop: AbstractEventLoop, now: Callable[[], datetime]) -> None:
        self._loop = loop
        self._now = now
        self._gathering = Gathering(loop)
        self._ended = False
        self._failed: StoreFailed | None = None
        self._log_pages = 0
        self._thread: threading.Thread | None = None

    def start(self, name: str, opening: Callable[[], Opened]) -> "Future[None]":
        """Start the thread; the result is there once `opening`, which runs in it, has opened the shard."""
        opened: Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, args=(opening, opened), name=name, daemon=True)
        self._thread.start()
        return opened

    def submit(self, request: Request) -> "Future[Any]":
        """Queue a request; its future gets the result."""
        if self._ended:
            request.future.set_exception(Unavailable("the queue is closed"))
        else:
            self._gathering.put(request)
        return request.future

    def end(self) -> "Future[None]":
        """Finish what was queued, then close; the result is there when the thread is about to end."""
        ended: Future[None] = self._loop.create_future()
        if self._ended:
            ended.set_result(None)
            return ended
        self._ended = True
        self._end = ended
        self._gathering.end()
        return ended

    # --- in the thread --------------------------------------------------------------------------------------------

    def _run(self, opening: Callable[[], Opened], opened: "Future[None]") -> None:
        try:
            wait_when_waking()
            self._opened = opening()
        except BaseException as fault:
            # Whatever it is, the one who waits for the opening must hear it.
            self._tell(_tell_fault, opened, fault)
            return
        self._connection, self._tables = self._opened.connection, self._opened.tables
        self._reserve = self._opened.reserve
        self._connection.set_wal_hook(self._note_log)
        self._tell(_finish, opened)
        going = True
        while going:
            group, going = self._gathering.next_group()
            if group:
                self._work(group)
                self._tell(self._answer, group)
            self._keep_house(idle=not group)
        self._close()
        self._tell(_finish, self._end)

    def _tell(self, call: Callable[..., object], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:
            # The loop is closed: nobody is left who could hear the answer.
            self._ended = True

    def _note_log(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._log_pages = pages
        return 0

    def _work(self, group: list[Request]) -> None:
        if self._failed is None:
            if not self._reserve.there and not self._reserve.restore():
                self._refuse([request for request in group if request.commits], DiskFull("the queue's disk is full"))
            try:
                self._try(group)
            except DiskFull as full:
                # What brings messages is refused; what makes room has the reserve for it.
                self._reserve.release()
                self._refuse([request for request in group if request.commits], full)
                self._try_again(group)
            except Fault as fault:
                self._refuse(group, fault)
        if self._failed is not None:
            self._refuse(group, self._failed)

    def _try_again(self, group: list[Request]) -> None:
        try:
            self._try(group)
        except Fault as fault:
            self._refuse(group, fault)

    def _refuse(self, requests: Sequence[Request], fault: Fault) -> None:
        for request in requests:
            request.fault = request.fault or fault
            if request.commits and not isinstance(fault, StoreFailed):  # undone for certain: nobody needs the content
                for row in request.rows:
                    _drop_file(row)

    def _try(self, group: list[Request]) -> None:
        """One transaction for those of the group that have no fault yet. Raises `DiskFull` once it is undone."""
        group = [request for request in group if request.fault is None]
        if not group:
            return
        try:
            self._transact(group)
            self._tables.committed()
        except apsw.FullError as fault:
            self._undo()
            raise DiskFull(f"no room for the queue: {fault}") from fault
        except (apsw.Error, OSError) as fault:
            self._fail(fault)
        except Fault:
            self._undo()
            raise
        except Exception as fault:
            # A mistake in the program: it must not leave callers waiting.
            self._undo()
            for request in group:
                request.fault = fault

    def _transact(self, group: list[Request]) -> None:
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        self._insert(group)
        settlements = [settlement for request in group for settlement in request.settlements]
        if settlements:
            self._tables.settle(settlements, self._now())
        for request in group:
            if request.call is not None:
                request.result = request.call(self._tables)
        run("COMMIT")

    def _insert(self, group: list[Request]) -> None:
        known = self._known_claims(group)
        rows: list[DraftRow] = []
        owners: list[Request] = []
        for request in group:
            request.result = [] if request.settlements else None
            for row in request.rows:
                if row.draft.claim is None or _first_seen(row, known):
                    rows.append(row)
                    owners.append(request)
        if not rows:
            return
        first = self._tables.reserve(len(rows))
        contents = self._tables.adopt(rows, first)
        for request, entry in zip(owners, self._tables.insert(rows, first, contents), strict=True):
            if request.settlements:
                request.result.append(entry)
            else:
                request.result = entry

    def _known_claims(self, group: list[Request]) -> set[str]:
        claims = [row.draft.claim for request in group for row in request.rows if row.draft.claim is not None]
        return self._tables.known_claims(claims) if claims else set()

    def _undo(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._tables.reload()
        except (apsw.Error, OSError) as fault:
            self._fail(fault)

    def _fail(self, fault: apsw.Error | OSError) -> None:
        # The connection is given up as it is: no rollback, no checkpoint, no second sync.
        cause = str(fault_of(fault, "the queue")) if isinstance(fault, OSError) else f"{type(fault).__name__}: {fault}"
        self._failed = StoreFailed(f"the queue failed and is closed: {cause}")

    def _keep_house(self, idle: bool) -> None:
        """Carry the log over into the database when it is long or nobody waits, and give free pages back."""
        if self._failed is not None or not (idle or self._log_pages >= _WAL_PAGES):
            return
        try:
            if idle:
                self._give_back(keep=_FREE_PAGES if self._reserve.there else 0)
            if self._log_pages:
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
                self._log_pages = 0
        except apsw.FullError:
            # The log keeps everything until there is room in the database.
            self._undo()
        except apsw.Error as fault:
            self._fail(fault)

    def _give_back(self, keep: int) -> None:
        (free,) = next(iter(self._connection.execute("PRAGMA freelist_count")))
        if free > keep:
            self._connection.execute(f"PRAGMA incremental_vacuum({min(free - keep, _WAL_PAGES)})").fetchall()

    def _close(self) -> None:
        if self._failed is None:
            try:
                self._tables.void_leases(self._now())
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            except apsw.Error as fault:
                self._fail(fault)
        self._opened.close()

    # --- in the loop ----------------------------------------------------------------------------------------------

    def _answer(self, group: list[Request]) -> None:
        for request in group:
            if request.future.done():
                self._disown(request.result)
            elif request.fault is not None:
                request.future.set_exception(request.fault)
            else:
                request.future.set_result(request.result)

    def _disown(self, result: object) -> None:
        """Give back the leases of a caller that was cancelled and will never see them."""
        leases = result.leases if isinstance(result, Taken) else result
        for one in leases if isinstance(leases, list) else [leases]:
            entry = one.entry if isinstance(one, Lease) else one
            if isinstance(entry, QueueEntry):
                self.submit(Request(self._loop.create_future(), call=_release(entry, self._now)))


def _first_seen(row: DraftRow, known: set[str]) -> bool:
    """Whether the draft's claim is new; it is known from now on, and the content of its repetition is dropped."""
    claim = row.draft.claim
    if claim is None or claim in known:
        _drop_file(row)
        return False
    known.add(claim)
    return True


def _drop_file(row: DraftRow) -> None:
    """Remove the content of a draft that is not committed; it is the store's by now."""
    if isinstance(row.draft.content, FileContent):
        remove(row.draft.content.path)


def _release(entry: QueueEntry, now: Callable[[], datetime]) -> Callable[[Tables], None]:
    numbers = [pending.number for pending in entry.pending]
    return lambda tables: tables.release(entry.key, numbers, now(), now())


def _finish(ended: "Future[None]") -> None:
    if not ended.done():
        ended.set_result(None)


def _tell_fault(opened: "Future[None]", fault: BaseException) -> None:
    if not opened.done():
        opened.set_exception(fault)
