"""Whose turn it is: how many messages a destination gets, and how the others wait, with clocks that are arguments."""

import heapq
from datetime import UTC, datetime, timedelta

import pytest

from mailroot.routing.pace import PaceTable
from mailroot.service.deliver.turn import turn_of
from mailroot.service.relay.turns import LONGEST_WAIT, Turns
from mailroot.settings.pace import Pace, parse_rate
from tests.service.carrying import carrier, delivery, direct, own_turns, smart
from tests.service.working import HELD_UP, NOON, Work

ROUTE = direct(25)


class Line:
    """Messages that come to one worker's turns and are put off, as the queue would bring them again."""

    def __init__(self, longest=LONGEST_WAIT, **pace):
        self.moment, self.now, self.events = 1000.0, 86_400.0 * 20_000, []
        shared = own_turns(lambda: self.moment, lambda: self.now)
        self.turns = Turns("s", PaceTable({"*": Pace(**pace)}), shared, self.emit, longest)
        self.queue, self.sent, self.tries = [], [], 0

    def emit(self, row, **fields):
        assert set(row.fields) == set(fields)
        self.events.append((row.name, fields))

    def come(self, *names):
        for name in names:
            heapq.heappush(self.queue, (self.moment, name, False))

    def pass_by(self, seconds):
        end = self.moment + seconds
        while self.queue and self.queue[0][0] <= end:
            moment, name, waited = heapq.heappop(self.queue)
            self.now += max(moment - self.moment, 0.0)
            self.moment = max(moment, self.moment)
            self.tries += 1
            wait = self.turns.wait(ROUTE, waited)
            if wait:
                heapq.heappush(self.queue, (self.moment + wait, name, True))
            else:
                self.sent.append((self.moment, name))
        self.now += end - self.moment
        self.moment = end


def test_a_rate_is_kept_and_used_whole():
    line = Line(rate=parse_rate("60/m"))
    line.come(*range(200))
    line.pass_by(100)
    assert 100 <= len(line.sent) <= 101
    gaps = [later[0] - earlier[0] for earlier, later in zip(line.sent, line.sent[1:], strict=False)]
    assert min(gaps) > 0.5 and max(gaps) < 1.01
    line.pass_by(101)
    assert len(line.sent) == 200 and not line.queue


def test_what_waits_comes_again_about_once_for_each_turn():
    line = Line(rate=parse_rate("600/m"))
    line.come(*range(3000))
    line.pass_by(400)
    assert len(line.sent) == 3000 and line.tries < 6100


def test_more_than_turns_are_given_for_is_looked_at_seldom():
    line = Line(rate=parse_rate("60/m"))
    line.come(*range(5000))
    line.pass_by(5000)
    assert 4990 <= len(line.sent) == 5000 - len(line.queue)
    # Each of the 5,000 is looked at again every quarter of an hour until its turn is given.
    assert line.tries < 5000 * 2 + sum(range(900, 5000, 900)) + 1000


def test_mail_that_has_waited_goes_before_mail_that_is_new():
    line = Line(rate=parse_rate("60/m"))
    line.come(*range(30))
    for new in range(100, 130):
        line.pass_by(1)
        line.come(new)
    line.pass_by(40)
    assert [name for _, name in line.sent] == [*range(30), *range(100, 130)]


def test_an_idle_destination_gets_its_message_at_once():
    line = Line(rate=parse_rate("1/h"))
    line.come("a")
    line.pass_by(1)
    assert [name for _, name in line.sent] == ["a"] and not line.events


def test_a_new_rate_does_not_wait_for_the_turn_of_the_old_one():
    line = Line(rate=parse_rate("1/h"), daily=3)
    line.come("a")
    line.pass_by(1)
    line.turns = Turns("s", PaceTable({"*": Pace(rate=parse_rate("60/m"), daily=3)}), line.turns._shared, line.emit)
    line.come("b", "c", "d")
    line.pass_by(60)
    # What was counted today still counts.
    assert [name for _, name in line.sent] == ["a", "b", "c"]


def test_a_daily_cap_holds_until_midnight():
    line = Line(daily=10)
    line.come(*range(25))
    line.pass_by(86_399)
    assert len(line.sent) == 10
    line.pass_by(1 + LONGEST_WAIT)
    assert len(line.sent) == 20
    line.pass_by(86_400)
    assert len(line.sent) == 25


