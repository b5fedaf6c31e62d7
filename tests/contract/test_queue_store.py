"""What every queue store guarantees: one suite for all of them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from mailroot.edge.sqlite.queue import SqliteQueue
from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Recipient
from mailroot.mail.status import Disposition, Status
from mailroot.queue import selection
from mailroot.queue.entry import AWAITED, FROZEN, Listed, Pending, QueueEntry, SealedDraft, Settlement
from mailroot.queue.memory import MemoryQueue
from mailroot.queue.ordering import By, Ordering
from mailroot.queue.selection import Change, Selection
from mailroot.queue.store import QueueStore
from tests.queue.drafts import HOUR, NOON, Clock, draft, elaborate_draft

LATER = Status(Disposition.DELAYED, "4.2.1", "busy", "450 4.2.1 busy", "mx.example.net")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[QueueStore]:
    made: QueueStore
    made = MemoryQueue(clock) if request.param == "memory" else await SqliteQueue.open(tmp_path, "0", now=clock)
    yield made
    await made.close()


async def committed(store: QueueStore, *recipients: str, **options: object) -> QueueEntry:
    entry = await store.commit(draft(*recipients, **options))  # type: ignore[arg-type]
    assert entry is not None
    return entry


async def changed(store: QueueStore, key: str, change: Change, limit: int = 2) -> int:
    """How many recipients of an entry, or of all, a change came to, page after page."""
    count, after = 0, ""
    while True:
        page = await store.change(Selection(key=key), change, after, limit)
        count, after = count + page.recipients, page.next
        if not after:
            return count


async def waiting(store: QueueStore) -> list[Listed]:
    return list(await store.page("", 1_000))


async def test_commit_returns_the_entry_with_the_drafts_own_objects(store: QueueStore) -> None:
    given = draft("ann", "bob")
    entry = await store.commit(given)
    assert entry is not None
    assert entry.envelope is given.envelope
    assert entry.content is given.content
    assert [pending.number for pending in entry.pending] == [0, 1]


async def test_an_entry_reads_back_as_it_was_committed(store: QueueStore) -> None:
    given = elaborate_draft()
    entry = await store.commit(given)
    assert entry is not None
    read = await store.entry(entry.key)
    assert read == entry
    assert b"".join(read.content.pieces()) == bytes(range(256))


async def test_a_leased_draft_is_claimed_by_nobody_else(store: QueueStore) -> None:
    await committed(store)
    assert list(await store.claim(NOON + HOUR, 10)) == []
    assert await store.next_due() is None
    assert await store.depth() == 1


async def test_an_unleased_draft_is_due_at_once(store: QueueStore) -> None:
    entry = await committed(store, lease=False)
    assert await store.next_due() == NOON
    (lease,) = await store.claim(NOON, 10)
    assert lease.entry == entry


async def test_G4_a_recipient_is_claimed_once(store: QueueStore) -> None:
    await committed(store, "ann", "bob", "cid", lease=False)
    (first,) = await store.claim(NOON, 2)
    (second,) = await store.claim(NOON, 2)
    assert [pending.number for pending in first.entry.pending] == [0, 1]
    assert [pending.number for pending in second.entry.pending] == [2]
    assert list(await store.claim(NOON, 2)) == []


async def test_G4_overlapping_claims_share_nothing(store: QueueStore) -> None:
    for _ in range(10):
        await committed(store, "ann", "bob", lease=False)
    claims = await asyncio.gather(*(store.claim(NOON, 3) for _ in range(10)))
    seen = [(lease.entry.key, one.number) for leases in claims for lease in leases for one in lease.entry.pending]
    assert len(seen) == len(set(seen)) == 20


async def test_the_longest_due_are_claimed_first(store: QueueStore) -> None:
    late = await committed(store, lease=False, arrived=NOON)
    early = await committed(store, lease=False, arrived=NOON - HOUR)
    leases = await store.claim(NOON, 10)
    assert [lease.entry.key for lease in leases] == [early.key, late.key]


async def test_a_served_recipient_leaves_and_the_last_one_takes_the_entry_with_it(store: QueueStore) -> None:
    entry = await committed(store, "ann", "bob")
    await store.settle(Settlement(entry.key, served=(0,)))
    left = await store.entry(entry.key)
    assert left is not None
    assert [pending.number for pending in left.pending] == [1]
    await store.settle(Settlement(entry.key, served=(1,)))
    assert await store.entry(entry.key) is None
    assert await store.depth() == 0


async def test_a_deferred_recipient_keeps_what_happened_and_waits(store: QueueStore) -> None:
    entry = await committed(store)
    waiting = replace(entry.pending[0], due=NOON + HOUR, attempts=1, delay_reported=True, last=LATER)
    await store.settle(Settlement(entry.key, deferred=(waiting,)))
    assert list(await store.claim(NOON, 10)) == []
    assert await store.next_due() == NOON + HOUR
    (lease,) = await store.claim(NOON + HOUR, 10)
    assert lease.entry.pending == (waiting,)


async def test_G5_reports_come_with_the_settlement(store: QueueStore) -> None:
    entry = await committed(store)
    (report,) = await store.settle(Settlement(entry.key, served=(0,), reports=(elaborate_draft(),)))
    assert await store.entry(entry.key) is None
    assert await store.entry(report.key) == report


async def test_a_report_that_asks_for_it_is_leased_to_the_one_who_settles(store: QueueStore) -> None:
    entry = await committed(store)
    (report,) = await store.settle(Settlement(entry.key, served=(0,), reports=(draft("postmaster"),)))
    assert len(report.pending) == 1
    assert list(await store.claim(NOON + HOUR, 10)) == []


async def test_a_released_recipient_is_due_when_it_says(store: QueueStore) -> None:
    entry = await committed(store, "ann", "bob")
    await store.release(entry.key, [1], NOON + HOUR)
    assert await store.next_due() == NOON + HOUR
    (lease,) = await store.claim(NOON + HOUR, 10)
    assert [(pending.number, pending.attempts) for pending in lease.entry.pending] == [(1, 0)]


async def test_releasing_what_is_not_leased_changes_nothing(store: QueueStore) -> None:
    entry = await committed(store, lease=False)
    await store.release(entry.key, [0], NOON + HOUR)
    assert await store.next_due() == NOON


async def test_a_claim_key_is_committed_once(store: QueueStore) -> None:
    assert await store.commit(draft(claim="file-1")) is not None
    assert await store.commit(draft(claim="file-1")) is None
    both = await asyncio.gather(store.commit(draft(claim="file-2")), store.commit(draft(claim="file-2")))
    assert sum(entry is not None for entry in both) == 1


async def test_a_claim_key_outlives_its_entry_until_it_is_forgotten(store: QueueStore) -> None:
    entry = await committed(store, claim="file-1")
    await store.settle(Settlement(entry.key, served=(0,)))
    assert await store.commit(draft(claim="file-1")) is None
    await store.forget(["file-1", "never-seen"])
    assert await store.commit(draft(claim="file-1")) is not None


async def test_G6_failures_are_counted_and_a_good_end_clears_them(store: QueueStore) -> None:
    entry = await committed(store, "ann", "bob")
    assert [await store.failed(entry.key), await store.failed(entry.key)] == [1, 2]
    await store.settle(Settlement(entry.key, served=(0,)))
    still = await store.entry(entry.key)
    assert still is not None and still.failures == 2, "the other recipient is still being worked on"
    await store.settle(Settlement(entry.key, deferred=(replace(entry.pending[1], due=NOON),)))
    cleared = await store.entry(entry.key)
    assert cleared is not None and cleared.failures == 0


async def test_failures_of_no_entry_are_not_counted(store: QueueStore) -> None:
    assert await store.failed("nothing") == 0


async def test_pages_follow_each_other_and_show_every_recipient(store: QueueStore) -> None:
    entries = [await committed(store, "ann", "bob", lease=False) for _ in range(3)]
    await committed(store)
    rows: list[Listed] = []
    after = ""
    while page := await store.page(after, 3):
        assert len(page) <= 3
        rows += page
        after = f"{page[-1].key}/{page[-1].recipient_number}"
    assert [(row.key, row.recipient) for row in rows[:6]] == [
        (entry.key, f"{name}@example.net") for entry in entries for name in ("ann", "bob")
    ]
    assert [row.key for row in await store.page("", 10, entries[1].key)] == [entries[1].key] * 2
    assert [row.recipient_number for row in await store.page(f"{entries[1].key}/0", 10, entries[1].key)] == [1]
    assert list(await store.page("", 10, "nothing")) == []
    assert rows[0].due == NOON
    assert rows[6].due is None, "leased"
    assert rows[0].sender == "app@example.com"
    assert len(rows) == 7


async def test_retry_makes_the_unleased_due_now(store: QueueStore) -> None:
    entry = await committed(store, "ann", "bob")
    await store.release(entry.key, [0], NOON + HOUR)
    assert await changed(store, entry.key, selection.retry(NOON)) == 1
    assert await store.next_due() == NOON


async def test_retry_without_a_key_makes_everything_due_that_is_not_leased(store: QueueStore) -> None:
    entries = [await committed(store, "ann", "bob") for _ in range(3)]
    for entry in entries[:2]:
        await store.release(entry.key, [0, 1], NOON + HOUR)
    assert await changed(store, "", selection.retry(NOON)) == 4
    assert len(await store.claim(NOON, 10)) == 2


async def test_remove_takes_the_unleased_only(store: QueueStore) -> None:
    entry = await committed(store, "ann", "bob")
    await store.release(entry.key, [0], NOON)
    assert await changed(store, entry.key, selection.remove) == 1
    assert await store.depth() == 1
    await store.release(entry.key, [1], NOON)
    assert await changed(store, entry.key, selection.remove) == 1
    assert await store.entry(entry.key) is None
    assert await changed(store, entry.key, selection.remove) == 0


@pytest.mark.parametrize("key", ["", "nothing", "zzzzzzzzzzzzzzzzzz", "../../etc/passwd", "ffffffff0000000001"])
async def test_unknown_keys_are_of_no_entry(store: QueueStore, key: str) -> None:
    await committed(store, lease=False)
    assert await store.entry(key) is None
    assert not key or await changed(store, key, selection.retry(NOON)) == 0
    assert not key or await changed(store, key, selection.remove) == 0
    await store.release(key, [0], NOON)
    assert await store.depth() == 1


async def test_keys_sort_in_order_of_commit_and_are_safe_as_file_names(store: QueueStore) -> None:
    keys = [(await committed(store)).key for _ in range(20)]
    assert keys == sorted(keys)
    assert all(key.isalnum() for key in keys)


async def test_M11_a_clock_that_jumps_back_postpones_nobody_beyond_the_longest_wait(
    store: QueueStore, clock: Clock
) -> None:
    entry = await committed(store)
    await store.settle(Settlement(entry.key, deferred=(replace(entry.pending[0], due=NOON + HOUR),)))
    clock.moment = NOON - timedelta(days=365)
    assert await store.next_due() == clock.moment
    assert len(await store.claim(clock.moment, 10)) == 1


async def test_M11_a_claim_whose_moment_was_read_before_a_settlement_is_no_jump_of_the_clock(
    store: QueueStore, clock: Clock
) -> None:
    entry = await committed(store)
    before, clock.moment = NOON, NOON + timedelta(milliseconds=2)
    waiting = replace(entry.pending[0], attempts=1, due=clock.moment + 4 * HOUR, last=LATER)
    await store.settle(Settlement(entry.key, deferred=(waiting,)))
    assert list(await store.claim(before, 10)) == []


async def test_M11_a_wait_that_was_asked_for_is_no_jump_of_the_clock(store: QueueStore) -> None:
    entry = await committed(store)
    await store.release(entry.key, [0], NOON + timedelta(days=30))
    assert list(await store.claim(NOON, 10)) == []


# -- who is held


async def frozen(store: QueueStore, key: str = "", until: timedelta = HOUR) -> int:
    return await changed(store, key, selection.freeze(FROZEN, lambda row: row.arrived + until))


async def awaited(store: QueueStore, *recipients: str) -> QueueEntry:
    """An entry whose recipients wait for their domain's server, for an hour."""
    entry = await committed(store, *recipients)
    held = tuple(replace(one, held=AWAITED, due=NOON + HOUR, last=LATER) for one in entry.pending)
    await store.settle(Settlement(entry.key, deferred=held))
    return entry


