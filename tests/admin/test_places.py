"""Places for questions: a share for each asker, a bounded wait, and nobody held up by others."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import pytest

from mailroot.admin.access.access import Refusal
from mailroot.admin.access.askedonce import AskedOnce
from mailroot.admin.places import QUEUE, SHARE, Places
from mailroot.mail.by import By
from tests.admin.standin import ALL, StandIn, bearer, browsing

COUNTERS = "/api/v1/counters"


class Held(StandIn):
    """A service that answers nobody but `quick` until it is let."""

    let: asyncio.Event
    quick = ""

    async def ask(self, operation: str, arguments: Mapping[str, object], by: By) -> Any:
        answer = await super().ask(operation, arguments, by)
        if by.name and by.name != self.quick and not operation.startswith("access."):
            await self.let.wait()
        return answer


async def settled() -> None:
    """Let everything go as far as it goes."""
    for _ in range(200):
        await asyncio.sleep(0)


async def test_the_questions_of_one_viewer_hold_up_nobody_else() -> None:
    service = Held(ALL)
    service.let, service.quick = asyncio.Event(), "token admin"
    async with browsing(service) as client:
        flood = [asyncio.create_task(client.get(COUNTERS, headers=bearer("viewer"))) for _ in range(60)]
        await settled()
        assert len(service.asked) == SHARE, "no more of them reach the service at a time"
        assert (await client.get(COUNTERS, headers=bearer("admin"))).status_code == 200
        service.let.set()
        answers = await asyncio.gather(*flood)
    codes = [answer.status_code for answer in answers]
    assert codes.count(200) == SHARE + QUEUE
    assert codes.count(429) == 60 - SHARE - QUEUE
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers if answer.status_code == 429)


class Taking:
    """Takes places and holds them; `order` tells who has had one."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.order: list[str] = []
        self.done: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def begin(self, name: str, asker: str) -> None:
        self.done[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._hold(name, asker))
        await settled()

    async def _hold(self, name: str, asker: str) -> None:
        async with self.places.taken(asker):
            self.order.append(name)
            await self.done[name].wait()

    async def end(self, *names: str) -> None:
        for name in names:
            self.done[name].set()
            await settled()


async def test_whose_own_holds_the_fewest_places_is_served_first() -> None:
    taking = Taking(Places(share=3, most=3))
    for name in ("a1", "a2", "a3", "a4", "b1"):
        await taking.begin(name, name[0])
    assert taking.order == ["a1", "a2", "a3"]
    await taking.end("a1")
    assert taking.order[3:] == ["b1"]
    await taking.end("a2", "a3", "b1")
    assert taking.order[4:] == ["a4"]
    await taking.end("a4")
    assert not taking.places._held
    assert not taking.places._waiting


async def test_who_waits_too_long_or_goes_away_leaves_nothing_behind() -> None:
    taking = Taking(Places(share=1, patience=0.01))
    await taking.begin("first", "a")
    await taking.begin("second", "a")
    with pytest.raises(Refusal, match="too long"):
        await taking.tasks["second"]
    taking.places._patience = 90.0
    await taking.begin("third", "a")
    await taking.begin("fourth", "a")
    taking.tasks["third"].cancel()
    # Given the place in the very moment in which it is given up.
    taking.done["first"].set()
    await settled()
    assert taking.order == ["first", "fourth"]
    await taking.begin("fifth", "a")
    taking.done["fourth"].set()
    await asyncio.sleep(0)
    taking.tasks["fifth"].cancel()
    await settled()
    await taking.begin("sixth", "a")
    assert taking.order[-1] == "sixth"
    await taking.end("sixth")
    assert not taking.places._held
    assert not taking.places._waiting


async def test_a_question_that_many_ask_is_asked_anew_for_who_comes_while_it_is_under_way() -> None:
    asked: list[asyncio.Future[int]] = []

    async def ask() -> int:
        asked.append(asyncio.get_running_loop().create_future())
        return await asked[-1]

    question = AskedOnce(ask)
    first = [asyncio.create_task(question.answer()) for _ in range(5)]
    await settled()
    later = [asyncio.create_task(question.answer()) for _ in range(5)]
    await settled()
    assert len(asked) == 1
    asked[0].set_result(1)
    await settled()
    assert [await one for one in first] == [1] * 5
    assert len(asked) == 2, "who came later gets no answer to a question of before"
    asked[1].set_exception(ValueError("none"))
    for one in later:
        with pytest.raises(ValueError, match="none"):
            await one
    again = asyncio.create_task(question.answer())
    await settled()
    asked[2].set_result(3)
    assert await again == 3


async def test_a_question_goes_on_for_the_others_when_one_has_gone() -> None:
    going: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    question = AskedOnce(lambda: going)
    gone, stays = (asyncio.create_task(question.answer()) for _ in range(2))
    await settled()
    gone.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await gone
    going.set_result(1)
    assert await stays == 1
