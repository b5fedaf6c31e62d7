"""A message of Badmail goes back into Pickup once, wherever that is cut off."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mailroot.edge.files.resubmit import Named, forget, resubmit
from mailroot.mail.faults import Misconfigured

STEM = "00112233000000000a-0"
MESSAGE = b"Subject: x\r\nReturn-Path: a@example.com\r\n\r\n.dot\r\n..\r\nbody\r\n.\r\n"
SENDER = Named("a@example.com", "RET=HDRS ENVID=QQ31")
RECIPIENTS = [Named("b@example.net", "NOTIFY=NEVER ORCPT=rfc822;b@example.org"), Named("c@example.net")]
WANTED = (
    b"x-sender: <a@example.com> RET=HDRS ENVID=QQ31\r\n"
    b"x-receiver: <b@example.net> NOTIFY=NEVER ORCPT=rfc822;b@example.org\r\nx-receiver: c@example.net\r\n"
    b"Subject: x\r\n\r\n..dot\r\n...\r\nbody\r\n..\r\n"
)


class Crash(BaseException):
    """The process is gone."""


def badmail(tmp_path: Path) -> tuple[str, str]:
    """A Badmail folder with one message, and the home of its virtual server."""
    folder, home = tmp_path / "Badmail", tmp_path / "home"
    for one in (folder, home / "Pickup", home / "SortTemp"):
        one.mkdir(parents=True)
    (folder / f"{STEM}.BAD").write_bytes(MESSAGE)
    for ending in (".BDR", ".BDP"):
        (folder / f"{STEM}{ending}").write_text("x")
    return str(folder), str(home)


def submit(folder: str, home: str) -> None:
    resubmit(folder, home, STEM, (SENDER, RECIPIENTS), stuffed=True)


def picked_up(home: str) -> list[bytes]:
    """Pickup takes what is there."""
    files = sorted(Path(home, "Pickup").iterdir())
    taken = [path.read_bytes() for path in files]
    for path in files:
        path.unlink()
    return taken


STEPS = ("fsync", "rename", "unlink", "open", "mkdir")


def crashing(monkeypatch: pytest.MonkeyPatch, at: int, after: bool) -> Callable[[], int]:
    """The process dies before or after the step `at` of those that change files; how many steps there were."""
    count = 0

    def wrap(real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*given: Any, **named: Any) -> Any:
            nonlocal count
            count += 1
            if count == at and not after:
                raise Crash
            result = real(*given, **named)
            if count == at and after:
                raise Crash
            return result

        return step

    for name in STEPS:
        monkeypatch.setattr(os, name, wrap(getattr(os, name)))
    return lambda: count


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("taken_between", [False, True])
def test_it_is_neither_lost_nor_doubled(tmp_path: Path, after: bool, taken_between: bool) -> None:
    at = 0
    while True:
        at += 1
        folder, home = badmail(tmp_path / str(at))
        taken: list[bytes] = []
        with pytest.MonkeyPatch.context() as patch:
            count = crashing(patch, at, after)
            try:
                submit(folder, home)
                over = count() < at
            except Crash:
                over = False
        there = Path(folder, f"{STEM}.BAD").exists() or bool(list(Path(home, "Pickup").iterdir()))
        assert there, f"step {at}: it is nowhere"
        if taken_between:
            taken += picked_up(home)
        if Path(folder, f"{STEM}.BAD").exists():
            submit(folder, home)
        assert taken + picked_up(home) == [WANTED], f"step {at}"
        left = [path.name for path in Path(folder).iterdir() if not path.name.startswith(".")]
        assert [name for name in left if name.endswith(".BAD")] == []
        if over:
            assert left == [] and at > 10
            return


def test_a_file_of_pickup_goes_back_as_it_was(tmp_path: Path) -> None:
    folder, home = badmail(tmp_path)
    resubmit(folder, home, STEM, None, stuffed=False)
    assert picked_up(home) == [MESSAGE]


@pytest.mark.parametrize("sender", [Named("a@b\r\nx-receiver: c@d"), Named("a@b", "RET=HDRS\r\nx-receiver: c@d")])
def test_an_envelope_cannot_add_lines(tmp_path: Path, sender: Named) -> None:
    folder, home = badmail(tmp_path)
    with pytest.raises(Misconfigured, match="envelope"):
        resubmit(folder, home, STEM, (sender, [Named("e@f")]), stuffed=True)
    assert picked_up(home) == [] and Path(folder, f"{STEM}.BAD").exists()


def test_what_is_removed_does_not_come_back(tmp_path: Path) -> None:
    folder, home = badmail(tmp_path)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Crash):
        patch.setattr(
            Path,
            "rename",
            lambda path, to: (_ for _ in ()).throw(Crash) if "Pickup" in str(to) else path.replace(to),
        )
        submit(folder, home)
    assert forget(folder, home, STEM) == 1 and forget(folder, home, STEM) == 0
    assert list(Path(folder).iterdir()) == [] and list(Path(home, "SortTemp", "resubmit").iterdir()) == [] == picked_up(
        home
    )
    with pytest.raises(Misconfigured):
        submit(folder, home)
    assert picked_up(home) == []
