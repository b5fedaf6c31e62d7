"""Delivery into Drop folders: one `.eml` per message and folder, durable before it is reported as delivered.

Deliveries that come while a group of files is being made durable share the next group. A run that dies between the
rename and the settlement finds the file by its name and makes no second one; only if the polling program has taken the
file away in that moment can the repetition double it (nothing can tell the two apart then).
"""

import asyncio
import errno
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from mailroot.edge.dropfolder import drop_file
from mailroot.edge.dropquota import DropQuota
from mailroot.edge.folder import Permissions
from mailroot.edge.wholefiles import GROUP_LIMIT, NewFile, Staged, WholeFiles, appear, sync_contents, sync_names
from mailroot.mail.faults import Unavailable
from mailroot.mail.status import Disposition, Status
from mailroot.routing.route import DropRoute
from mailroot.service.delivery import Delivery

_DELIVERED = Status(Disposition.DELIVERED, "2.1.5", "Delivered to Drop")
_FULL = Status(Disposition.DELAYED, "4.2.2", "Mailbox Full: the Drop folder has reached its quota")
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_RIGHT = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ELOOP}

_Given = TypeVar("_Given")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class _Job:
    """A file that somebody waits for."""

    file: NewFile
    in_memory: bool
    done: asyncio.Future[OSError | Unavailable | None]

    def finish(self, outcome: OSError | Unavailable | RuntimeError | None) -> None:
        """Tell the outcome to who waits, if anybody still does."""
        if self.done.done():
            return
        if isinstance(outcome, RuntimeError):
            self.done.set_exception(outcome)
        else:
            self.done.set_result(outcome)


class DropCarrier:
    """Carries deliveries into Drop folders (`service.delivery.Carrier` for `DropRoute`)."""

    def __init__(
        self,
        writer: str,
        permissions: Permissions,
        quota: Callable[[str], int] = lambda _folder: 0,
    ) -> None:
        """Make a carrier.

        `writer` names this worker of this virtual server among all that write to the same folders, before and after a
        restart. `quota` gives a folder's limit in octets, 0 where it has none.
        """
        self._files = WholeFiles(writer, permissions)
        self._quota = DropQuota(quota)
        self._thread = ThreadPoolExecutor(1, "drop")
        self._waiting: list[_Job] = []
        self._group: asyncio.Task[None] | None = None

    async def prepare(self, folders: Iterable[str]) -> None:
        """Make missing folders, and sweep what a dead run left half written. Raises `OSError`."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._files.open, list(folders))

    def permit(self, permissions: Permissions) -> None:
        """Give what is made from now on these permissions."""
        self._files.permissions = permissions

    def over_quota(self, folder: str) -> bool:
        """Whether the folder has reached its quota, as far as is known; cheap enough for every RCPT."""
        self._measure(folder)
        return self._quota.exceeded(folder)

    async def carry(self, delivery: Delivery) -> Mapping[int, Status]:
        """Deliver one message into its folder; see `Carrier.carry`."""
        route = delivery.route
        if not isinstance(route, DropRoute):
            raise TypeError(f"a Drop folder is no place for {route}")
        if self.over_quota(route.folder):
            return dict.fromkeys((one.number for one in delivery.pending), _FULL)
        new = drop_file(delivery.entry, delivery.pending, route.domain, route.folder)
        job = _Job(new, delivery.entry.content.in_memory, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        if self._group is None:
            self._group = asyncio.create_task(self._write_groups())
        fault = await job.done
        if fault is None:
            self._quota.add(route.folder, delivery.entry.content.size)
        status = _DELIVERED if fault is None else _delayed(fault, route.folder)
        return dict.fromkeys((one.number for one in delivery.pending), status)

    async def close(self) -> None:
        """Finish the deliveries that were begun and close the folders."""
        if self._group is not None:
            await self._group
        await asyncio.get_running_loop().run_in_executor(self._thread, self._files.close)
        self._thread.shutdown()

    async def _write_groups(self) -> None:
        group: list[_Job] = []
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:GROUP_LIMIT], self._waiting[GROUP_LIMIT:]
                await self._write(group)
        finally:
            self._group = None
            for job in [*group, *self._waiting]:  # only a programming mistake leaves any
                job.finish(RuntimeError("the group of Drop files was not written"))

    async def _write(self, group: Sequence[_Job]) -> None:
        """Write a group of files, make it durable and visible, and tell those who wait.

        Only the syncs (and long or remote writes) are the thread's: after each system call a thread must get the
        interpreter lock back, which under a busy loop costs up to 5 ms; eight times the throughput was measured so.
        """
        self._files.refresh()
        staged: list[Staged] = []
        jobs: list[_Job] = []
        for job in group:
            try:
                staged.append(await self._stage(job))
                jobs.append(job)
            except (OSError, Unavailable) as fault:
                job.finish(fault)
        await self._in_thread(sync_contents, staged)
        for one in staged:
            appear(one)
        await self._in_thread(sync_names, staged)
        for job, one in zip(jobs, staged, strict=True):
            job.finish(one.fault)

    async def _stage(self, job: _Job) -> Staged:
        if job.in_memory and self._files.quick(job.file.folder):
            return self._files.stage(job.file)
        return await self._in_thread(self._files.stage, job.file)

    async def _in_thread(self, call: Callable[[_Given], _Result], given: _Given) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, given)

    def _measure(self, folder: str) -> None:
        """Have the folder's size taken again in the thread where what is known of it is old."""
        if self._quota.stale(folder, asyncio.get_running_loop().time()):
            self._thread.submit(functools.partial(self._quota.measure, folder))


def _delayed(fault: OSError | Unavailable, folder: str) -> Status:
    """What a failure means for the recipients: they wait, and the reason names the folder."""
    number = fault.errno if isinstance(fault, OSError) else None
    why = fault.strerror if isinstance(fault, OSError) else str(fault)
    if number in _NO_ROOM:
        return Status(Disposition.DELAYED, "4.3.1", f"No room in the Drop folder {folder}: {why}")
    if number in _NO_RIGHT:
        return Status(Disposition.DELAYED, "4.3.5", f"The Drop folder {folder} cannot be used: {why}")
    return Status(Disposition.DELAYED, "4.3.0", f"The Drop folder {folder} failed: {why}")