async def test_who_is_frozen_is_claimed_only_when_something_is_due_to_the_sender(store: QueueStore) -> None:
    entry = await committed(store, "ann", "bob", lease=False)
    assert await frozen(store, entry.key) == 2
    assert list(await store.claim(NOON + HOUR / 2, 10)) == []
    assert await store.next_due() == NOON + HOUR
    (lease,) = await store.claim(NOON + HOUR, 10)
    assert [one.held for one in lease.entry.pending] == [FROZEN, FROZEN]


async def test_who_is_frozen_while_leased_keeps_the_lease_and_is_held_afterwards(store: QueueStore) -> None:
    entry = await committed(store)
    assert await frozen(store) == 1
    (row,) = await waiting(store)
    assert (row.leased, row.due, row.held) == (True, None, FROZEN)
    await store.settle(Settlement(entry.key, deferred=(replace(entry.pending[0], due=NOON + 2 * HOUR),)))
    (row,) = await waiting(store)
    assert (row.leased, row.due, row.held) == (False, NOON + 2 * HOUR, FROZEN)


async def test_to_freeze_twice_changes_nothing_more(store: QueueStore) -> None:
    entry = await committed(store, lease=False)
    assert [await frozen(store, entry.key), await frozen(store, entry.key, 2 * HOUR)] == [1, 0]
    assert await store.next_due() == NOON + HOUR


