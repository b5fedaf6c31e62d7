"""A directory in a worker: what is remembered, whether it answers, and what becomes of entries of the queue."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Envelope, Notify, Recipient
from mailroot.mail.events import EventRow
from mailroot.mail.message import BytesContent
from mailroot.mail.status import Disposition, Status
from mailroot.queue.entry import UNRESOLVED, Origin, Pending, QueueEntry
from mailroot.routing.directory.entry import Entry, address_key
from mailroot.routing.directory.questions import Answer, ByAddress, ByName, NoAnswer, Question
from mailroot.routing.directory.resolve import Outcome, Terms
from mailroot.service.resolve import directory as module
from mailroot.service.resolve.directory import Directory, Sight
from mailroot.service.resolve.entries import EntryResolver
from mailroot.settings.ldap import LdapRouting
from tests.service.working import NOON

TERMS = Terms(("local.test",), 100)


def box(text: str) -> Mailbox:
    local, _, domain = text.partition("@")
    return Mailbox(local, domain or "local.test")


def person(name: str, *more: str, **known: Any) -> Entry:
    keys = frozenset(address_key(box(text)) for text in (name, *more))
    return Entry(f"cn={name}", **{"mailbox": box(name), "keys": keys, **known})


def group(name: str, *members: str) -> Entry:
    keys = frozenset({address_key(box(name))})
    return Entry(f"cn={name}", box(name), keys, True, tuple(f"cn={one}" for one in members))


class Source:
    """Answers from a few entries; while `gate` is not set, it waits; while `gone` says why, it does not answer."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = {entry.dn: entry for entry in entries}
        self.asked: list[Question] = []
        self.gone = ""
        self.gate = asyncio.Event()
        self.gate.set()
        self.closed = False

    async def ask(self, question: Question) -> Answer:
        self.asked.append(question)
        await self.gate.wait()
        if self.gone:
            return NoAnswer(self.gone)
        if isinstance(question, ByName):
            return tuple(entry for entry in self.entries.values() if entry.dn == question.dn)
        assert isinstance(question, ByAddress)
        keys = {address_key(one) for one in question.addresses}
        return tuple(entry for entry in self.entries.values() if keys & entry.keys)

    async def check(self) -> str:
        await self.gate.wait()
        return self.gone

    async def admits(self, dn: str, password: str) -> bool:
        return dn in self.entries and password == "right"

    def close(self) -> None:
        self.closed = True


class Made:
    """A directory of a few entries, with a clock of the test's own."""

    def __init__(self, *entries: Entry, **settings: Any) -> None:
        self.source = Source(entries)
        self.now = 0.0
        self.told: list[tuple[str, dict[str, object]]] = []
        routing = LdapRouting(**{"rcpt_timeout": timedelta(seconds=1), **settings})
        self.directory = Directory("default", self.source, TERMS, routing, self._emit, lambda: self.now)
        self.resolver = EntryResolver("default", self.directory, self._emit)

    def _emit(self, row: EventRow, **fields: object) -> None:
        self.told.append((row.name, fields))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.told]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSE", 0.01)
    monkeypatch.setattr(module, "_FIRST_AGAIN", 0.01)


@pytest.fixture
async def made() -> AsyncIterator[Made]:
    one = Made(
        person("ann", "a.smith"),
        person("bob"),
        person("away", forward=(box("away@far.test"),), keeps_copy=True),
        group("staff", "ann", "bob", "staff"),
    )
    yield one
    one.source.gate.set()
    await one.directory.close()


def entry(
    *recipients: str, sender: str = "app@far.test", notify: Notify | None = None, added: Sequence[int] = ()
) -> QueueEntry:
    every = tuple(Recipient(box(one), notify) for one in recipients)
    pending = tuple(Pending(number, one, NOON, added=number in added) for number, one in enumerate(every))
    content = BytesContent(b"Subject: x\r\n\r\n")
    return QueueEntry("k1", Envelope(box(sender), every), content, Origin("smtp"), NOON, "<m@x>", pending)


# -- memory


