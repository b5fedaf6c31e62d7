"""Room for mail in memory: shares that leave room for others, and surplus that comes again at the right pace."""

import pytest

from mailroot.mail.message import BytesContent
from mailroot.service.deliver.room import MOST_ENTRIES, MOST_OCTETS, Room

SMALL = BytesContent(b"x")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def taken(room: Room, destination: str, most: int = MOST_ENTRIES, content=SMALL) -> int:
    """How many deliveries a destination may begin, each with an entry of its own, until it is denied one."""
    for number in range(most):
        room.enter(content)
        if not room.take(destination, content):
            room.leave(content)
            return number
    return most


def proven(room: Room, destination: str) -> None:
    """A destination that has taken a delivery, and has another under way."""
    for _ in range(2):
        room.take(destination, SMALL)
    room.give(destination, SMALL)


def test_L24_a_destination_holds_little_until_it_has_taken_something():
    assert taken(Room(Clock()), "dead.example") == 64


def test_L24_one_slow_destination_leaves_most_of_the_room_to_others():
    room = Room(Clock())
    proven(room, "slow.example")
    assert MOST_ENTRIES // 6 < taken(room, "slow.example") < MOST_ENTRIES // 4


def test_L24_fifty_dead_destinations_and_some_slow_ones_leave_room_for_others():
    room = Room(Clock())
    for number in range(50):
        assert taken(room, f"dead{number}.example") >= 1
    for number in range(4):
        proven(room, f"slow{number}.example")
        assert taken(room, f"slow{number}.example") >= 1
    assert taken(room, "healthy.example") >= 10


def test_L24_large_messages_of_one_destination_leave_memory_to_others():
    room, large = Room(Clock()), BytesContent(b"x" * 128 * 1024)
    proven(room, "slow.example")
    assert taken(room, "slow.example", content=large) * large.size <= MOST_OCTETS // 4
    assert room.fits(large)


def test_content_in_files_takes_no_room():
    class Filed:
        size = 1 << 30
        in_memory = False

    room = Room(Clock())
    room.enter(Filed())
    assert room.fits(SMALL)


def test_a_share_is_free_again_when_its_deliveries_have_ended():
    room = Room(Clock())
    most = taken(room, "slow.example")
    for _ in range(most):
        room.give("slow.example", SMALL)
        room.leave(SMALL)
    assert room.left == MOST_ENTRIES and room.take("slow.example", SMALL)


@pytest.mark.parametrize("speed", [300, 1000])
def test_surplus_comes_again_as_fast_as_the_destination_works(speed):
    clock = Clock()
    room = Room(clock)
    proven(room, "d.example")
    for _ in range(speed // 2 - 1):
        assert room.take("d.example", SMALL)
    for _ in range(speed - 1):
        assert room.take("d.example", SMALL)
        room.give("d.example", SMALL)
    clock.now += 1
    waits = [room.surplus_wait("d.example") for _ in range(10 * speed)]
    assert waits == sorted(waits)
    assert waits[0] == pytest.approx(0.4, rel=0.2)  # what lies before it is worked off, a little early
    assert waits[-1] - waits[0] == pytest.approx(8.0, rel=0.15)


def test_surplus_of_a_dead_destination_waits_minutes_at_most():
    clock = Clock()
    room = Room(clock)
    room.take("dead.example", SMALL)
    clock.now += 60
    waits = [room.surplus_wait("dead.example") for _ in range(200_000)]
    assert 0 < waits[0] < 1 and max(waits) == 900