async def test_retry_leaves_the_frozen_alone_and_thaw_makes_them_due(store: QueueStore) -> None:
    entry = await committed(store, "ann", "bob", lease=False)
    await frozen(store, entry.key)
    assert await changed(store, "", selection.retry(NOON)) == 0
    assert await changed(store, "", selection.thaw(NOON)) == 2
    (lease,) = await store.claim(NOON, 10)
    assert [(one.held, one.due) for one in lease.entry.pending] == [("", NOON), ("", NOON)]


async def test_a_far_end_of_holding_is_no_jump_of_the_clock(store: QueueStore) -> None:
    entry = await committed(store, lease=False)
    await frozen(store, entry.key, timedelta(days=30))
    assert list(await store.claim(NOON, 10)) == []
    assert await store.next_due() == NOON + timedelta(days=30)


async def test_held_mail_is_claimed_by_domain_and_stays_held(store: QueueStore) -> None:
    entry = await awaited(store, "ann", "bob")
    assert list(await store.claim(NOON, 10)) == []
    assert (await store.claim_held("example.org", "", 10)).leases == []
    assert (await store.claim_held("ample.net", "", 10)).leases == []
    ((lease,), _, following) = await store.claim_held("EXAMPLE.net", "", 10)
    assert following == ""
    assert lease.entry.key == entry.key
    assert [(one.held, one.last) for one in lease.entry.pending] == [(AWAITED, LATER)] * 2
    assert (await store.claim_held("example.net", "", 10)).leases == [], "G4"
    await store.release(entry.key, [0], NOON + HOUR)
    await store.settle(Settlement(entry.key, deferred=(replace(lease.entry.pending[1], held="", due=NOON + HOUR),)))
    assert [row.held for row in await waiting(store)] == [AWAITED, AWAITED]
    assert list(await store.claim(NOON, 10)) == []


