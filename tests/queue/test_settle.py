"""What an attempt changes, in values."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from mailroot.mail.message import BytesContent
from mailroot.mail.status import Disposition, Status
from mailroot.queue.entry import FROZEN, Pending, QueueEntry
from mailroot.queue.schedule import RetryPlan, coming_attempts, held_until, next_attempt
from mailroot.queue.settle import settle, settle_held
from tests.queue.drafts import HOUR, NOON, draft

MINUTE = timedelta(minutes=1)
PLAN = RetryPlan((15 * MINUTE, 30 * MINUTE, 60 * MINUTE, 240 * MINUTE), 0, 12 * HOUR, 48 * HOUR)
SENT = Status(Disposition.RELAYED, "2.0.0", reply="250 2.0.0 ok", remote="mx.example.net")
BUSY = Status(Disposition.DELAYED, "4.2.1", "The server was busy.", "450 4.2.1 busy", "mx.example.net")
REFUSED = Status(Disposition.FAILED, "5.1.1", reply="550 5.1.1 No such user")


def entry(*recipients: str) -> QueueEntry:
    made = draft(*recipients)
    pending = tuple(Pending(number, one, NOON) for number, one in enumerate(made.envelope.recipients))
    return QueueEntry("k1", made.envelope, BytesContent(b""), made.origin, NOON, "<1@x>", pending)


def after(moment: timedelta, pending: Pending, status: Status = BUSY, plan: RetryPlan = PLAN):  # type: ignore[no-untyped-def]
    return settle(entry(), [pending], {0: status}, NOON + moment, plan)


def test_each_recipient_has_its_own_outcome() -> None:
    one = entry("ann", "bob", "cid")
    settled = settle(one, one.pending, {0: SENT, 1: BUSY, 2: REFUSED}, NOON, PLAN)
    assert [(pending.number, status) for pending, status in settled.final] == [(0, SENT), (2, REFUSED)]
    assert [pending.number for pending in settled.deferred] == [1]
    assert settled.key == "k1"


def test_only_those_that_were_tried_are_settled() -> None:
    one = entry("ann", "bob")
    settled = settle(one, one.pending[1:], {1: SENT}, NOON, PLAN)
    assert [pending.number for pending, _ in settled.final] == [1]
    assert settled.deferred == ()


def test_a_deferred_recipient_keeps_its_last_outcome_and_counts_its_attempts() -> None:
    (waiting,) = after(MINUTE, entry().pending[0]).deferred
    assert waiting.attempts == 1
    assert waiting.last == BUSY
    assert waiting.due == NOON + 16 * MINUTE


@pytest.mark.parametrize(("attempts", "wait"), [(1, 15), (2, 30), (3, 60), (4, 240), (5, 240), (100, 240)])
def test_the_waits_follow_the_intervals_and_the_last_one_repeats(attempts: int, wait: int) -> None:
    assert next_attempt(attempts, NOON, NOON, PLAN) == NOON + wait * MINUTE


def test_the_last_attempt_is_at_the_expiration() -> None:
    waiting = replace(entry().pending[0], attempts=9, delay_reported=True)
    (last,) = after(47 * HOUR, waiting).deferred
    assert last.due == NOON + PLAN.expiration


def test_an_expired_recipient_fails_with_what_it_was_told_last() -> None:
    ((tried, status),) = after(48 * HOUR, entry().pending[0]).final
    assert (status.disposition, status.code) == (Disposition.FAILED, "4.4.7")
    assert (status.reply, status.remote, status.reason) == (BUSY.reply, BUSY.remote, BUSY.reason)
    assert tried.attempts == 1


def test_a_success_after_the_expiration_is_a_success() -> None:
    assert after(1000 * HOUR, entry().pending[0], SENT).final[0][1] == SENT


def test_the_number_of_attempts_is_limited_where_it_is_set() -> None:
    plan = replace(PLAN, attempts=3)
    second = replace(entry().pending[0], attempts=1)
    assert after(HOUR, second, plan=plan).final == ()
    ((tried, status),) = after(HOUR, replace(second, attempts=2), plan=plan).final
    assert (tried.attempts, status.code, status.reply) == (3, "4.4.7", BUSY.reply)


def test_a_delay_is_reported_once() -> None:
    early = after(11 * HOUR, entry().pending[0])
    assert early.delayed == ()
    late = after(12 * HOUR, early.deferred[0])
    assert late.delayed == late.deferred
    assert late.deferred[0].delay_reported
    assert after(13 * HOUR, late.deferred[0]).delayed == ()


@pytest.mark.parametrize("notification", [48 * HOUR, 100 * HOUR])
def test_a_delay_notice_beyond_the_expiration_never_happens(notification: timedelta) -> None:
    plan = replace(PLAN, delay_notification=notification)
    assert after(47 * HOUR, entry().pending[0], plan=plan).delayed == ()
    assert after(100 * HOUR, entry().pending[0], plan=plan).delayed == ()


def test_an_expired_recipient_is_not_owed_a_delay_notice_as_well() -> None:
    assert after(48 * HOUR, entry().pending[0]).delayed == ()


def test_M11_a_clock_that_jumped_a_year_gives_nobody_up_who_can_be_served() -> None:
    year = timedelta(days=365)
    assert after(year, entry().pending[0], SENT).final[0][1].disposition is Disposition.RELAYED


def test_M11_a_clock_that_jumped_back_waits_no_longer_than_the_interval() -> None:
    jumped = NOON - timedelta(days=365)
    assert next_attempt(1, NOON, jumped, PLAN) == jumped + 15 * MINUTE


def test_a_missing_outcome_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(KeyError):
        settle(entry(), entry().pending, {}, NOON, PLAN)


# -- who is held

KEPT = Status(Disposition.DELAYED, "4.3.2", "An operator keeps the message.")


def held(moment: timedelta, **changed: object):  # type: ignore[no-untyped-def]
    one = entry()
    pending = replace(one.pending[0], held=FROZEN, attempts=2, last=KEPT, **changed)  # type: ignore[arg-type]
    return settle_held(one, [pending], NOON + moment, PLAN)


def test_who_is_held_waits_for_the_notice_and_counts_no_attempt() -> None:
    (waiting,) = held(HOUR).deferred
    assert (waiting.held, waiting.due, waiting.attempts, waiting.last) == (FROZEN, NOON + 12 * HOUR, 2, KEPT)
    assert held(HOUR).delayed == ()


def test_the_sender_of_one_who_is_held_is_told_once() -> None:
    settled = held(12 * HOUR)
    (waiting,) = settled.deferred
    assert settled.delayed == settled.deferred
    assert (waiting.due, waiting.delay_reported) == (NOON + 48 * HOUR, True)
    assert held(13 * HOUR, delay_reported=True).delayed == ()


def test_who_is_held_is_given_up_at_the_expiration() -> None:
    settled = held(48 * HOUR, delay_reported=True)
    ((pending, status),) = settled.final
    assert settled.deferred == ()
    assert (status.disposition, status.code, status.reason) == (Disposition.FAILED, "4.4.7", KEPT.reason)
    assert pending.attempts == 2


def test_a_plan_without_a_notice_holds_until_the_expiration() -> None:
    assert held_until(False, NOON, replace(PLAN, delay_notification=48 * HOUR)) == NOON + 48 * HOUR


# -- the coming attempts


def coming(plan: RetryPlan = PLAN, **changed: object) -> list[timedelta]:
    pending = replace(entry().pending[0], due=NOON + 15 * MINUTE, attempts=1, **changed)  # type: ignore[arg-type]
    return [moment - NOON for moment in coming_attempts(pending, NOON, plan, 100)]


def test_the_coming_attempts_end_with_the_expiration() -> None:
    found = coming()
    assert found[:4] == [15 * MINUTE, 45 * MINUTE, 105 * MINUTE, 345 * MINUTE]
    assert found[-1] == 48 * HOUR
    assert all(later - former <= 240 * MINUTE for former, later in pairwise(found))


def test_the_coming_attempts_are_no_more_than_are_made() -> None:
    assert len(coming(replace(PLAN, attempts=3))) == 2
    assert coming(held=FROZEN) == []


def test_the_coming_attempts_are_those_that_settlements_would_set() -> None:
    one, moments = entry(), []
    pending = replace(one.pending[0], due=NOON + 15 * MINUTE, attempts=1)
    expected = coming_attempts(pending, NOON, PLAN, 100)
    while True:
        moments.append(pending.due)
        settled = settle(one, [pending], {0: BUSY}, pending.due, PLAN)
        if settled.final:
            break
        (pending,) = settled.deferred
    assert moments == expected
