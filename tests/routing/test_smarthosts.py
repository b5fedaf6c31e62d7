"""In which turn smart hosts are asked."""

import random
from collections import Counter

from mailroot.routing.smarthosts import in_turn
from mailroot.settings.places import SmartHost, parse_smart_host


def hosts(*texts):
    return tuple(parse_smart_host(text) for text in texts)


def names(found):
    return [host.host for host in found]


def first(found, draws=20_000):
    chance = random.Random(1)
    return Counter(names(in_turn(found, chance.random))[0] for _ in range(draws))


def test_a_plain_list_is_its_own_order():
    assert names(in_turn(hosts("b.example", "a.example", "c.example"), lambda: 0.9)) == [
        "b.example",
        "a.example",
        "c.example",
    ]


def test_lower_orders_come_first_whatever_their_weight():
    found = hosts("late.example;order=3;weight=1000", "early.example;order=2", "first.example")
    assert names(in_turn(found, random.Random(1).random)) == ["first.example", "early.example", "late.example"]


def test_equals_come_first_as_often_as_their_weight_says():
    counts = first(hosts("a.example;weight=3", "b.example", "spare.example;order=2"))
    assert counts["spare.example"] == 0
    assert 0.73 < counts["a.example"] / 20_000 < 0.77


def test_all_hosts_are_in_the_turn_so_each_can_stand_in():
    found = hosts("a.example;weight=3", "b.example", "c.example;order=2")
    for draw in (0.0, 0.5, 0.999999):
        assert set(in_turn(found, lambda draw=draw: draw)) == set(found)


def test_one_host_stays_alone():
    assert in_turn((SmartHost("a.example"),), lambda: 0.5) == (SmartHost("a.example"),)