@pytest.mark.parametrize("wanted", ["example.net", "*.net"])
async def test_held_mail_is_claimed_in_parts_each_recipient_once_in_a_turn(store: QueueStore, wanted: str) -> None:
    keys = [(await awaited(store)).key for _ in range(5)]
    claimed: list[str] = []
    after = ""
    while True:
        leases, _, after = await store.claim_held(wanted, after, 2)
        for lease in leases:
            claimed.append(lease.entry.key)
            await store.release(lease.entry.key, [0], NOON + HOUR)  # it could not be delivered
        if not after:
            break
    assert claimed == keys


async def test_what_is_held_below_a_domain_is_claimed_domain_after_domain(store: QueueStore) -> None:
    for name in ("one.example.net", "example.net", "two.example.net", "one.example.net"):
        given = draft()
        recipient = replace(given.envelope.recipients[0], address=Mailbox("ann", name))
        entry = await store.commit(replace(given, envelope=replace(given.envelope, recipients=(recipient,))))
        assert entry is not None
        held = replace(entry.pending[0], held=AWAITED, due=NOON + HOUR)
        await store.settle(Settlement(entry.key, deferred=(held,)))
    claimed: list[str] = []
    after = ""
    while True:
        leases, _, after = await store.claim_held("*.example.net", after, 1)
        claimed += [lease.entry.pending[0].recipient.address.domain for lease in leases]
        if not after:
            break
    assert sorted(claimed) == ["one.example.net", "one.example.net", "two.example.net"]
    assert len((await store.claim_held("example.net", "", 10)).leases) == 1


