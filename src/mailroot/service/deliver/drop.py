"""Delivery into Drop folders: one `.eml` per message and folder, durable before it is reported as delivered.

A group of deliveries shares its syncs. A run that dies between the
rename and the settlement finds the file by its name and makes no second one; only if the polling program has taken the
file away in that moment can the repetition double it (nothing can tell the two apart then).
"""

import asyncio
import errno
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mailroot.edge.files.drop import drop_file
from mailroot.edge.files.folder import Permissions
from mailroot.edge.files.quota import DropQuota
from mailroot.edge.files.whole import Staged, WholeFiles, appear, discard, sync_contents, sync_names
from mailroot.edge.scheduling import wait_when_waking
from mailroot.mail.faults import Unavailable
from mailroot.mail.status import Disposition, Status
from mailroot.routing.route import DropRoute
from mailroot.service.deliver.delivery import Delivery
from mailroot.service.deliver.redirect import redirected
from mailroot.service.measure.progress import Progress

_DELIVERED = Status(Disposition.DELIVERED, "2.1.5", "Delivered to Drop")
FULL = Status(Disposition.DELAYED, "4.2.2", "Mailbox Full: the Drop folder has reached its quota")
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_RIGHT = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ELOOP}

_Given = TypeVar("_Given")
_Result = TypeVar("_Result")


class DropCarrier:
    """Carries deliveries into Drop folders (`service.deliver.delivery.Carrier` for `DropRoute`)."""

    def __init__(
        self,
        writer: str,
        permissions: Permissions,
        quota: Callable[[str], int] = lambda _folder: 0,
        progress: Progress | None = None,
    ) -> None:
        """Make a carrier.

        `writer` names this worker of this virtual server among all that write to the same folders, before and after a
        restart. `quota` gives a folder's limit in octets, 0 where it has none.
        """
        self._progress = progress or Progress()
        self._files = WholeFiles(writer, permissions)
        self._quota = DropQuota(quota)
        self._thread = ThreadPoolExecutor(1, "drop", wait_when_waking)
        self._turn = asyncio.Lock()

    async def prepare(self, folders: Iterable[str]) -> None:
        """Make missing folders, and sweep what a dead run left half written. Raises `OSError`."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._files.open, list(folders))

    def permit(self, permissions: Permissions) -> None:
        """Give what is made from now on these permissions."""
        self._files.permissions = permissions

    def over_quota(self, folder: str) -> bool:
        """Whether the folder has reached its quota, as far as is known; cheap enough for every RCPT."""
        if not self._quota.limited(folder):
            return False
        self._measure(folder)
        return self._quota.exceeded(folder)

    async def carry(self, delivery: Delivery) -> Mapping[int, Status]:
        """Deliver one message into its folder; see `Carrier.carry`."""
        return (await self.carry_all((delivery,)))[0]

    async def carry_all(self, deliveries: Sequence[Delivery]) -> list[Mapping[int, Status]]:
        """Deliver a group of messages, each of which holds a descriptor; the outcomes in its order.

        The group is written, made durable and then visible with as few syncs as there are file systems and folders.
        Only the syncs (and long or remote writes) are the thread's: after each system call a thread must get the
        interpreter lock back, which under a busy loop costs up to 5 ms; eight times the throughput was measured so.
        """
        begun = self._progress.begins(deliveries)
        async with self._turn:
            self._files.refresh()
            tried = await self._stage_all(deliveries)
            staged = [one for one in tried if isinstance(one, Staged)]
            if staged:
                await self._in_thread(sync_contents, staged)
                for one in staged:
                    appear(one)
                await self._in_thread(sync_names, staged)
        self._progress.ends(begun, len(deliveries))
        return [self._outcome(delivery, one) for delivery, one in zip(deliveries, tried, strict=True)]

    async def close(self) -> None:
        """Finish the deliveries that were begun and close the folders."""
        async with self._turn:
            await self._in_thread(WholeFiles.close, self._files)
        self._thread.shutdown()

    async def _stage_all(self, deliveries: Sequence[Delivery]) -> list[Staged | Status]:
        tried: list[Staged | Status] = []
        try:
            for delivery in deliveries:
                tried.append(await self._stage(delivery))
        except BaseException:  # a mistake, or the end: no open file may be left of those before
            for one in tried:
                if isinstance(one, Staged):
                    discard(one)
            raise
        return tried

    async def _stage(self, delivery: Delivery) -> Staged | Status:
        """The message's file, written; or why it cannot be."""
        route, entry = delivery.route, delivery.entry
        if not isinstance(route, DropRoute):
            raise TypeError(f"a Drop folder is no place for {route}")
        if route.redirect is not None:
            delivery = redirected(delivery, route.redirect)
            entry = delivery.entry
        if self.over_quota(route.folder):
            return FULL
        new = drop_file(entry, delivery.pending, route.domain, route.folder)
        try:
            if entry.content.in_memory and self._files.quick(route.folder):
                return self._files.stage(new)
            return await self._in_thread(self._files.stage, new)
        except (OSError, Unavailable) as fault:
            return failure_of(fault, route.folder)

    def _outcome(self, delivery: Delivery, tried: Staged | Status) -> Mapping[int, Status]:
        folder = delivery.route.folder if isinstance(delivery.route, DropRoute) else ""
        status = tried if isinstance(tried, Status) else _DELIVERED
        if isinstance(tried, Staged):
            if tried.fault is None:
                self._quota.add(folder, delivery.entry.content.size)
            else:
                status = failure_of(tried.fault, folder)
        return {one.number: status for one in delivery.pending}

    async def _in_thread(self, call: Callable[[_Given], _Result], given: _Given) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, given)

    def _measure(self, folder: str) -> None:
        """Have the folder's size taken again in the thread where what is known of it is old."""
        if self._quota.stale(folder, asyncio.get_running_loop().time()):
            self._thread.submit(functools.partial(self._quota.measure, folder))


def failure_of(fault: OSError | Unavailable, folder: str) -> Status:
    """What a failure means for the recipients: they wait, and the reason names the folder."""
    number = fault.errno if isinstance(fault, OSError) else None
    why = fault.strerror if isinstance(fault, OSError) else str(fault)
    if number in _NO_ROOM:
        return Status(Disposition.DELAYED, "4.3.1", f"No room in the Drop folder {folder}: {why}")
    if number in _NO_RIGHT:
        return Status(Disposition.DELAYED, "4.3.5", f"The Drop folder {folder} cannot be used: {why}")
    return Status(Disposition.DELAYED, "4.3.0", f"The Drop folder {folder} failed: {why}")
