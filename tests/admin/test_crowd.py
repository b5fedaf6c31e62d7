"""Who makes way at the administration's port: silent ones before others, never one who is being answered."""

import pytest

from mailroot.admin.crowd import Crowd, Guest, where_from


class Door:
    """A crowd, and who was ended by it."""

    def __init__(self, share: int = 3, most: int = 6) -> None:
        self.crowd = Crowd(share, most)
        self.ended: list[str] = []

    def guest(self, name: str, origin: str) -> Guest:
        return Guest(origin, lambda: self.ended.append(name))

    def enter(self, name: str, origin: str = "a") -> Guest | None:
        guest = self.guest(name, origin)
        return guest if self.crowd.enter(guest) else None


def test_in_a_full_share_the_one_of_the_same_origin_that_waited_longest_makes_way() -> None:
    door = Door()
    assert door.enter("other", "b")
    for name in ("first", "second", "third", "fourth"):
        assert door.enter(name)
    assert door.ended == ["first"]
    assert len(door.crowd) == 4


def test_who_is_answered_stays_and_waits_anew_afterwards() -> None:
    door = Door()
    first = door.enter("first")
    assert first is not None
    door.enter("second")
    door.enter("third")
    door.crowd.answering(first)
    door.enter("fourth")
    assert door.ended == ["second"]
    door.crowd.answered(first)
    door.enter("fifth")
    assert door.ended == ["second", "third"]


def test_where_all_of_an_origin_are_answered_the_next_one_is_not_let_in_but_another_origin_is() -> None:
    door = Door()
    for name in ("first", "second", "third"):
        guest = door.enter(name)
        assert guest is not None
        door.crowd.answering(guest)
    assert door.enter("fourth") is None
    assert door.enter("other", "b") is not None
    assert door.ended == []
    assert len(door.crowd) == 4


def test_in_a_full_house_the_origin_that_has_most_makes_way() -> None:
    door = Door()
    for name, origin in (("1", "b"), ("2", "a"), ("3", "a"), ("4", "a"), ("5", "c"), ("6", "c")):
        assert door.enter(name, origin)
    assert door.enter("7", "d")
    assert door.ended == ["2"]
    assert len(door.crowd) == 6


def test_a_full_house_of_those_who_are_answered_lets_nobody_in() -> None:
    door = Door(share=2, most=2)
    for origin in "ab":
        guest = door.enter(origin, origin)
        assert guest is not None
        door.crowd.answering(guest)
    assert door.enter("c", "c") is None
    assert len(door.crowd) == 2


def test_who_has_gone_is_counted_no_more_whatever_is_said_of_him() -> None:
    door = Door(share=1, most=1)
    guest = door.enter("first")
    assert guest is not None
    for _ in range(2):
        door.crowd.leave(guest)
    door.crowd.answering(guest)
    door.crowd.answered(guest)
    assert len(door.crowd) == 0
    assert door.enter("second")
    assert door.ended == []


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:0:1::7", "2001:db8:0:1::/64"),
        ("2001:db8:0:1:ffff::8", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_what_counts_as_one_origin(address: str, origin: str) -> None:
    assert where_from(address) == origin
