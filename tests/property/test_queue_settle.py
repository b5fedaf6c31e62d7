"""What holds for every settlement."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from mailroot.mail.status import Disposition, Status
from mailroot.queue.schedule import RetryPlan
from mailroot.queue.settle import settle
from tests.queue.drafts import NOON
from tests.queue.test_settle import entry

seconds = st.integers(1, 10**8).map(lambda number: timedelta(seconds=number))
plans = st.builds(RetryPlan, st.lists(seconds, min_size=1, max_size=5).map(tuple), st.integers(0, 5), seconds, seconds)
statuses = st.sampled_from([Status(disposition, "4.0.0") for disposition in Disposition])
moments = st.integers(-(10**9), 10**9).map(lambda number: NOON + timedelta(seconds=number))


@given(plans, st.lists(statuses, min_size=1, max_size=5), moments, st.integers(0, 20), st.booleans())
def test_every_recipient_is_settled_once_and_waits_within_bounds(plan, outcomes, now, attempts, reported):  # type: ignore[no-untyped-def]
    one = entry(*(f"r{number}" for number in range(len(outcomes))))
    pending = [replace(each, attempts=attempts, delay_reported=reported) for each in one.pending]
    settled = settle(one, pending, dict(enumerate(outcomes)), now, plan)
    final = [each.number for each, _ in settled.final]
    deferred = [each.number for each in settled.deferred]
    assert sorted(final + deferred) == list(range(len(outcomes)))
    assert all(status.final for _, status in settled.final)
    assert set(settled.delayed) <= set(settled.deferred)
    assert all(each.delay_reported and not reported for each in settled.delayed)
    for each in settled.deferred:
        assert now < each.due <= now + plan.longest_wait
        assert each.due <= NOON + plan.expiration
        assert each.attempts == attempts + 1
    for each, status in settled.final:
        given_up = not outcomes[each.number].final
        assert not given_up or (status.disposition, status.code) == (Disposition.FAILED, "4.4.7")
