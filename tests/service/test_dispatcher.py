"""The second half of a message's life: what it is carried by, and that nothing of it is ever lost, doubled or stuck."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest

from mailroot.mail.faults import DiskFull, Misconfigured, StoreFailed
from mailroot.mail.status import Status
from mailroot.queue.recovery import HOPELESS_AFTER, SUSPECT_AFTER
from mailroot.routing.plan import Plan
from mailroot.service.deliver import leases
from mailroot.service.deliver import round as rounds
from mailroot.service.deliver.delivery import Delivery
from tests.service.working import DELAYED, DELIVERED, FAILED, NOON, Work, everybody, until

FAR = "bob@remote.test"


@pytest.fixture(autouse=True)
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "_PATIENCE", 0.001)


@pytest.fixture
async def work() -> Work:
    return Work()


# -- the common way


async def test_mail_for_local_domains_goes_into_drop_and_leaves_the_queue(work: Work) -> None:
    await work.begin("ann@local.test", "ben@local.test")
    await work.idle()
    assert work.drop.recipients == ["ann@local.test", "ben@local.test"]
    assert len(work.drop.carried) == 1
    assert await work.queue.depth() == 0
    assert len(work.told("delivered")) == 2


async def test_entries_for_drop_are_settled_in_groups(work: Work) -> None:
    entries = [await work.begin() for _ in range(10)]
    await work.idle()
    assert [one.key for one in work.queue.settled] == [one.key for one in entries]
    assert await work.queue.depth() == 0


async def test_recipients_are_carried_by_their_routes(work: Work) -> None:
    await work.begin("ann@local.test", FAR, "cy@remote.test", "dan@third.test")
    await work.idle()
    assert work.drop.recipients == ["ann@local.test"]
    assert sorted(len(one.pending) for one in work.remote.carried) == [1, 2]
    assert await work.queue.depth() == 0


async def test_what_is_delayed_waits_in_the_queue(work: Work) -> None:
    work.remote.outcome = everybody(DELAYED)
    entry = await work.begin(FAR)
    await work.idle()
    [due] = await work.due(entry.key)
    assert due is not None and due > NOON
    (told,) = work.told("deferred")
    assert (told["destination"], told["remote"]) == ("remote.test", "")


async def test_a_failure_is_reported_to_the_sender(work: Work) -> None:
    work.remote.outcome = everybody(FAILED)
    await work.begin(FAR)
    await work.idle()
    assert work.drop.recipients == ["app@local.test"]
    assert await work.queue.depth() == 0


async def test_what_waits_is_claimed_when_it_is_due(work: Work) -> None:
    await work.commit(lease=False)
    running = asyncio.create_task(work.dispatcher.run())
    await until(lambda: work.drop.carried)
    await work.dispatcher.stop(5)
    await asyncio.wait_for(running, 60)
    assert await work.queue.depth() == 0


# -- mistakes of our own


async def test_G6_a_mistake_puts_the_delivery_off_and_is_counted(work: Work) -> None:
    work.remote.outcome = _raise(ZeroDivisionError())
    entry = await work.begin(FAR)
    await work.idle()
    [due] = await work.due(entry.key)
    assert due is not None and due > NOON
    assert await work.queue.failed(entry.key) == 2


async def test_G6_a_mistake_in_routing_is_one_of_its_entry_alone(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    routes = Plan.route

    def route(plan: Plan, domain: str) -> object:
        if domain == "cursed.test":
            raise ZeroDivisionError
        return routes(plan, domain)

    monkeypatch.setattr(Plan, "route", route)
    cursed = await work.commit("x@cursed.test", lease=False)
    sound = await work.commit(lease=False)
    running = asyncio.create_task(work.dispatcher.run())
    await until(lambda: work.drop.carried)
    await work.dispatcher.stop(5)
    await asyncio.wait_for(running, 60)
    assert await work.due(sound.key) == []
    [due] = await work.due(cursed.key)
    assert due is not None and due > NOON
    assert work.dispatcher._room.entries == 0


async def test_the_mistake_of_one_delivery_repeats_none_of_its_group(work: Work) -> None:
    entries = [await work.commit() for _ in range(5)]
    work.queue.poison = entries[2].key
    for entry in entries:
        work.dispatcher.begin(entry)
    await work.idle()
    assert await work.queue.depth() == 1
    [due] = await work.due(entries[2].key)
    assert due is not None and due > NOON
    assert len(work.told("delivered")) == 4


async def test_a_drop_that_fails_for_one_message_delivers_the_others(work: Work) -> None:
    entries = [await work.commit() for _ in range(5)]
    work.drop.outcome = _raise_for(entries[1].key)
    for entry in entries:
        work.dispatcher.begin(entry)
    await work.idle()
    assert await work.queue.depth() == 1
    assert await work.due(entries[1].key) != [None]
    assert work.dispatcher._room.entries == 0


@pytest.mark.parametrize("method", ["failed", "release"])
async def test_a_full_disk_after_a_mistake_does_not_keep_the_lease(work: Work, method: str) -> None:
    work.remote.outcome = _raise(ZeroDivisionError())
    work.queue.faults[method] = [DiskFull("full"), DiskFull("full")]
    entry = await work.begin(FAR)
    await work.idle()
    assert await work.due(entry.key) != [None]


async def test_G6_a_hopeless_entry_goes_to_badmail_and_leaves_the_queue(work: Work) -> None:
    entry = await work.commit(FAR)
    for _ in range(HOPELESS_AFTER - 1):
        await work.queue.failed(entry.key)
    work.remote.outcome = _raise(ZeroDivisionError())
    work.dispatcher.begin(entry)
    await work.idle()
    assert [key for key, _ in work.badmail.kept] == [entry.key]
    assert await work.queue.depth() == 0


async def test_G6_a_hopeless_entry_waits_for_a_badmail_that_cannot_be_written(work: Work) -> None:
    entry = await work.commit(FAR)
    for _ in range(HOPELESS_AFTER - 1):
        await work.queue.failed(entry.key)
    work.badmail.fault = Misconfigured("not allowed")
    work.remote.outcome = _raise(ZeroDivisionError())
    work.dispatcher.begin(entry)
    await work.idle()
    [due] = await work.due(entry.key)
    assert due is not None and due > NOON


async def test_a_badmail_that_cannot_be_written_repeats_no_delivery(work: Work) -> None:
    work.badmail.fault = Misconfigured("not allowed")
    work.remote.outcome = lambda delivery: {0: DELIVERED, 1: FAILED}
    entry = await work.begin(FAR, "cy@remote.test", sender="")
    await work.idle()
    waiting = await work.queue.entry(entry.key)
    assert waiting is not None
    assert [str(one.recipient.address) for one in waiting.pending] == ["cy@remote.test"]
    assert waiting.failures == 0
    work.badmail.fault = None
    work.remote.outcome = everybody(FAILED)
    work.clock.moment = NOON + timedelta(hours=1)
    [lease] = await work.queue.claim(work.clock(), 10)
    work.dispatcher.begin(lease.entry)
    await work.idle()
    assert work.badmail.kept
    assert await work.queue.depth() == 0


async def test_a_notice_that_could_not_be_made_is_still_owed(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    async def report(*_: object) -> None:
        raise DiskFull("full")

    monkeypatch.setattr(type(work.dispatcher._ends), "report", report)
    work.remote.outcome = everybody(DELAYED)
    entry = await work.commit(FAR)
    work.clock.moment = NOON + timedelta(hours=13)
    work.dispatcher.begin(entry)
    await work.idle()
    waiting = await work.queue.entry(entry.key)
    assert waiting is not None
    assert [one.delay_reported for one in waiting.pending] == [False]


# -- a store that fails


async def test_a_settlement_waits_for_room_on_the_disk(work: Work) -> None:
    work.queue.faults["settle"] = [DiskFull("full"), DiskFull("full")]
    await work.begin(FAR)
    await work.idle()
    assert await work.queue.depth() == 0
    assert len(work.remote.carried) == 1


@pytest.mark.parametrize("recipient", ["ann@local.test", FAR])
async def test_a_store_that_is_beyond_use_is_told_of(work: Work, recipient: str) -> None:
    work.queue.faults["settle"] = [StoreFailed("gone")]
    await work.begin(recipient)
    await work.idle()
    assert len(work.store_faults) == 1


# -- suspects


async def test_G6_a_suspect_that_is_given_back_untried_is_not_counted(work: Work) -> None:
    work.remote.gate.clear()
    for _ in range(64):
        await work.begin(FAR)
    await until(lambda: len(work.remote.carried) == 64)
    entry = await work.commit(FAR, lease=False)
    for _ in range(SUSPECT_AFTER):
        await work.queue.failed(entry.key)
    [lease] = await work.queue.claim(work.clock(), 10)
    before = len(work.dispatcher._work)
    work.dispatcher.begin(lease.entry)
    await until(lambda: len(work.dispatcher._work) == before)
    assert await work.due(entry.key) != [None]
    assert await work.queue.failed(entry.key) == SUSPECT_AFTER + 1
    work.remote.gate.set()
    await work.idle()


# -- the end


@pytest.mark.parametrize("recipients", [("ann@local.test",), (FAR,), ("ann@local.test", FAR)])
async def test_what_a_stop_interrupts_is_due_again(work: Work, recipients: tuple[str, ...]) -> None:
    work.drop.gate.clear()
    work.remote.gate.clear()
    entry = await work.begin(*recipients)
    await until(lambda: work.drop.carried or work.remote.carried)
    late = await work.commit(*recipients)
    work.dispatcher.begin(late)
    await work.dispatcher.stop(0.01)
    assert await work.due(entry.key) == [NOON] * len(recipients)
    assert await work.due(late.key) == [NOON] * len(recipients)
    assert work.dispatcher._room.entries == 0
    work.drop.gate.set()
    work.remote.gate.set()
    work.dispatcher.resume()
    running = asyncio.create_task(work.dispatcher.run())
    await until(lambda: not work.queue._kept)
    await work.dispatcher.stop(5)
    await asyncio.wait_for(running, 60)


async def test_what_is_committed_after_the_stop_is_left_to_the_queue(work: Work) -> None:
    await work.dispatcher.stop(0)
    entry = await work.begin()
    await work.dispatcher.stop(0)
    assert await work.due(entry.key) == [NOON]
    assert work.drop.carried == []


async def test_a_stop_lets_what_is_under_way_end(work: Work) -> None:
    work.remote.gate.clear()
    entry = await work.begin(FAR)
    await until(lambda: work.remote.carried)
    stopping = asyncio.create_task(work.dispatcher.stop(10))
    await asyncio.sleep(0)
    work.remote.gate.set()
    await asyncio.wait_for(stopping, 60)
    assert await work.due(entry.key) == []


def _raise(mistake: Exception):
    def outcome(_delivery: Delivery) -> Mapping[int, Status]:
        raise mistake

    return outcome


def _raise_for(key: str):
    def outcome(delivery: Delivery) -> Mapping[int, Status]:
        if delivery.entry.key == key:
            raise ZeroDivisionError
        return everybody(DELIVERED)(delivery)

    return outcome


# -- what the sender of a message to several domains is told


def _by_recipient(**statuses: Status) -> Callable[[Delivery], Mapping[int, Status]]:
    return lambda delivery: {one.number: statuses[one.recipient.address.local] for one in delivery.pending}


async def _report_kinds(work: Work) -> list[tuple[str, list[object]]]:
    """The reports in their order, each with whom it is about."""
    found: dict[object, tuple[str, list[object]]] = {}
    for told in work.told("reported"):
        found.setdefault(told["message_id"], (str(told["kind"]), []))[1].append(told["recipient"])
    return list(found.values())


async def test_failures_in_several_domains_are_told_in_one_report(work: Work) -> None:
    work.remote.outcome = _by_recipient(a=FAILED, b=FAILED, c=DELIVERED, d=DELAYED)
    await work.begin("a@one.test", "b@two.test", "c@three.test", "d@four.test")
    await work.idle()
    assert await _report_kinds(work) == [("Failure", ["a@one.test", "b@two.test"])]
    assert len(work.told("delivered")) == 2, "the report too"
    assert [row.recipient for row in await work.queue.page("", 10)] == ["d@four.test"]


async def test_delays_in_several_domains_are_told_in_one_notice(work: Work) -> None:
    work.remote.outcome = everybody(DELAYED)
    await work.commit("a@one.test", "b@two.test", lease=False)
    work.clock.moment = NOON + timedelta(hours=13)
    assert await work.dispatcher._claims.claim()
    await work.idle()
    assert await _report_kinds(work) == [("Delay", ["a@one.test", "b@two.test"])]
    assert all(row.delay_reported for row in await work.queue.page("", 10))


async def test_what_was_delivered_is_settled_before_the_slowest(work: Work) -> None:
    work.remote.outcome = _by_recipient(a=FAILED, b=DELIVERED)
    work.remote.gate.clear()
    await work.begin("ann@local.test", "a@one.test", "b@two.test")
    await until(lambda: work.told("delivered"))
    assert len(work.queue.settled) == 1
    work.remote.gate.set()
    await work.idle()
    assert await work.queue.depth() == 0


async def test_a_failure_does_not_wait_for_ever_for_the_slowest(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "_COMPANY", 0.02)
    gate = asyncio.Event()
    carried = work.remote.carry

    async def carry(delivery: Delivery) -> Mapping[int, Status]:
        if delivery.pending[0].recipient.address.domain == "slow.test":
            await gate.wait()
        return await carried(delivery)

    monkeypatch.setattr(work.remote, "carry", carry)
    work.remote.outcome = everybody(FAILED)
    await work.begin("a@one.test", "b@slow.test")
    await until(lambda: work.told("reported"))
    assert await _report_kinds(work) == [("Failure", ["a@one.test"])]
    gate.set()
    await work.idle()
    assert await _report_kinds(work) == [("Failure", ["a@one.test"]), ("Failure", ["b@slow.test"])]


async def test_a_stop_leaves_untold_failures_to_the_queue(work: Work) -> None:
    work.remote.outcome = _by_recipient(a=FAILED)
    gate = asyncio.Event()
    work.drop.gate = gate
    entry = await work.begin("ann@local.test", "a@one.test")
    await until(lambda: work.remote.carried)
    await work.dispatcher.stop(0.01)
    assert [row.leased for row in await work.queue.page("", 10) if row.key == entry.key] == [False, False]
    assert not work.told("failed")
