"""What the tests of the core share: a server's rules, a queue in memory, carriers that do what they are told."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Envelope, Recipient
from mailroot.mail.message import BytesContent
from mailroot.mail.status import Disposition, Status
from mailroot.queue.entry import Origin, QueueEntry, SealedDraft
from mailroot.queue.memory import MemoryQueue
from mailroot.service.deliver.carriers import Carriers
from mailroot.service.deliver.delivery import Delivery
from mailroot.service.deliver.dispatcher import Dispatcher
from mailroot.service.deliver.probation import Probation
from mailroot.service.report.ends import Ends
from mailroot.service.report.reports import Identity, Naming, Reporting, StormCap
from mailroot.service.rules import Rules, rules_of
from mailroot.settings.delivery import Delivery as DeliverySettings
from mailroot.settings.domains import Domain, DomainType
from mailroot.settings.virtualserver import VirtualServer

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DELIVERED = Status(Disposition.DELIVERED, "2.1.5")
DELAYED = Status(Disposition.DELAYED, "4.4.1", "No answer.")
FAILED = Status(Disposition.FAILED, "5.1.1", "Unknown.")
HELD_UP = Status(Disposition.DELAYED, "4.4.5", "It waits for its turn.")


def rules(**parts: Any) -> Rules:
    """The rules of a server whose domains are local.test and its alias also.test."""
    domains = {"local.test": Domain(type=DomainType.DEFAULT), "also.test": Domain(type=DomainType.ALIAS)}
    delivery = DeliverySettings(fqdn="mail.example.test")
    entrance = parts.pop("entrance", None)
    server = VirtualServer(**{"home": "/home", "domains": domains, "delivery": delivery} | parts)
    return replace(rules_of("default", server), entrance=entrance)


class Clock:
    """A clock that moves when it is told."""

    def __init__(self) -> None:
        self.moment = NOON

    def __call__(self) -> datetime:
        return self.moment


Carry = Callable[[Delivery], Mapping[int, Status]]


def everybody(status: Status) -> Carry:
    """An outcome that is the same for all recipients."""
    return lambda delivery: {one.number: status for one in delivery.pending}


class FakeCarrier:
    """Carries as `outcome` says; while `gate` is not set, it waits. `turns` are the waits that a pace asks for."""

    def __init__(self) -> None:
        self.turns: list[float] = []
        self.outcome: Carry = everybody(DELIVERED)
        self.gate = asyncio.Event()
        self.gate.set()
        self.carried: list[Delivery] = []

    async def carry(self, delivery: Delivery) -> Mapping[int, Status]:
        self.carried.append(delivery)
        await self.gate.wait()
        return self.outcome(delivery)

    async def carry_all(self, group: Sequence[Delivery]) -> list[Mapping[int, Status]]:
        return [await self.carry(delivery) for delivery in group]

    @property
    def paced(self) -> bool:
        return bool(self.turns)

    def wait_for_turn(self, _delivery: Delivery) -> float:
        return self.turns.pop(0)

    def held_up(self, _delivery: Delivery) -> Status:
        return HELD_UP

    @property
    def recipients(self) -> list[str]:
        """Everybody who was carried to, in order."""
        return [str(one.recipient.address) for delivery in self.carried for one in delivery.pending]


class FakeBadmail:
    """Keeps entries; fails with `fault` where there is one."""

    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.kept: list[tuple[str, str]] = []

    async def keep_entry(self, entry: QueueEntry, _pending: object, text: str) -> None:
        if self.fault is not None:
            raise self.fault
        self.kept.append((entry.key, text))


class FaultyQueue(MemoryQueue):
    """A queue in memory that can fail: `faults` by method, each raised once; settlements that hold `poison` always."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__(now)
        self.faults: dict[str, list[Exception]] = {}
        self.poison = ""
        self.settled: list[Any] = []
        self.drafts: list[SealedDraft] = []

    async def commit(self, draft: SealedDraft) -> QueueEntry | None:
        self._fail("commit")
        self.drafts.append(draft)
        return await super().commit(draft)

    def _fail(self, method: str) -> None:
        waiting = self.faults.get(method)
        if waiting:
            raise waiting.pop(0)

    async def settle(self, *settlements: Any, patient: bool = False) -> Sequence[QueueEntry]:
        self._fail("settle")
        if any(one.key == self.poison for one in settlements):
            raise ValueError("poison")
        self.settled += settlements
        return await super().settle(*settlements, patient=patient)

    async def release(self, key: str, numbers: Sequence[int], due: datetime) -> None:
        self._fail("release")
        await super().release(key, numbers, due)

    async def failed(self, key: str) -> int:
        self._fail("failed")
        return await super().failed(key)


class Work:
    """A dispatcher with all that it works with."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.queue = FaultyQueue(self.clock)
        self.drop, self.remote, self.badmail = FakeCarrier(), FakeCarrier(), FakeBadmail()
        self.events: list[tuple[str, dict[str, object]]] = []
        self.store_faults: list[Exception] = []
        self.rules = rules()
        counter = iter(range(10**9)).__next__
        reporting = Reporting(
            Identity("mail.example.test", "local.test", None, UTC), Naming("0" * 16, "A" * 19, counter), StormCap()
        )
        ends = Ends(lambda: reporting, self.badmail, self.emit, self.clock, self.store_faults.append)  # type: ignore[arg-type]
        carriers = Carriers(self.drop, self.remote)  # type: ignore[arg-type]
        self.dispatcher = Dispatcher(self.queue, lambda: self.rules, carriers, ends, Probation(0.01))

    def emit(self, row: Any, **fields: object) -> None:
        self.events.append((row.name, fields))

    def told(self, name: str) -> list[dict[str, object]]:
        """The events of one kind."""
        return [fields for known, fields in self.events if known == name]

    async def commit(self, *recipients: str, sender: str = "app@local.test", **parts: Any) -> QueueEntry:
        """A committed entry, leased."""
        people = tuple(Recipient(mailbox(one)) for one in recipients or ("ann@local.test",))
        envelope = Envelope(mailbox(sender) if sender else None, people)
        draft = SealedDraft(
            envelope, BytesContent(b"Subject: x\r\n\r\nHello.\r\n"), Origin("smtp"), self.clock(), "<1@x>"
        )
        entry = await self.queue.commit(replace(draft, **parts))
        assert entry is not None
        return entry

    async def begin(self, *recipients: str, **parts: Any) -> QueueEntry:
        """An entry that is being worked on."""
        entry = await self.commit(*recipients, **parts)
        self.dispatcher.begin(entry)
        return entry

    async def idle(self, patience: float = 60.0) -> None:
        """Wait until nothing is under way."""
        async with asyncio.timeout(patience):
            while self.dispatcher._work:
                await asyncio.sleep(0.001)

    async def due(self, key: str) -> list[datetime | None]:
        """When the recipients of an entry are due; None for each that is leased."""
        return [row.due for row in await self.queue.page("", 100) if row.key == key]


def mailbox(text: str) -> Mailbox:
    """The mailbox that is written here."""
    local, _, domain = text.rpartition("@")
    return Mailbox(local, domain)


async def until(true: Callable[[], Any], patience: float = 60.0) -> None:
    """Wait for something that another task does."""
    async with asyncio.timeout(patience):
        while not true():
            await asyncio.sleep(0.001)