async def test_what_is_held_is_counted_and_its_domains_are_known(store: QueueStore) -> None:
    assert (await store.count_held("example.net"), list(await store.held_domains())) == (0, [])
    entry = await awaited(store)
    await awaited(store)
    assert await frozen(store, entry.key) == 1
    for wanted, count in (("example.net", 1), ("EXAMPLE.net", 1), ("*.net", 1), ("*.example.net", 0), ("", 0)):
        assert await store.count_held(wanted) == count, wanted
    assert list(await store.held_domains()) == ["example.net"]
    await store.claim_held("example.net", "", 10)
    assert await store.count_held("example.net") == 1, "leased ones are counted"
    await store.thaw("example.net", NOON)


@pytest.mark.parametrize(
    ("wanted", "count"),
    [("*.net", 1), ("*.example.net", 0), ("example.net", 1), ("net", 0), ("*.et", 0), ("", 0), ("*.", 0)],
)
async def test_held_mail_is_thawed_by_domain_or_by_those_below_one(store: QueueStore, wanted: str, count: int) -> None:
    await awaited(store)
    assert await store.thaw(wanted, NOON) == count
    assert len(await store.claim(NOON, 10)) == count


async def test_what_an_operator_froze_is_not_thawed_for_its_domain(store: QueueStore) -> None:
    entry = await awaited(store)
    assert await frozen(store, entry.key) == 1
    assert await store.thaw("example.net", NOON) == 0
    assert (await store.claim_held("example.net", "", 10)).leases == []


# -- routes that an operator chose


async def test_a_route_that_an_operator_chose_is_kept_until_it_is_taken_back(store: QueueStore) -> None:
    entry = await committed(store)
    await store.release(entry.key, [0], NOON + HOUR)
    assert await changed(store, "", selection.reroute("[192.0.2.1]:26", NOON)) == 1
    (lease,) = await store.claim(NOON, 10)
    assert lease.entry.pending[0].via == "[192.0.2.1]:26"
    waiting_again = replace(lease.entry.pending[0], via="", due=NOON + HOUR)
    await store.settle(Settlement(entry.key, deferred=(waiting_again,)))
    assert [row.via for row in await waiting(store)] == ["[192.0.2.1]:26"]
    assert await changed(store, "", selection.reroute("", NOON)) == 1
    assert [(row.via, row.due) for row in await waiting(store)] == [("", NOON)]


# -- selections


async def test_a_selection_is_changed_page_after_page_and_nothing_else_is(store: QueueStore) -> None:
    entries = [await committed(store, "ann", "bob", lease=False) for _ in range(5)]
    count, after, pages = 0, "", 0
    while True:
        page = await store.change(Selection(recipient="ANN@*"), selection.remove, after, 3)
        count, after, pages = count + page.recipients, page.next, pages + 1
        if not after:
            break
    assert (count, pages) == (5, 4)
    assert [(row.key, row.recipient) for row in await waiting(store)] == [
        (entry.key, "bob@example.net") for entry in entries
    ]


async def test_who_is_in_delivery_is_counted_and_not_removed(store: QueueStore) -> None:
    await committed(store)
    free = await committed(store, lease=False)
    assert await store.change(Selection(), selection.remove, "", 10) == (1, 1, "", {free.key: 1})
    assert await store.change(Selection(), selection.retry(NOON), "", 10) == (0, 1, "", {})
    assert await store.depth() == 1


