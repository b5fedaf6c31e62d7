"""Badmail: where messages go that can be neither delivered nor returned, durably and with the reason; its upkeep."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from mailroot.edge.files import badmail as badmailfolder
from mailroot.edge.files.badmail import Kept, Reason, trio
from mailroot.edge.files.drop import with_return_path
from mailroot.edge.files.durable import fault_of, translated
from mailroot.edge.files.folder import Permissions
from mailroot.edge.files.whole import NewFile, Staged, WholeFiles, discard
from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.faults import Unavailable
from mailroot.mail.message import Content
from mailroot.queue.entry import Pending, QueueEntry

UNDELIVERABLE_REPORT = 0xC00402C7  # facts 4.2
BAD_PICKUP_FILE = 0xC00402CE

_ROUND = timedelta(minutes=10)
_MOST = 300  # files that one round removes before others have their turn


@dataclass(frozen=True, slots=True)
class BadmailLimits:
    """How long messages are kept (zero: for ever) and how many octets they may hold together (0: any number)."""

    retention: timedelta = timedelta(days=30)
    octets: int = 1 << 30


class Badmail:
    """The Badmail folder of a virtual server, as one worker writes it."""

    def __init__(
        self, server: str, folder: str, writer: str, emit: Emit, permissions: Permissions | None = None
    ) -> None:
        """`writer` names this worker of this virtual server among all that write into the folder."""
        self._server = server
        self._folder = folder
        self._emit = emit
        self._files = WholeFiles(writer, permissions)
        self._thread = ThreadPoolExecutor(1, "badmail")

    def move(self, folder: str) -> None:
        """Keep messages in another folder from now on."""
        self._folder = folder

    async def keep(self, content: Content, stem: str, reason: Reason, properties: Mapping[str, object]) -> None:
        """Keep a message as it is with its reason; durable on return, and a repetition changes nothing.

        `stem` names the trio and follows from the message. Raises `Unavailable` or `Misconfigured` where the folder
        cannot be written; then the message must stay where it was.
        """
        await self._write(
            trio(self._folder, stem, lambda: ((piece,) for piece in content.pieces()), reason, properties)
        )
        self._tell(stem, reason.text, properties, "pickup")

    def _tell(self, stem: str, cause: str, properties: Mapping[str, object], kind: str, entry: str = "") -> None:
        self._emit(
            EVENTS.badmail,
            server=self._server,
            entry=entry,
            message_id=properties.get("message_id", ""),
            name=f"{stem}.BAD",
            cause=cause,
            kind=kind,
        )

    async def keep_entry(
        self, entry: QueueEntry, pending: Sequence[Pending], text: str, code: int = UNDELIVERABLE_REPORT
    ) -> None:
        """Keep an entry of the queue for some of its recipients, with its Return-Path. Raises as `keep` does.

        The trio's stem is the entry's key and the number of the first of these recipients.
        """
        sender = entry.envelope.sender_text
        reason = Reason(text, code, sender, tuple(str(one.recipient.address) for one in pending))
        stem = f"{entry.key}-{pending[0].number}"
        properties = entry_properties(entry, text)
        pieces = partial(with_return_path, entry.content, sender or "<>")
        await self._write(trio(self._folder, stem, pieces, reason, properties))
        self._tell(stem, text, properties, "general" if sender else "report", entry.key)

    async def keep_within(self, limits: Callable[[], BadmailLimits], now: Callable[[], datetime]) -> None:
        """Remove what is too old or too much, now and then, for ever. Run this as a task of one worker."""
        while True:
            removed = await self.remove_excess(limits(), now())
            await asyncio.sleep(0.1 if removed == _MOST else _ROUND.total_seconds())

    async def remove_excess(self, limits: BadmailLimits, now: datetime) -> int:
        """Remove a bounded number of the oldest files that are too old or too much; how many they were."""
        before = (now - limits.retention).timestamp() if limits.retention else float("-inf")
        loop = asyncio.get_running_loop()
        gone = await loop.run_in_executor(self._thread, _remove, self._folder, before, limits.octets)
        for kept in gone:
            if kept.name.endswith(".BAD"):
                cause = "too old" if kept.at < before else "Badmail holds too much"
                self._emit(EVENTS.badmail_removed, server=self._server, name=kept.name, cause=cause)
        return len(gone)

    async def close(self) -> None:
        """Finish what was begun and close the folder."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._files.close)
        self._thread.shutdown()

    async def _write(self, files: Sequence[NewFile]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, write_all, self._files, files)


def _remove(folder: str, before: float, limit: int) -> list[Kept]:
    try:
        gone = badmailfolder.excess(folder, before, limit, _MOST)
        badmailfolder.remove(folder, gone)
    except OSError:
        return []  # the next round tries again
    return gone


def write_all(files: WholeFiles, group: Iterable[NewFile]) -> None:
    """Write files that belong together, durably. Raises `Unavailable` or `Misconfigured`; then none of them is new."""
    files.refresh()
    staged: list[Staged] = []
    with translated("writing into Badmail"):
        try:
            for new in group:
                staged.append(files.stage(new))
        except (OSError, Unavailable):
            for one in staged:
                discard(one)
            raise
    files.publish(staged)
    for one in staged:
        if one.fault is not None:
            raise fault_of(one.fault, f"writing {one.name} into Badmail")


def entry_properties(entry: QueueEntry, reason: str) -> dict[str, object]:
    """What the `.BDP` file of a queue entry says."""
    waiting = {one.number: one for one in entry.pending}
    return {
        "key": entry.key,
        "message_id": entry.message_id,
        "reason": reason,
        "sender": entry.envelope.sender_text,
        **_known(ret=None if entry.envelope.ret is None else entry.envelope.ret.value, envid=entry.envelope.envid),
        "arrived": entry.arrived.isoformat(),
        "size": entry.content.size,
        "origin": {
            "source": entry.origin.source,
            "hello": entry.origin.hello,
            "address": entry.origin.address,
            "session": entry.origin.session,
        },
        "recipients": [
            {
                "address": str(recipient.address),
                **_known(notify=None if recipient.notify is None else recipient.notify.words, orcpt=recipient.orcpt),
                "waiting": number in waiting,
                "attempts": waiting[number].attempts if number in waiting else None,
                "last": _said(entry, number),
            }
            for number, recipient in enumerate(entry.envelope.recipients)
        ],
    }


def _known(**parameters: str | None) -> dict[str, str]:
    """The parameters that MAIL or RCPT had."""
    return {name: value for name, value in parameters.items() if value is not None}


def _said(entry: QueueEntry, number: int) -> str:
    last = next((one.last for one in entry.pending if one.number == number), None)
    return "" if last is None else f"{last.code} {last.reply or last.reason}".strip()
