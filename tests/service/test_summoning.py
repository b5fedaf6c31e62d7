"""How often held mail may be asked for."""

from ipaddress import ip_address

from mailroot.service.held.summoning import Restraint

HERE, THERE = ip_address("192.0.2.1"), ip_address("192.0.2.2")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_client_may_ask_so_often_in_a_minute_and_then_again() -> None:
    clock = Clock()
    restraint = Restraint(clock)
    assert [restraint.too_often(HERE) for _ in range(21)] == [False] * 20 + [True]
    assert not restraint.too_often(THERE)
    clock.now += 59
    assert restraint.too_often(HERE)
    clock.now += 1
    assert not restraint.too_often(HERE)


def test_the_addresses_of_one_customer_are_one_client() -> None:
    restraint = Restraint(Clock())
    asked = [restraint.too_often(ip_address(f"2001:db8::{number:x}")) for number in range(21)]
    assert asked == [False] * 20 + [True]


def test_the_same_mail_is_begun_once_a_minute() -> None:
    clock = Clock()
    restraint = Restraint(clock)
    assert not restraint.just_started(("a.test",))
    restraint.started(("a.test",))
    assert restraint.just_started(("a.test",))
    assert not restraint.just_started(("a.test", "*.a.test"))
    clock.now += 60
    assert not restraint.just_started(("a.test",))


def test_what_strangers_make_it_remember_is_bounded() -> None:
    restraint = Restraint(Clock())
    for number in range(10_100):
        restraint.started((f"d{number}.test",))
        restraint.too_often(ip_address(number + 1))
    assert len(restraint._started) == len(restraint._clients) == 10_000
    assert restraint.just_started(("d10099.test",)) and not restraint.just_started(("d0.test",))