async def test_who_is_selected_is_taken_once(store: QueueStore) -> None:
    entries = [await committed(store, "ann", "bob", lease=False) for _ in range(3)]
    await committed(store, "ann")
    selected = Selection(recipient="ann@*")
    taken: list[QueueEntry] = []
    in_delivery, after = 0, ""
    while True:
        page = await store.take(selected, after, 3)
        taken += [lease.entry for lease in page.leases]
        in_delivery, after = in_delivery + page.in_delivery, page.next
        if not after:
            break
    assert [(one.key, [each.number for each in one.pending]) for one in taken] == [(e.key, [0]) for e in entries]
    assert in_delivery == 1
    assert (await store.take(selected, "", 100)).leases == []
    assert await store.depth() == 7


# -- recipients that join an entry


def joining(*names: str, due: timedelta = timedelta()) -> tuple[Pending, ...]:
    recipients = draft(*names).envelope.recipients
    return tuple(Pending(0, one, NOON + due) for one in recipients)


async def test_recipients_join_an_entry_when_its_last_one_leaves(store: QueueStore) -> None:
    entry = await committed(store, "group")
    await store.settle(Settlement(entry.key, served=(0,), added=joining("ann", "bob")))
    assert await store.depth() == 2
    (lease,) = await store.claim(NOON, 10)
    assert lease.entry.key == entry.key
    assert [str(one.address) for one in lease.entry.envelope.recipients] == [
        f"{name}@example.net" for name in ("group", "ann", "bob")
    ]
    assert [(one.number, str(one.recipient.address)) for one in lease.entry.pending] == [
        (1, "ann@example.net"),
        (2, "bob@example.net"),
    ]
    assert lease.entry.content.size == entry.content.size


async def test_recipients_that_join_later_get_numbers_of_their_own(store: QueueStore) -> None:
    entry = await committed(store, "one", "two")
    await store.settle(Settlement(entry.key, served=(0,), added=joining("ann")))
    await store.settle(Settlement(entry.key, served=(1,), added=joining("bob", due=HOUR)))
    assert [(row.recipient_number, row.recipient, row.due) for row in await waiting(store)] == [
        (2, "ann@example.net", NOON),
        (3, "bob@example.net", NOON + HOUR),
    ]
    await store.settle(Settlement(entry.key, served=(2, 3)))
    assert await store.entry(entry.key) is None
    assert await store.depth() == 0


async def test_what_joins_reads_back_as_it_was_given(store: QueueStore) -> None:
    entry = await committed(store)
    odd = elaborate_draft().envelope.recipients
    await store.settle(Settlement(entry.key, served=(0,), added=tuple(Pending(0, one, NOON) for one in odd)))
    read = await store.entry(entry.key)
    assert read is not None
    assert tuple(one.recipient for one in read.pending) == odd


async def test_nobody_joins_an_entry_that_is_gone(store: QueueStore) -> None:
    await store.settle(Settlement("ffffffff0000000001", served=(0,), added=joining("ann")))
    assert await store.depth() == 0


# -- lists in an order, and sums


def to(*addresses: str, **options: object) -> SealedDraft:
    """A draft for recipients of any domains."""
    made = draft(**options)  # type: ignore[arg-type]
    named = tuple(Recipient(Mailbox(*address.split("@"))) for address in addresses)
    return replace(made, envelope=replace(made.envelope, recipients=named))


async def some_that_wait(store: QueueStore, clock: Clock) -> None:
    """Recipients r0 to r6: r1 was tried once, r2 and r3 three times; r4 is held, r5 is in delivery."""
    for number in range(7):
        domain = "odd.test" if number % 2 else "even.test"
        await store.commit(to(f"r{number}@{domain}", lease=number == 5, arrived=clock()))
        clock.moment += timedelta(seconds=1)
    leases = [lease.entry for lease in await store.claim(clock(), 4)]
    for entry in leases:
        (one,) = entry.pending
        number = one.recipient.address.local[1:]
        attempts = {"0": 0, "1": 1, "2": 3, "3": 3}[number]
        due = clock() + timedelta(minutes=10 - int(number))
        await store.settle(Settlement(entry.key, deferred=(replace(one, due=due, attempts=attempts, last=LATER),)))
    freeze = selection.freeze(FROZEN, lambda _: clock() + HOUR)
    for row in await waiting(store):
        if row.recipient.startswith("r4"):
            await store.change(Selection(key=row.key), freeze, "", 10)