async def test_an_answer_is_asked_for_once_and_believed_for_a_while(made: Made) -> None:
    first, second = await asyncio.gather(made.directory.resolve(box("ann")), made.directory.resolve(box("ann")))
    assert first is second
    assert made.directory.known(box("Ann")).outcome is Outcome.SAME  # type: ignore[union-attr]
    assert len(made.source.asked) == 1
    made.now = 601
    assert made.directory.known(box("ann")) is None


async def test_N06_nobody_is_believed_for_a_short_while_and_forgotten_by_command(made: Made) -> None:
    await made.directory.resolve(box("new"))
    assert made.directory.known(box("new")).status.code == "5.1.1"  # type: ignore[union-attr]
    made.now = 31
    assert made.directory.known(box("new")) is None
    await made.directory.resolve(box("new"))
    assert made.directory.flush() == 2
    assert made.directory.known(box("new")) is None


async def test_without_a_cache_every_question_is_asked() -> None:
    one = Made(person("ann"), cache=timedelta(0))
    for _ in range(3):
        assert (await one.directory.resolve(box("ann"))).outcome is Outcome.SAME
    assert len(one.source.asked) == 3
    await one.directory.close()


# -- at RCPT


async def test_a_glance_tells_what_is_known_and_a_look_asks(made: Made) -> None:
    assert made.directory.glance(box("ann")) is Sight.UNKNOWN
    assert await made.directory.look(box("ann")) is None
    assert made.directory.glance(box("ann")) is None
    status = await made.directory.look(box("nobody"))
    assert status is not None
    assert status.code == "5.1.1"
    assert made.directory.glance(box("nobody")) == status


async def test_a_group_is_found_and_not_expanded(made: Made) -> None:
    assert await made.directory.look(box("staff")) is None
    assert made.directory.glance(box("staff")) is None
    assert len(made.source.asked) == 1


async def test_a_directory_that_is_slow_is_not_waited_for() -> None:
    one = Made(person("ann"), rcpt_timeout=timedelta(0))
    one.source.gate.clear()
    assert await one.directory.look(box("nobody")) is None
    one.source.gate.set()
    await one.directory.close()


# -- whether it answers


async def test_a_directory_that_is_gone_is_told_once_and_its_return_too(made: Made) -> None:
    back = asyncio.Event()
    made.directory.when_back(back.set)
    made.source.gone = "no route"
    assert (await made.directory.resolve(box("ann"))).outcome is Outcome.WAITING
    async with asyncio.timeout(60):
        while not made.directory.down:
            await asyncio.sleep(0)
    asked = len(made.source.asked)
    assert (await made.directory.resolve(box("bob"))).cause == "no route"
    assert made.directory.glance(box("bob")) is None
    assert len(made.source.asked) == asked  # nobody waits for it
    made.source.gone = ""
    async with asyncio.timeout(60):
        await back.wait()
    assert (made.directory.down, made.directory.returns) == ("", 1)
    assert made.names == ["directory_down", "directory_back"]
    assert (await made.directory.resolve(box("bob"))).outcome is Outcome.SAME


async def test_one_question_without_an_answer_is_asked_again_and_does_not_make_it_gone(made: Made) -> None:
    class Choosy(Source):
        async def check(self) -> str:
            return ""

    source = Choosy([person("ann")])
    one = Made()
    one.directory._source = source
    source.gone = "too hard"
    again = asyncio.Event()
    one.directory.when_back(again.set)
    assert (await one.directory.resolve(box("ann"))).outcome is Outcome.WAITING
    async with asyncio.timeout(60):
        await again.wait()  # what waits is tried again
    assert one.directory.returns == 1
    assert not one.directory.down
    assert not one.names
    await one.directory.close()


async def test_the_end_ends_what_is_under_way(made: Made) -> None:
    made.source.gate.clear()
    task = made.directory.resolve(box("ann"))
    await asyncio.sleep(0)
    await made.directory.close()
    assert task.cancelled()
    assert made.source.closed
    assert isinstance(await made.directory.ask(ByName("cn=ann")), NoAnswer)


# -- entries of the queue


