"""Mail that waits for somebody: frozen by an operator, or held until its domain's server asks; and rerouted mail."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from mailroot.mail.envelope import Recipient
from mailroot.mail.status import Disposition, Status
from mailroot.queue import selection
from mailroot.queue.entry import AWAITED, FROZEN, Pending, QueueEntry
from mailroot.queue.schedule import held_until
from mailroot.queue.selection import Selection
from mailroot.routing.route import RelayRoute
from mailroot.service.deliver.resolving import Resolution
from mailroot.settings.delivery import Authentication, OutboundSecurity
from mailroot.settings.delivery import Delivery as DeliverySettings
from mailroot.settings.domains import Domain, DomainType
from mailroot.settings.places import SmartHost
from tests.service.working import DELAYED, FAILED, NOON, Work, everybody, mailbox, rules, until

HOUR = timedelta(hours=1)
HELD = "bob@held.test"
FAR = "bob@remote.test"
DOMAINS = {
    "local.test": Domain(type=DomainType.DEFAULT),
    "held.test": Domain(type=DomainType.REMOTE, hold=True),
    "slow.test": Domain(type=DomainType.REMOTE, retry_intervals=(5 * HOUR,), retry_attempts=2, expiration=30 * HOUR),
}


@pytest.fixture
async def work() -> Work:
    made = Work()
    made.rules = rules(domains=DOMAINS)
    return made


async def states(work: Work) -> list[tuple[str, int]]:
    """Of each that waits: why it is held, and the hours from noon until it is due."""
    rows = await work.queue.page("", 100)
    return [(row.held, round((row.due - NOON) / HOUR) if row.due else -1) for row in rows]


async def claimed(work: Work) -> None:
    """What is due is claimed and worked off."""
    assert await work.dispatcher._claims.claim()
    await work.idle()


# -- domains whose server asks for its mail


async def test_mail_for_a_held_domain_waits_for_its_server(work: Work) -> None:
    await work.begin(HELD, FAR)
    await work.idle()
    assert work.remote.recipients == [FAR]
    assert await states(work) == [(AWAITED, 12)]
    assert (await work.queue.page("", 10))[0].attempts == 0
    assert work.told("deferred")


async def test_etrn_sends_what_is_held_and_what_cannot_be_sent_stays_held(work: Work) -> None:
    for _ in range(3):
        await work.begin(HELD)
    await work.idle()
    assert await work.dispatcher.serve_held("other.test") == 0
    work.remote.outcome = everybody(DELAYED)
    assert await work.dispatcher.serve_held("held.test") == 3
    await work.idle()
    assert work.remote.recipients == [HELD] * 3
    assert await states(work) == [(AWAITED, 12)] * 3
    work.remote.outcome = everybody(Status(Disposition.RELAYED, "2.0.0"))
    assert await work.dispatcher.serve_held("*.test") == 3
    await work.idle()
    assert await work.queue.depth() == 0


async def test_the_sender_hears_that_held_mail_is_delayed_and_in_the_end_that_it_was_given_up(work: Work) -> None:
    await work.begin(HELD)
    await work.idle()
    work.clock.moment = NOON + 12 * HOUR
    await claimed(work)
    assert await states(work) == [(AWAITED, 48)]
    assert work.told("reported")[0]["kind"] == "Delay"
    work.clock.moment = NOON + 48 * HOUR
    await claimed(work)
    assert work.told("reported")[1]["kind"] == "Failure"
    (failed,) = work.told("failed")
    assert (failed["status"], failed["destination"]) == ("4.4.7", "held.test")
    assert await work.queue.depth() == 0
    assert work.remote.carried == []


async def test_a_domain_that_is_held_no_longer_is_thawed_and_sent(work: Work) -> None:
    await work.begin(HELD)
    await work.idle()
    work.rules = rules()
    assert await work.queue.thaw("held.test", work.clock()) == 1
    await claimed(work)
    assert work.remote.recipients == [HELD]


# -- what an operator freezes


async def frozen(work: Work) -> None:
    plan = work.rules.remote_retry
    freeze = selection.freeze(FROZEN, lambda row: held_until(row.delay_reported, row.arrived, plan))
    await work.queue.change(Selection(), freeze, "", 100)


async def test_frozen_mail_is_not_tried_and_its_sender_is_told(work: Work) -> None:
    await work.commit(FAR, "ann@local.test", lease=False)
    await frozen(work)
    assert not await work.dispatcher._claims.claim()
    work.clock.moment = NOON + 12 * HOUR
    await claimed(work)
    assert work.remote.carried == []
    assert await states(work) == [(FROZEN, 48), (FROZEN, 48)]
    assert {one["kind"] for one in work.told("reported")} == {"Delay"}
    await work.queue.change(Selection(), selection.thaw(work.clock()), "", 100)
    await claimed(work)
    assert work.remote.recipients == [FAR]


async def test_of_an_entry_in_part_frozen_the_others_are_tried(work: Work) -> None:
    entry = await work.commit(FAR, "cy@remote.test", lease=False)
    await work.queue.change(Selection(recipient=FAR), selection.freeze(FROZEN, lambda _: NOON), "", 100)
    await claimed(work)
    assert work.remote.recipients == ["cy@remote.test"]
    assert [row.recipient for row in await work.queue.page("", 10) if row.key == entry.key] == [FAR]


async def test_a_fault_while_something_is_told_keeps_the_mail(work: Work) -> None:
    await work.commit(FAR, lease=False)
    await frozen(work)
    work.clock.moment = NOON + 12 * HOUR
    work.queue.faults["settle"] = [ZeroDivisionError()]
    await claimed(work)
    assert work.told("task_failed")
    assert [row.held for row in await work.queue.page("", 10)] == [FROZEN]
    assert work.dispatcher._room.entries == 0


# -- routes that an operator chose


async def test_rerouted_mail_goes_to_the_host_that_was_named(work: Work) -> None:
    entry = await work.commit(FAR, "cy@remote.test", "ann@local.test", lease=False)
    await work.queue.change(Selection(recipient="*"), selection.reroute("[192.0.2.1]:26", NOON), "", 2)
    await claimed(work)
    routes = {
        one.route.destination: len(one.pending) for one in work.remote.carried if isinstance(one.route, RelayRoute)
    }
    assert routes == {"[192.0.2.1]:26": 2}
    assert work.drop.recipients == ["ann@local.test"]
    assert entry is not None


def test_a_host_that_the_settings_do_not_name_is_not_shown_their_credentials() -> None:
    signed = OutboundSecurity(authentication=Authentication.BASIC, username="u", password="p")
    known = SmartHost("relay.test", 587)
    plan = rules(delivery=DeliverySettings(fqdn="m.test", smart_host=(known,), security=signed)).plan
    other = SmartHost("other.test")
    assert plan.through((known,), "remote.test").security_for("relay.test").password == "p"
    for hosts in ((other,), (other, known), (known, other)):
        route = plan.through(hosts, "remote.test")
        for host in ("relay.test", "other.test"):
            assert route.security_for(host).authentication is Authentication.ANONYMOUS
        assert route.security.tls is signed.tls


# -- domains with times of their own


async def test_a_domain_has_its_own_intervals_attempts_and_expiration(work: Work) -> None:
    work.remote.outcome = everybody(DELAYED)
    await work.begin("s@slow.test")
    await work.begin("f@remote.test")
    await work.idle()
    rows = {row.recipient: row.due for row in await work.queue.page("", 10)}
    assert rows == {"s@slow.test": NOON + 5 * HOUR, "f@remote.test": NOON + HOUR / 4}
    work.clock.moment = NOON + 5 * HOUR
    await claimed(work)
    assert [one["recipient"] for one in work.told("failed")] == ["s@slow.test"]


async def test_recipients_with_different_times_of_one_route_are_settled_together(work: Work) -> None:
    host = (SmartHost("relay.test"),)
    work.rules = rules(domains=DOMAINS, delivery=DeliverySettings(fqdn="m.test", smart_host=host))
    work.remote.outcome = everybody(DELAYED)
    await work.begin("s@slow.test", "f@remote.test")
    await work.idle()
    assert len(work.remote.carried) == 1
    assert len(work.queue.settled) == 1
    assert {row.due for row in await work.queue.page("", 10)} == {NOON + 5 * HOUR, NOON + HOUR / 4}


async def test_what_is_unset_for_a_domain_is_as_for_its_kind() -> None:
    own = rules(domains={**DOMAINS, "box.test": Domain(type=DomainType.ALIAS, retry_attempts=3)})
    slow, box = own.retry_for("SLOW.test"), own.retry_for("box.test")
    assert (slow.attempts, slow.delay_notification, slow.expiration) == (2, 12 * HOUR, 30 * HOUR)
    assert (box.intervals, box.attempts) == (own.local_retry.intervals, 3)
    assert own.retry_for("remote.test") == own.remote_retry
    assert own.retry_for("local.test") == own.local_retry


# -- a directory before the routes


class Directory:
    """Decides as `found` says."""

    def __init__(self, found: object) -> None:
        self.found = found
        self.asked: list[QueueEntry] = []
        self.returns = 0

    def when_back(self, listen: Callable[[], None]) -> None:
        """It never went."""

    def known(self, _entry: QueueEntry) -> Resolution | None:
        return None

    async def resolve(self, entry: QueueEntry) -> Resolution:
        self.asked.append(entry)
        await asyncio.sleep(0)
        if len(self.asked) > 1:
            return Resolution(entry.pending)
        if isinstance(self.found, Exception):
            raise self.found
        assert isinstance(self.found, Resolution)
        return self.found


def expand(entry: QueueEntry, *members: str) -> Resolution:
    added = tuple(Pending(0, Recipient(mailbox(one)), NOON) for one in members)
    expanded = Status(Disposition.EXPANDED, "2.1.5")
    return Resolution(entry.pending[1:], {0: expanded}, added=added)


async def test_a_group_is_expanded_and_the_others_go_their_way(work: Work) -> None:
    entry = await work.commit("group@local.test", "ann@local.test")
    directory = work.dispatcher._carriers.directory = Directory(expand(entry, "m1@local.test", FAR))
    work.dispatcher.begin(entry)
    await work.idle()
    assert work.drop.recipients == ["ann@local.test"]
    await claimed(work)
    assert sorted(work.drop.recipients) == ["ann@local.test", "m1@local.test"]
    assert work.remote.recipients == [FAR]
    assert len(directory.asked) == 2
    assert await work.queue.depth() == 0
    assert work.dispatcher._room.entries == 0


async def test_one_who_is_replaced_leaves_without_a_report(work: Work) -> None:
    entry = await work.commit("old@local.test")
    added = (Pending(0, Recipient(mailbox("new@local.test")), NOON),)
    work.dispatcher._carriers.directory = Directory(Resolution((), replaced=(0,), added=added))
    work.dispatcher.begin(entry)
    await work.idle()
    assert not work.told("reported") and not work.told("delivered")
    await claimed(work)
    assert work.drop.recipients == ["new@local.test"]


async def test_one_whom_the_directory_refuses_is_reported_and_one_it_cannot_tell_waits(work: Work) -> None:
    entry = await work.commit("gone@local.test", "later@local.test")
    work.dispatcher._carriers.directory = Directory(Resolution((), {0: FAILED, 1: DELAYED}))
    work.dispatcher.begin(entry)
    await until(lambda: work.drop.recipients == ["app@local.test"])
    await work.idle()
    assert [one["recipient"] for one in work.told("failed")] == ["gone@local.test"]
    assert await states(work) == [("", 0)]
    (waiting,) = await work.queue.page("", 10)
    assert waiting.due == NOON + HOUR / 4


async def test_a_mistake_of_the_directory_puts_the_entry_off(work: Work) -> None:
    entry = await work.commit("ann@local.test")
    work.dispatcher._carriers.directory = Directory(ZeroDivisionError())
    work.dispatcher.begin(entry)
    await work.idle()
    assert work.told("task_failed")
    assert (await work.queue.page("", 10))[0].due == NOON + timedelta(minutes=5)
    assert work.dispatcher._room.entries == 0


async def test_a_directory_costs_nothing_where_there_is_none(work: Work) -> None:
    entry = await work.commit()
    before = len(work.dispatcher._work)
    work.dispatcher.begin(entry)
    assert len(work.dispatcher._drops) == 1, "routed at once, without a task of its own"
    assert len(work.dispatcher._work) == before + 1
    await work.idle()