def test_two_workers_that_ask_in_the_same_instant_never_pass_the_cap(monkeypatch):
    line = Line(daily=3)
    shared = line.turns._shared
    today, asked = shared.today, []

    def overtaken(name):
        # Between the question and the count, another worker takes the last one of the day.
        found = today(name)
        if not asked and found == 2:
            asked.append(name)
            shared.count(name)
        return found

    monkeypatch.setattr(shared, "today", overtaken)
    line.come(*range(5))
    line.pass_by(3600)
    assert asked and len(line.sent) == 2 and shared.today(asked[0]) == 3


def test_a_rate_and_a_cap_hold_together():
    line = Line(rate=parse_rate("60/m"), daily=30)
    line.come(*range(100))
    line.pass_by(3600)
    assert len(line.sent) == 30


def test_no_wait_is_longer_than_a_retry_interval():
    line = Line(longest=60.0, rate=parse_rate("1/h"))
    line.come(*range(5))
    line.pass_by(0)
    assert all(moment <= line.moment + 60.0 for moment, _, _ in line.queue)


def test_the_first_that_must_wait_is_an_event_not_each():
    line = Line(rate=parse_rate("60/m"), daily=1000)
    line.come(*range(50))
    line.pass_by(60)
    expected = {"server": "s", "destination": "d.example", "pace": "60/m, 1000 a day"}
    assert line.events == [("pace_reached", expected)]


async def test_each_destination_is_counted_by_itself():
    async with carrier(pace={"*": Pace(daily=1)}) as way:
        letters = [delivery(direct(25, domain)) for domain in ("a.example", "b.example")]
        assert [way.wait_for_turn(one) for one in letters] == [0.0, 0.0]
        assert all(way.wait_for_turn(one) > 0 for one in letters)
        assert way.held_up(letters[0]).code == "4.4.5" and "a.example, 1 a day" in way.held_up(letters[0]).reason


async def test_without_a_pace_nothing_is_asked():
    async with carrier() as way:
        assert not way.paced
    async with carrier(pace={"*": Pace(connections=3)}) as way:
        assert way.paced and way.wait_for_turn(delivery(direct(25))) == 0.0


@pytest.fixture
async def work():
    made = Work()
    yield made
    await made.dispatcher.stop(0.1)


async def test_a_delivery_that_must_wait_goes_back_to_the_queue_with_its_turn_and_leaves_no_trace(work):
    work.remote.turns = [30.0]
    entry = await work.begin("bob@remote.test")
    await work.idle()
    (waiting,) = (await work.queue.entry(entry.key)).pending
    assert waiting.due == NOON + timedelta(seconds=30) and waiting.attempts == 0
    assert not work.remote.carried and not work.told("deferred")
    assert await work.queue.claim(NOON + timedelta(seconds=29), 10) == []


async def test_a_delivery_that_must_wait_holds_up_no_other_of_its_message(work):
    work.remote.turns = [30.0]
    entry = await work.begin("bob@remote.test", "ann@local.test")
    await work.idle()
    assert work.drop.recipients == ["ann@local.test"]
    assert [one.number for one in (await work.queue.entry(entry.key)).pending] == [0]


async def test_mail_that_has_waited_past_its_time_expires_and_its_sender_is_told(work):
    entry = await work.commit("bob@remote.test")
    work.clock.moment += timedelta(days=3)
    work.remote.turns = [30.0]
    work.dispatcher.begin(entry)
    await work.idle()
    assert await work.queue.entry(entry.key) is None
    (told,) = work.told("failed")
    assert told["status"] == "4.4.7"
    assert not work.remote.carried


async def test_a_delay_notice_is_due_whoever_holds_the_mail_up(work):
    entry = await work.commit("bob@remote.test")
    work.clock.moment += timedelta(hours=13)
    work.remote.turns = [30.0]
    work.dispatcher.begin(entry)
    await work.idle()
    (waiting,) = (await work.queue.entry(entry.key)).pending
    assert waiting.delay_reported and waiting.last == HELD_UP


async def test_a_turn_is_asked_for_by_the_route_and_the_waiting_time():
    moment = [5000.0]
    turns = own_turns(lambda: moment[0])
    async with carrier(pace={"d.example": Pace(rate=parse_rate("1/m"))}, turns=turns) as way:
        rules = Work().rules
        letter = delivery(direct(25))
        now = datetime(2026, 1, 2, tzinfo=UTC)
        assert turn_of(letter, way, now, rules) is None
        wait = turn_of(letter, way, now, rules)
        assert isinstance(wait, timedelta) and timedelta(seconds=29) <= wait <= timedelta(seconds=60)
        assert turn_of(delivery(smart(domain="other.example")), way, now, rules) is None
