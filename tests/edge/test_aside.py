"""Work that is done aside: whatever becomes of it, who asked gets an answer, and nothing is left."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mailroot.edge import aside
from mailroot.edge.aside import Aside
from mailroot.mail.faults import Misconfigured, Unavailable


def wrong() -> object:
    raise Misconfigured("there is none")


def mistaken() -> object:
    raise KeyError("x")


def killed() -> object:
    os.kill(os.getpid(), 9)
    return None


def busy() -> object:
    while True:
        pass


async def test_the_result_comes_back_from_another_process() -> None:
    assert await Aside("").do(lambda: {"pid": os.getpid()}) != {"pid": os.getpid()}


def held() -> object:
    found = []
    for one in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(str(one.readlink()))
    return found


async def test_it_holds_none_of_our_descriptors(tmp_path: Path) -> None:
    with (tmp_path / "secret").open("w") as file:
        assert str(tmp_path / "secret") not in await Aside("").do(held)
        assert not file.closed


@pytest.mark.parametrize(
    ("work", "fault", "said"),
    [
        (wrong, Misconfigured, "there is none"),
        (mistaken, Unavailable, "mistake of the program"),
        (killed, Unavailable, "too much time or memory"),
        (lambda: "x" * 9_000_000, Unavailable, "gave too much"),
        (lambda: Path("/nonexistent").read_bytes(), Unavailable, "No such file"),
    ],
)
async def test_a_failure_is_an_answer(work: Callable[[], object], fault: type[Exception], said: str) -> None:
    with pytest.raises(fault, match=said):
        await Aside("").do(work)


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


async def test_what_does_not_end_is_ended() -> None:
    before, one = children(), Aside("")
    with pytest.raises(Unavailable, match="no answer within"):
        await one.do(busy, patience=0.3)
    for _ in range(2 * aside._MOST):  # each gives its room back
        with pytest.raises(Unavailable, match="no answer within"):
            await one.do(busy, patience=0.05)
    assert await one.do(lambda: 1, 60.0) == 1
    async with asyncio.timeout(20):
        while children() - before:
            await asyncio.sleep(0.01)


async def test_only_a_few_are_at_work_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    running, most = 0, 0
    real = Aside._answer

    async def counted(self: Aside, work: Callable[[], object]) -> dict[str, object]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            return await real(self, work)
        finally:
            running -= 1

    monkeypatch.setattr(Aside, "_answer", counted)
    one = Aside("")
    assert await asyncio.gather(*(one.do(lambda number=number: number, 60.0) for number in range(10))) == list(
        range(10)
    )
    assert most == aside._MOST
