"""Requests on their way to the queue's writer: when its thread is woken, and what it takes."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from mailroot.edge.sqlite import gathering
from mailroot.edge.sqlite.gathering import Gathering, Request
from mailroot.edge.sqlite.rows import draft_row
from mailroot.mail.message import BytesContent
from tests.queue.drafts import draft

_BIG = BytesContent(b"Subject: x\r\n\r\n" + b"x" * (6 * 1024 * 1024))


def commit(size: BytesContent | None = None) -> Request:
    return Request(asyncio.get_running_loop().create_future(), rows=(draft_row(draft(content=size)),))


def settlement() -> Request:
    return Request(asyncio.get_running_loop().create_future(), patient=True)


async def taken(gathered: Gathering, put: Callable[[], None]) -> tuple[int, float]:
    """How many requests a thread takes that waits while `put` is called, and after how many seconds."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as pool:
        group = loop.run_in_executor(pool, gathered.next_group)
        await asyncio.sleep(0.05)
        began = time.monotonic()
        put()
        found, going = await group
        assert going
        return len(found), time.monotonic() - began


def several(gathered: Gathering) -> None:
    """Many clients have sent just now."""
    for _ in range(gathering._SEVERAL):
        gathered.put(commit())
    gathered.next_group()


async def test_a_client_alone_is_not_kept_waiting() -> None:
    gathered = Gathering(asyncio.get_running_loop())
    count, seconds = await taken(gathered, lambda: gathered.put(commit()))
    assert count == 1
    assert gathered._timer is None
    assert seconds < gathering._IDLE_SECONDS


async def test_where_several_send_a_few_wait_for_company_and_the_thread_is_woken_once() -> None:
    gathered = Gathering(asyncio.get_running_loop())
    several(gathered)

    def put() -> None:
        for _ in range(gathering._FEW - 1):
            gathered.put(commit())
        assert gathered._gate.locked()  # nobody was called yet

    count, seconds = await taken(gathered, put)
    assert count == gathering._FEW - 1
    assert seconds >= gathering._COMPANY / 2


async def test_enough_of_them_do_not_wait() -> None:
    gathered = Gathering(asyncio.get_running_loop())
    several(gathered)
    for _ in range(gathering._FEW):
        gathered.put(commit())
    assert not gathered._gate.locked()
    assert gathered._timer is None
    group, going = gathered.next_group()
    assert (len(group), going) == (gathering._FEW, True)


async def test_a_patient_one_waits_longer_and_goes_with_the_first_that_does_not() -> None:
    gathered = Gathering(asyncio.get_running_loop())
    gathered.put(settlement())
    assert gathered._gate.locked() and gathered._timer is not None
    gathered.put(commit())
    assert not gathered._gate.locked()
    assert len(gathered.next_group()[0]) == 2
    count, seconds = await taken(gathered, lambda: gathered.put(settlement()))
    assert count == 1
    assert seconds >= gathering._PATIENCE / 2


async def test_one_that_is_in_a_hurry_shortens_the_wait_of_a_patient_one() -> None:
    gathered = Gathering(asyncio.get_running_loop())
    several(gathered)
    gathered.put(settlement())
    patient = gathered._due
    gathered.put(commit())
    assert gathered._due < patient
    gathered.put(settlement())
    assert gathered._due < patient


async def test_a_group_is_bounded_by_number_and_by_size_and_the_rest_follows_without_a_call() -> None:
    gathered = Gathering(asyncio.get_running_loop())
    for _ in range(gathering._GROUP + 3):
        gathered.put(settlement())
    gathered.put(commit())
    assert [len(gathered.next_group()[0]) for _ in range(2)] == [gathering._GROUP, 4]
    for _ in range(4):
        gathered.put(commit(_BIG))
    assert [len(gathered.next_group()[0]) for _ in range(2)] == [3, 1]


async def test_a_call_for_what_was_taken_along_already_brings_nothing_and_no_idle_time_either() -> None:
    gathered = Gathering(asyncio.get_running_loop())
    for _ in range(2):
        gathered.put(commit())
        gathered._gate.acquire()  # as the thread does
    group, _ = gathered.next_group()
    assert len(group) == 2
    gathered._wake()
    assert gathered._gate.locked()


async def test_nothing_comes_for_a_while() -> None:
    gathered = Gathering(asyncio.get_running_loop())
    assert gathered.next_group() == ([], True)


async def test_the_end_comes_behind_everything_that_was_put() -> None:
    gathered = Gathering(asyncio.get_running_loop())
    for _ in range(gathering._GROUP + 1):
        gathered.put(settlement())
    gathered.end()
    first, going = gathered.next_group()
    assert (len(first), going) == (gathering._GROUP, True)
    last, going = gathered.next_group()
    assert (len(last), going) == (1, False)
    assert gathered._timer is None
