"""What is counted of events, deliveries and the queue."""

from datetime import timedelta
from typing import Any

import pytest

from mailroot.mail.counters.families import REFUSALS
from mailroot.mail.counters.layout import FAMILY_SLOTS, LENGTH, SLOTS, STAGE_LENGTH, STAGE_SLOTS, Tally
from mailroot.mail.counters.table import COUNTER_ROWS
from mailroot.mail.events import EVENT_ROWS, EVENTS
from mailroot.mail.fanout import Fanout
from mailroot.mail.pickup import NO_RECIPIENTS
from mailroot.mail.reply import REPLY_ROWS
from mailroot.mail.status import Disposition, Status
from mailroot.policy.loop import may_hop
from mailroot.queue.settle import settle
from mailroot.service.deliver.delivery import Delivery
from mailroot.service.measure.counting import _COUNTS, Counting
from mailroot.service.measure.directorycounts import DirectoryCounts
from mailroot.service.measure.look import OTHERS, Seen, look
from mailroot.service.measure.progress import Progress
from mailroot.service.measure.refusals import cause_of
from tests.service.working import DELAYED, DELIVERED, FAILED, NOON, Work, rules

RELAYED = Status(Disposition.RELAYED, "2.0.0", remote="mx.example")


class Counted:
    """Tallies of two virtual servers, and what tells them of events."""

    def __init__(self) -> None:
        self.tallies = {"": Tally([0] * LENGTH), "one": Tally([0] * LENGTH), "two": Tally([0] * LENGTH)}
        self.tell = Fanout(lambda: NOON, [Counting(self.tallies)])

    def __getitem__(self, name: str) -> int:
        return self.tallies["one"].cells[getattr(SLOTS, name)]

    def labelled(self, family: str, value: str, server: str = "one") -> int:
        return self.tallies[server].cells[FAMILY_SLOTS[family][value]]


def accepted(**parts: Any) -> dict[str, Any]:
    return {"server": "one", "session": "s1", "entry": "e", "message_id": "<1@x>", "sender": "a@b.example"} | parts


def test_a_message_counts_with_its_octets_and_recipients() -> None:
    counted = Counted()
    counted.tell(EVENTS.accepted, **accepted(recipients=3, size=1000))
    counted.tell(EVENTS.accepted, **accepted(recipients=1, size=500, session=""))
    assert (counted["messages_received"], counted["pickup_messages"]) == (2, 1)
    assert (counted["message_bytes_received"], counted["recipients_received"]) == (1500, 4)
    assert sum(counted.tallies["two"].cells) == 0


def test_a_report_about_three_recipients_is_one() -> None:
    counted = Counted()
    for number in range(3):
        counted.tell(
            EVENTS.reported,
            server="one",
            entry="e",
            message_id="<r>",
            about="<1>",
            recipient=f"r{number}",
            kind="Failure",
        )
    counted.tell(EVENTS.reported, server="one", entry="e", message_id="<d>", about="<1>", recipient="r", kind="Delay")
    assert (counted["reports"], counted["ndrs"]) == (2, 1)


@pytest.mark.parametrize(
    ("kind", "cause", "counter"),
    [
        ("general", "It made the service fail.", "badmail_general"),
        ("report", "Nobody can be told.", "badmail_report"),
        ("pickup", "no sender", "badmail_pickup"),
        ("pickup", NO_RECIPIENTS, "badmail_no_recipients"),
        ("pickup", getattr(may_hop(16, 15), "cause", ""), "badmail_hops"),
    ],
)
def test_badmail_counts_by_its_kind(kind: str, cause: str, counter: str) -> None:
    counted = Counted()
    counted.tell(EVENTS.badmail, server="one", entry="", message_id="", name="x.BAD", cause=cause, kind=kind)
    assert counted[counter] == 1
    assert sum(counted.tallies["one"].cells) == 1


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("relay_denied", "relay"),
        ("relay_trick", "relay"),
        ("relay_uncertain", "uncertain"),
        ("anonymous_not_allowed", "sign_in"),
        ("tls_first", "sign_in"),
        ("mailbox_full", "quota"),
        ("too_many_recipients", "recipients"),
        ("message_too_large", "size"),
        ("session_too_large", "size"),
        ("too_many_hops", "hops"),
        ("bare_newline", "content"),
        ("bad_content", "content"),
        ("disk_full", "room"),
        ("store_unavailable", "room"),
        ("unknown_recipient", "address"),
        ("ambiguous_recipient", "address"),
        ("too_many_errors", "other"),
    ],
)
def test_a_refusal_counts_by_its_cause(name: str, cause: str) -> None:
    row = REPLY_ROWS[name]
    counted = Counted()
    counted.tell(EVENTS.refused, server="one", reply=f"{row.code} {row.enhanced} whatever it says")
    assert counted.labelled("refusals", cause) == 1
    assert counted["refused_for_size"] == (cause == "size")
    assert counted["refused_for_room"] == (cause == "room")


