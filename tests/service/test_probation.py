"""A suspect is worked on alone, and neither it nor the rest waits for ever."""

import asyncio

from mailroot.service.deliver.probation import Probation


async def test_G6_a_suspect_waits_for_what_is_in_flight() -> None:
    probation, story = Probation(), []

    async def suspect() -> None:
        async with probation.alone():
            story.append("suspect")

    await probation.enter()
    task = asyncio.create_task(suspect())
    for _ in range(5):
        await asyncio.sleep(0)
    story.append("other")
    probation.leave()
    await asyncio.wait_for(task, 60)
    assert story == ["other", "suspect"]


async def test_G6_nothing_else_begins_while_a_suspect_is_worked_on() -> None:
    probation, story = Probation(), []

    async def other() -> None:
        await probation.enter()
        story.append("other")
        probation.leave()

    async with probation.alone():
        task = asyncio.create_task(other())
        for _ in range(5):
            await asyncio.sleep(0)
        story.append("suspect")
    await asyncio.wait_for(task, 60)
    assert story == ["suspect", "other"]


async def test_those_who_wait_come_before_the_next_suspect() -> None:
    probation, story = Probation(), []

    async def suspect(name: str) -> None:
        async with probation.alone():
            story.append(name)
            await asyncio.sleep(0)

    async def other() -> None:
        await probation.enter()
        story.append("other")
        await asyncio.sleep(0)
        probation.leave()

    async with asyncio.timeout(60):
        async with probation.alone():
            tasks = [asyncio.create_task(suspect("next")), asyncio.create_task(other())]
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
    assert story == ["other", "next"]


async def test_a_suspect_does_not_wait_for_ever() -> None:
    probation = Probation(patience=0.01)
    await probation.enter()
    async with asyncio.timeout(60), probation.alone():
        pass


async def test_a_slow_suspect_does_not_hold_up_the_rest() -> None:
    probation = Probation(patience=0.01)
    async with asyncio.timeout(60), probation.alone():
        await probation.enter()


async def test_who_gives_up_waiting_is_not_counted_as_inside() -> None:
    probation = Probation()
    for let_in in (False, True):
        async with probation.alone():
            task = asyncio.create_task(probation.enter())
            await asyncio.sleep(0)
            if not let_in:
                task.cancel()
                await asyncio.wait([task])
        if let_in:
            task.cancel()
            await asyncio.wait([task])
    async with asyncio.timeout(60), probation.alone():
        pass