async def walked(store: QueueStore, ordering: Ordering, limit: int, start: str = "") -> list[str]:
    """The recipients of a list, read page after page."""
    found: list[str] = []
    position = start
    while True:
        page = await store.ordered(ordering, position, limit)
        found += [listed.recipient.partition("@")[0] for _, listed in page.rows]
        if page.end is None:
            return found
        position = str(ordering.before(page.end) if ordering.backwards else page.end)


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_recipients_are_listed_in_any_order(store: QueueStore, clock: Clock, limit: int) -> None:
    await some_that_wait(store, clock)
    everybody = [f"r{number}" for number in range(7)]
    assert await walked(store, Ordering(By.ARRIVED), limit) == everybody
    assert await walked(store, Ordering(By.ARRIVED, descending=True), limit) == everybody[::-1]
    assert await walked(store, Ordering(By.DUE), limit) == ["r6", "r3", "r2", "r1", "r0"]
    assert await walked(store, Ordering(By.DUE, descending=True), limit) == ["r0", "r1", "r2", "r3", "r6"]
    assert await walked(store, Ordering(By.ATTEMPTS), limit) == ["r1", "r2", "r3"]
    assert await walked(store, Ordering(By.ATTEMPTS, descending=True), limit) == ["r3", "r2", "r1"]


@pytest.mark.parametrize("by", list(By))
@pytest.mark.parametrize("descending", [False, True])
async def test_a_list_goes_back_the_way_that_it_came(store: QueueStore, clock: Clock, by: By, descending: bool) -> None:
    await some_that_wait(store, clock)
    forwards, back = Ordering(by, descending), Ordering(by, descending, backwards=True)
    everybody = (await store.ordered(forwards, "", 100)).rows
    for place, (position, _) in enumerate(everybody):
        behind = (await store.ordered(forwards, str(position), 100)).rows
        before = (await store.ordered(back, str(position), 100)).rows
        assert [row for _, row in behind] == [row for _, row in everybody[place + 1 :]]
        assert [row for _, row in before] == [row for _, row in everybody[place::-1]]
        begun = (await store.ordered(forwards, str(forwards.before(position)), 100)).rows
        assert [row for _, row in begun] == [row for _, row in everybody[place:]]


async def test_the_list_of_one_entry_has_its_recipients_alone(store: QueueStore) -> None:
    entries = [await committed(store, "ann", "bob") for _ in range(3)]
    for descending in (False, True):
        page = await store.ordered(Ordering(descending=descending), "", 10, entries[1].key)
        assert [row.key for _, row in page.rows] == [entries[1].key] * 2
        assert [row.recipient_number for _, row in page.rows] == ([1, 0] if descending else [0, 1])


@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_sums_count_every_recipient_once(store: QueueStore, clock: Clock, limit: int) -> None:
    await some_that_wait(store, clock)
    sums, after = [], ""
    while True:
        page = await store.summed(after, limit)
        sums += page.sums
        after = page.next
        if not after:
            break
    totals = {
        domain: [
            sum(getattr(one, name) for one in sums if one.domain == domain)
            for name in ("recipients", "held", "leased", "tried", "untried")
        ]
        for domain in ("even.test", "odd.test")
    }
    # r0 was settled without having been tried, as what is put off is.
    assert totals == {"even.test": [4, 1, 0, 1, 2], "odd.test": [3, 0, 1, 2, 0]}
    assert min(one.oldest for one in sums) == NOON
    assert max(one.attempts for one in sums) == 3
    assert {one.said for one in sums if one.tried} == {LATER.words}
    assert min(one.due for one in sums if one.due is not None) == NOON + timedelta(seconds=6)


async def test_recipients_that_joined_an_entry_count_where_they_go(store: QueueStore) -> None:
    entry = await store.commit(to("list@one.test"))
    assert entry is not None
    added = Pending(0, to("member@two.test").envelope.recipients[0], NOON)
    await store.settle(Settlement(entry.key, added=(added,)))
    sums = (await store.summed("", 10)).sums
    assert {one.domain: (one.recipients, one.messages) for one in sums} == {"one.test": (1, 1), "two.test": (1, 1)}
