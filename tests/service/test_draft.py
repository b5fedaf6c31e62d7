"""A draft that meets a full disk, or whose client goes away while it is written."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from mailroot.mail.faults import DiskFull, Misconfigured, Unavailable
from mailroot.mail.header import Made, Trace
from mailroot.service.receive.draft import Draft

LARGE = b"x\r\n" * 70_000


class File:
    """A content file. Its writing waits for `go`, and raises `fault` where there is one."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.go = threading.Event()
        self.began, self.over = threading.Event(), threading.Event()
        self.told: list[str] = []

    def write(self, _octets: bytes) -> None:
        self.began.set()
        assert self.go.wait(10)
        self.told.append("written")
        if self.fault is not None:
            raise self.fault

    def discard(self) -> None:
        self.told.append("discarded")
        self.over.set()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as made:
        yield made


def draft_of(create: Callable[[], Any], pool: ThreadPoolExecutor) -> Draft:
    return Draft(Trace("mail.test", "1"), Made(datetime.now(UTC), "", "filler", 1), create, pool)


async def test_A20_a_draft_that_is_dropped_is_not_closed_under_the_hands_of_its_writer(
    pool: ThreadPoolExecutor,
) -> None:
    file = File()
    draft = draft_of(lambda: file, pool)
    draft.add(LARGE)
    assert await asyncio.to_thread(file.began.wait, 10)
    draft.drop()
    file.go.set()
    assert await asyncio.to_thread(file.over.wait, 10)
    assert file.told == ["written", "discarded"]


async def test_M07_a_disk_that_fills_up_under_a_large_message_leaves_nothing_of_it(pool: ThreadPoolExecutor) -> None:
    file = File(DiskFull("no room"))
    file.go.set()
    draft = draft_of(lambda: file, pool)
    draft.add(LARGE)
    draft.add(LARGE)
    with pytest.raises(DiskFull):
        await draft.seal()
    assert await asyncio.to_thread(file.over.wait, 10)
    assert file.told == ["written", "discarded"]


@pytest.mark.parametrize(
    ("fault", "raised"), [(DiskFull("no room"), DiskFull), (Misconfigured("not allowed"), Unavailable)]
)
async def test_M07_a_file_that_cannot_be_made_is_told_at_the_end_of_the_message(
    pool: ThreadPoolExecutor, fault: Exception, raised: type[Exception]
) -> None:
    def create() -> None:
        raise fault

    draft = draft_of(create, pool)
    for _ in range(3):
        draft.add(LARGE)
    assert draft.stamped is not None
    assert not draft.small
    assert not draft.congested
    with pytest.raises(raised):
        await draft.seal()


class Kept:
    """A content file in memory."""

    def __init__(self) -> None:
        self.octets = b""

    def write(self, octets: bytes) -> None:
        self.octets += octets

    def seal(self) -> bytes:
        return self.octets

    def discard(self) -> None:
        self.octets = b""


async def test_a_header_that_is_longer_than_a_row_stays_whole(pool: ThreadPoolExecutor) -> None:
    file = Kept()
    draft = draft_of(lambda: file, pool)
    header = b"".join(b"X-%05d: %b\r\n" % (number, b"y" * 60) for number in range(5000))
    for at in range(0, len(header), 50_000):
        draft.add(header[at : at + 50_000])
    draft.add(b"\r\nBody.\r\n")
    draft.add(LARGE * 4)
    await draft.seal()
    head, _, body = file.octets.partition(b"\r\n\r\n")
    assert header in head + b"\r\n"
    assert b"X-OriginalArrivalTime:" in head
    assert body == b"Body.\r\n" + LARGE * 4


async def test_a_header_without_an_end_is_refused_and_not_kept(pool: ThreadPoolExecutor) -> None:
    draft = draft_of(Kept, pool)
    for _ in range(40):
        draft.add(b"X-Y: z\r\n" * 6_000)
    assert not draft.small
    assert draft.stamped is not None
    assert draft.stamped.problem
    assert not draft._pieces


async def test_a_large_body_of_one_line_has_an_empty_header(pool: ThreadPoolExecutor) -> None:
    file = Kept()
    draft = draft_of(lambda: file, pool)
    draft.add(b"z" * 200_000)
    await draft.seal()
    assert file.octets.endswith(b"\r\n\r\n" + b"z" * 200_000)
