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

from mailroot.edge.dropfolder import drop_file
from mailroot.edge.dropquota import DropQuota
from mailroot.edge.folder import Permissions
from mailroot.edge.wholefiles import GROUP_LIMIT, NewFile, Staged, WholeFiles
from mailroot.mail.faults import Fault, Unavailable
from mailroot.mail.status import Disposition, Status
from mailroot.routing.route import DropRoute
from mailroot.service.delivery import Delivery

_DELIVERED = Status(Disposition.DELIVERED, "2.1.5", "Delivered to Drop")
_FULL = Status(Disposition.DELAYED, "4.2.2", "Mailbox Full: the Drop folder has reached its quota")
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_RIGHT = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ELOOP}

_Job = tuple[NewFile, "asyncio.Future[OSError | Fault | None]"]


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
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((new, done))
        if self._group is None:
            self._group = asyncio.create_task(self._write_groups())
        fault = await done
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
        loop = asyncio.get_running_loop()
        group: list[_Job] = []
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:GROUP_LIMIT], self._waiting[GROUP_LIMIT:]
                files = [new for new, _ in group]
                outcomes = await loop.run_in_executor(self._thread, write_group, self._files, files)
                for (_, done), outcome in zip(group, outcomes, strict=True):
                    if not done.done():
                        done.set_result(outcome)
        finally:
            self._group = None
            for _, done in [*group, *self._waiting]:  # only a programming mistake leaves any
                if not done.done():
                    done.set_exception(RuntimeError("the group of Drop files was not written"))

    def _measure(self, folder: str) -> None:
        """Have the folder's size taken again in the thread where what is known of it is old."""
        if self._quota.stale(folder, asyncio.get_running_loop().time()):
            self._thread.submit(functools.partial(self._quota.measure, folder))


def write_group(files: WholeFiles, group: Sequence[NewFile]) -> list[OSError | Fault | None]:
    """Write a group of files and make it durable and visible; for each, None or why it could not be done."""
    files.refresh()
    outcomes: list[OSError | Fault | None] = [None] * len(group)
    staged: list[Staged] = []
    numbers: list[int] = []
    for number, new in enumerate(group):
        try:
            staged.append(files.stage(new))
            numbers.append(number)
        except (OSError, Unavailable) as fault:
            outcomes[number] = fault
    for number, outcome in zip(numbers, files.publish(staged), strict=True):
        outcomes[number] = outcome
    return outcomes


def _delayed(fault: OSError | Fault, folder: str) -> Status:
    """What a failure means for the recipients: they wait, and the reason names the folder."""
    number = fault.errno if isinstance(fault, OSError) else None
    why = fault.strerror if isinstance(fault, OSError) else str(fault)
    if number in _NO_ROOM:
        return Status(Disposition.DELAYED, "4.3.1", f"No room in the Drop folder {folder}: {why}")
    if number in _NO_RIGHT:
        return Status(Disposition.DELAYED, "4.3.5", f"The Drop folder {folder} cannot be used: {why}")
    return Status(Disposition.DELAYED, "4.3.0", f"The Drop folder {folder} failed: {why}")