async def test_who_stays_is_routed_without_waiting_once_known(made: Made) -> None:
    one = entry("ann", "x@far.test")
    assert made.resolver.known(one) is None
    found = await made.resolver.resolve(one)
    assert found.routed(one) is one
    again = made.resolver.known(one)
    assert again is not None
    assert again.pending is one.pending
    assert not made.told


async def test_a_further_address_is_replaced_at_each_attempt_and_remembered_in_reports(made: Made) -> None:
    found = await made.resolver.resolve(entry("a.smith"))
    (pending,) = found.pending
    assert pending.recipient == Recipient(box("ann"), None, "rfc822;a.smith@local.test")
    assert (found.added, dict(found.outcome), found.replaced) == ((), {}, ())
    assert made.names == ["resolved"]


async def test_a_group_is_settled_and_its_members_join(made: Made) -> None:
    found = await made.resolver.resolve(entry("staff", notify=Notify.SUCCESS | Notify.FAILURE))
    assert found.pending == ()
    assert found.outcome[0].disposition is Disposition.EXPANDED
    assert [one.recipient for one in found.added] == [
        Recipient(box(name), Notify.FAILURE, "rfc822;staff@local.test") for name in ("ann", "bob")
    ]
    assert all(one.added for one in found.added)


async def test_members_of_a_group_whose_sender_wants_no_reports_but_of_success_report_nothing(made: Made) -> None:
    found = await made.resolver.resolve(entry("staff", notify=Notify.SUCCESS))
    assert {one.recipient.notify for one in found.added} == {Notify.NEVER}


async def test_who_joined_is_not_looked_up_again(made: Made) -> None:
    one = entry("staff", "away", added=[1])
    one = replace(one, pending=one.pending[1:])
    found = made.resolver.known(one)
    assert found is not None
    assert found.routed(one) is one
    assert not made.source.asked


async def test_a_copy_that_stays_joins_with_the_one_that_is_forwarded(made: Made) -> None:
    found = await made.resolver.resolve(entry("away"))
    assert sorted(str(one.recipient.address) for one in found.added) == ["away@far.test", "away@local.test"]


async def test_nobody_gets_a_second_copy(made: Made) -> None:
    found = await made.resolver.resolve(entry("ann", "a.smith", "staff"))
    assert [one.number for one in found.pending] == [0]
    assert found.replaced == (1,)
    assert [str(one.recipient.address) for one in found.added] == ["bob@local.test"]


async def test_two_further_addresses_of_one_person_are_one_copy() -> None:
    one = Made(person("ann", "a1", "a2"))
    found = await one.resolver.resolve(entry("a1", "a2"))
    assert [str(each.recipient.address) for each in found.pending] == ["ann@local.test"]
    assert found.replaced == (1,)
    await one.directory.close()


async def test_who_cannot_be_looked_up_is_held_and_the_others_go(made: Made) -> None:
    await made.resolver.resolve(entry("ann"))
    made.source.gone = "no route"
    found = await made.resolver.resolve(entry("ann", "bob"))
    assert [one.number for one in found.pending] == [0]
    assert [(one.number, one.held) for one in found.waiting] == [(1, UNRESOLVED)]


async def test_a_sender_of_ours_goes_on_by_the_first_address_and_others_as_they_are(made: Made) -> None:
    found = await made.resolver.resolve(entry("bob", sender="a.smith"))
    assert found.envelope is not None
    assert found.envelope.sender == box("ann")
    stranger = entry("bob", sender="nobody")
    assert (await made.resolver.resolve(stranger)).routed(stranger) is stranger


async def test_who_is_unknown_fails_with_the_cause(made: Made) -> None:
    found = await made.resolver.resolve(entry("nobody"))
    assert found.outcome == {
        0: Status(Disposition.FAILED, "5.1.1", "The directory knows nobody with the address nobody@local.test.")
    }


async def test_values_that_are_no_addresses_are_told_once() -> None:
    one = Made(person("ann", odd=("mail: x",)), cache=timedelta(0))
    for _ in range(3):
        await one.directory.resolve(box("ann"))
    assert one.names == ["directory_odd"]
    await one.directory.close()