def test_every_reply_has_a_cause_that_is_in_the_set() -> None:
    for row in REPLY_ROWS.values():
        assert cause_of(f"{row.code} {row.enhanced} {row.text}") in REFUSALS.values
    assert cause_of("") == cause_of("250") == "other"


def test_tls_counts_by_version_and_a_strange_one_as_other() -> None:
    counted = Counted()
    for version in ("TLSv1.3", "TLSv1.3", "SSLv2"):
        counted.tell(EVENTS.disconnected, server="one", tls=version)
        counted.tell(EVENTS.attempt, server="one", tls=version)
    counted.tell(EVENTS.disconnected, server="one")
    for family in ("sessions_ended", "transactions"):
        assert counted.labelled(family, "TLSv1.3") == 2
        assert counted.labelled(family, "other") == 1
    assert counted.labelled("sessions_ended", "none") == 1


def test_failures_and_deferrals_count_by_subject() -> None:
    counted = Counted()
    counted.tell(EVENTS.failed, server="one", status="5.1.1")
    counted.tell(EVENTS.deferred, server="one", status="4.4.1")
    counted.tell(EVENTS.deferred, server="one", status="")
    assert counted.labelled("failures", "address") == counted["recipients_failed"] == 1
    assert counted.labelled("deferrals", "network") == counted.labelled("deferrals", "other") == 1
    assert counted["recipients_deferred"] == 2


def test_what_is_of_no_virtual_server_counts_for_the_service() -> None:
    counted = Counted()
    counted.tell(EVENTS.worker_died, worker=1, pid=2, exit=-9)
    counted.tell(EVENTS.task_failed, server="", task="x", cause="y")
    counted.tell(EVENTS.refused, server="gone", reply="550 5.7.1 x")
    service = counted.tallies[""].cells
    assert service[SLOTS.worker_deaths] == service[SLOTS.mistakes] == counted.labelled("refusals", "relay", "") == 1


def test_calls_for_held_mail_and_lines_that_were_lost_are_counted() -> None:
    counted = Counted()
    counted.tell(EVENTS.queue_asked_for, server="one", node="example.com", recipients=3)
    counted.tell(EVENTS.connection_turned, server="one", user="x", recipients=2)
    counted.tell(EVENTS.log_lost, server="one", count=7, cause="full")
    assert counted["etrn_messages"] == 2
    assert counted.tallies[""].cells[SLOTS.log_lines_lost] == 7


def test_every_event_that_is_counted_is_in_the_table() -> None:
    assert set(_COUNTS) <= {row.name for row in EVENT_ROWS}


def test_every_count_names_the_event_that_feeds_it() -> None:
    named = {row.name for row in EVENT_ROWS}
    for row in COUNTER_ROWS:
        if row.feed.startswith("event"):
            events = [word.strip("`,") for word in row.feed.split()[1:]]
            assert events and set(events) <= named, row.name


# -- deliveries


async def deliver(local: bool, status: Status, attempts: int = 0, recipients: int = 2) -> Tally:
    """One attempt on a delivery; what was counted. The message arrived ten seconds before it."""
    work, tally = Work(), Tally([0] * LENGTH)
    domain = "local.test" if local else "elsewhere.example"
    entry = await work.commit(*[f"r{number}@{domain}" for number in range(recipients)])
    seconds = iter([1.0, 3.0])
    progress = Progress(tally, lambda: NOON.timestamp() + 10, seconds.__next__)
    pending = tuple(one.__class__(one.number, one.recipient, one.due, attempts) for one in entry.pending)
    delivery = Delivery(entry, pending, rules().plan.route(domain))
    begun = progress.begins([delivery])
    progress.ends(begun, 1)
    plan = rules().retry(delivery.route)
    progress.settled(delivery, settle(entry, pending, {one.number: status for one in pending}, NOON, plan))
    return tally


