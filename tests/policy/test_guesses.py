"""How guessing is slowed and capped: levels in, a verdict and a delay out."""

from ipaddress import ip_address

import pytest

from mailroot.mail.reply import REPLIES
from mailroot.policy.guesses import DELAYS, GuessLimits, Levels, delay, may_try, origin

LIMITS = GuessLimits(per_address=20, per_account=50)


@pytest.mark.parametrize(
    ("levels", "allowed"),
    [
        (Levels(0, 0), True),
        (Levels(19.9, 49.9), True),
        (Levels(20, 0), False),
        (Levels(0, 50), False),
        (Levels(1000, 1000, known=True), True),
        (Levels(1000, 1000, known=True, pair=499.9), True),
        (Levels(1000, 1000, known=True, pair=500), False),
    ],
)
def test_who_may_try(levels: Levels, allowed: bool) -> None:
    assert (may_try(levels, LIMITS) is None) == allowed


def test_a_refusal_says_the_same_for_every_limit_and_its_cause_to_the_log_only() -> None:
    by_address, by_account = may_try(Levels(20, 0), LIMITS), may_try(Levels(0, 50), LIMITS)
    assert by_address and by_account
    assert by_address.reply == by_account.reply == REPLIES.sign_in_unavailable()
    assert "address" in by_address.cause
    assert "account" in by_account.cause


def test_no_limit_means_none() -> None:
    assert may_try(Levels(1e6, 1e6), GuessLimits(0, 0)) is None
    assert may_try(Levels(1e6, 1e6, known=True, pair=1e6), GuessLimits(0, 0)) is None


def test_failures_are_answered_later_and_later_up_to_a_bound() -> None:
    waits = [delay(Levels(failures)) for failures in range(1, 10)]
    assert waits[: len(DELAYS)] == list(DELAYS)
    assert set(waits[len(DELAYS) :]) == {DELAYS[-1]}


def test_failures_for_one_account_slow_strangers_too() -> None:
    assert delay(Levels(1, 30)) == DELAYS[-1]


def test_a_customer_of_ipv6_counts_as_one_client() -> None:
    assert origin(ip_address("2001:db8:1:2:3::4")) == origin(ip_address("2001:db8:1:2:ffff::1"))
    assert origin(ip_address("2001:db8:1:3::1")) != origin(ip_address("2001:db8:1:2::1"))
    assert origin(ip_address("192.0.2.1")) != origin(ip_address("192.0.2.2"))