def counts(tally: Tally) -> dict[str, int]:
    return {name: tally.cells[slot] for name, slot in vars(SLOTS).items() if tally.cells[slot]}


async def test_a_message_in_drop_counts_once_with_its_recipients() -> None:
    assert counts(await deliver(True, DELIVERED)) == {
        "messages_delivered": 1,
        "recipients_delivered": 2,
        "routing_lookups": 1,
    }


async def test_a_message_that_a_server_took_over_counts_with_its_octets() -> None:
    assert counts(await deliver(False, RELAYED, attempts=3)) == {
        "messages_sent": 1,
        "recipients_sent": 2,
        "message_bytes_sent": 22,
        "send_retries": 1,
        "routing_lookups": 1,
    }


@pytest.mark.parametrize("status", [DELAYED, FAILED])
async def test_what_was_not_served_counts_as_an_attempt_only(status: Status) -> None:
    assert counts(await deliver(True, status, attempts=1)) == {"delivery_retries": 1, "routing_lookups": 1}


async def test_stages_are_measured_once_each() -> None:
    def stage(tally: Tally, name: str) -> tuple[int, int]:
        cells = tally.cells[STAGE_SLOTS[name] : STAGE_SLOTS[name] + STAGE_LENGTH]
        return sum(cells[:-1]), cells[-1]

    first, later = await deliver(True, DELIVERED), await deliver(True, DELAYED, attempts=1)
    assert stage(first, "wait") == stage(first, "total") == (1, 10_000_000)
    assert stage(first, "attempt") == stage(later, "attempt") == (1, 2_000_000)
    assert stage(later, "wait") == stage(later, "total") == (0, 0)


# -- the queue


async def test_a_look_tells_what_waits_for_whom() -> None:
    work = Work()
    await work.commit("ann@local.test", lease=True)
    await work.commit("ben@local.test", lease=False)
    entry = await work.begin("cid@elsewhere.example", "dan@elsewhere.example", lease=True)
    work.remote.outcome = lambda delivery: {one.number: DELAYED for one in delivery.pending}
    await work.idle()
    assert (await work.queue.entry(entry.key)) is not None
    work.clock.moment += timedelta(seconds=60)
    seen = await look([work.queue], lambda: work.rules.plan, work.clock)
    told = seen.told(work.clock().timestamp())
    assert told["destinations"][0][0] in {"local.test", "elsewhere.example"}
    assert {name: (depth, age) for name, depth, age in told["destinations"]} == {
        "local.test": (2, 60.0),
        "elsewhere.example": (2, 60.0),
    }
    levels = told["levels"]
    assert levels["local_delivery_current"] == levels["local_queue_length"] == 1
    assert levels["remote_retry_queue_length"] == levels["undeliverable_current"] == 2
    assert levels["queue_age_seconds"] == 60.0


async def test_the_destinations_that_are_told_apart_are_bounded() -> None:
    work = Work()
    for number in range(60):
        await work.commit(*[f"r{place}@d{number}.example" for place in range(1 + number // 30)], lease=False)
    told = (await look([work.queue], lambda: work.rules.plan, work.clock)).told(NOON.timestamp())
    rows = told["destinations"]
    assert len(rows) == 26
    assert rows[-1][0] == OTHERS
    assert sum(depth for _, depth, _ in rows) == 90
    assert all(depth == 2 for _, depth, _ in rows[:25])


async def test_a_look_goes_over_all_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailroot.service.measure.look._PAGE", 3)
    work = Work()
    for number in range(10):
        await work.commit(f"r{number}@local.test", lease=False)
    seen = await look([work.queue], lambda: work.rules.plan, work.clock)
    assert seen.levels == {"local_queue_length": 10}


def test_an_empty_queue_has_no_age() -> None:
    assert Seen(NOON.timestamp()).told(NOON.timestamp() + 5)["levels"] == {
        "queue_age_seconds": 0.0,
        "queue_look_age_seconds": 5.0,
    }


def test_what_a_directory_does_is_counted_in_its_servers_tally() -> None:
    tally = Tally([0] * LENGTH)
    counts_of_one = DirectoryCounts(tally)
    counts_of_one.lookups += 3
    counts_of_one.completed += True
    assert counts(tally) == {"cat_lookups": 3, "cat_completions": 1}
    assert (counts_of_one.lookups, DirectoryCounts().lookups) == (3, 0)
