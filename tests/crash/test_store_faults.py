"""The embedded queue when the disk fails, is full, is damaged, or the process dies."""

import asyncio
import contextlib
import errno
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mailroot.edge.sqlite.queue import SqliteQueue
from mailroot.mail.faults import DiskFull, Misconfigured, StoreFailed, Unavailable
from mailroot.mail.message import BytesContent
from mailroot.queue import selection
from mailroot.queue.entry import AWAITED, FROZEN, Pending, QueueEntry, SealedDraft, Settlement
from mailroot.queue.recovery import SUSPECT_AFTER, hopeless, suspect
from mailroot.queue.selection import Change, Selection
from tests.crash.faultyfiles import Faults, faulty_files, full, sync_error
from tests.queue.drafts import NOON, Clock, draft

LARGE = bytes(range(256)) * 1024


async def opened(home: Path, **options: object) -> SqliteQueue:
    return await SqliteQueue.open(home, "0", now=Clock(), **options)  # type: ignore[arg-type]


async def contents(store: SqliteQueue) -> dict[str, bytes]:
    """Every waiting entry's content by key; each is read whole."""
    keys = {row.key for row in await store.page("", 1_000_000)}
    entries = [await store.entry(key) for key in sorted(keys)]
    return {entry.key: b"".join(entry.content.pieces()) for entry in entries if entry is not None}


def large_draft(store: SqliteQueue, content: bytes = LARGE, *, lease: bool = True) -> SealedDraft:
    file = store.create_content()
    file.write(content)
    return draft(content=file.seal(), lease=lease)


async def committed(store: SqliteQueue, text: bytes = b"hello") -> QueueEntry:
    entry = await store.commit(draft(content=BytesContent(text)))
    assert entry is not None
    return entry


async def lives(store: SqliteQueue, number: int, acknowledged: dict[str, bytes], gone: set[str]) -> None:
    """One message's life: commit, and every second one is settled with a report."""
    text = b"message %d " % number * 500
    entry = await committed(store, text)
    acknowledged[entry.key] = text
    if number % 2:
        gone.add(entry.key)
        reports = await store.settle(Settlement(entry.key, served=(0,), reports=(draft(content=BytesContent(text)),)))
        acknowledged.pop(entry.key)
        gone.remove(entry.key)
        acknowledged.update({report.key: text for report in reports})


@pytest.mark.parametrize("failing", range(40))
async def test_S04_a_failed_sync_is_never_a_success_and_never_repeated(tmp_path: Path, failing: int) -> None:
    acknowledged: dict[str, bytes] = {}
    under_way: set[str] = set()
    with faulty_files("faulty") as faults:
        results = await _with_fault(tmp_path, faults, failing, acknowledged, under_way)
    for result in results:
        assert result is None or isinstance(result, StoreFailed | Unavailable | Misconfigured), result
    again = await opened(tmp_path)
    found = await contents(again)
    for key, text in acknowledged.items():
        assert found.get(key) == text or key in under_way
    assert all(len(text) % 500 == 0 and text for text in found.values())
    await again.close()


async def _with_fault(
    home: Path, faults: Faults, failing: int, acknowledged: dict[str, bytes], under_way: set[str]
) -> list[object]:
    failed_at: list[int] = []

    def fail(operation: str, number: int) -> Exception | None:
        if operation == "sync" and faults.done.count("sync") == failing + 1:
            failed_at.append(number)
            return sync_error()
        return None

    faults.failing = fail
    async with asyncio.timeout(120):
        try:
            store = await opened(home, vfs="faulty")
        except Unavailable as fault:
            return [fault]
        jobs = [lives(store, number, acknowledged, under_way) for number in range(40)]
        results: list[object] = []
        for begin in range(0, 40, 4):
            results += await asyncio.gather(*jobs[begin : begin + 4], return_exceptions=True)
        if failed_at and any(isinstance(result, StoreFailed) for result in results):
            with pytest.raises(StoreFailed):
                await store.commit(draft())
            with pytest.raises(StoreFailed):
                await store.depth()
        await store.close()
    if failed_at:
        assert "sync" not in faults.done[failed_at[0] + 1 :]
    return results


@pytest.mark.parametrize("failing", range(0, 120, 3))
async def test_M07_a_full_disk_at_any_write_refuses_and_recovers_by_itself(tmp_path: Path, failing: int) -> None:
    with faulty_files("faulty") as faults:
        store = await opened(tmp_path, vfs="faulty")
        first = len(faults.done)
        faults.failing = lambda operation, number: (
            full() if operation == "write" and number >= first + failing else None
        )
        kept: dict[str, bytes] = {}
        refused = 0
        async with asyncio.timeout(120):
            for number in range(20):
                text = b"message %d " % number * 500
                try:
                    kept[(await committed(store, text)).key] = text
                except DiskFull:
                    refused += 1
            assert await contents(store) == kept
            faults.failing = lambda operation, number: None
            entry = await committed(store, b"there is room again")
            kept[entry.key] = b"there is room again"
            assert await contents(store) == kept
            assert await store.depth() == len(kept)
            await store.close()
        assert refused or failing > 40
    again = await opened(tmp_path)
    assert await contents(again) == kept
    await again.close()


async def test_M07_settlements_go_on_when_there_is_no_room_for_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty_files("faulty") as faults:
        store = await opened(tmp_path, vfs="faulty")
        entry = await committed(store)
        reserve = tmp_path / "Queue" / "0.reserve"
        assert reserve.stat().st_size > 0

        def no_room(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "posix_fallocate", no_room)
        # What was reserved is the only room that is left.
        faults.failing = lambda operation, number: (
            full() if operation == "write" and reserve.stat().st_size > 0 else None
        )
        with pytest.raises(DiskFull):
            await committed(store)
        with pytest.raises(DiskFull):
            await committed(store)
        await store.settle(Settlement(entry.key, served=(0,)))
        assert await store.depth() == 0
        monkeypatch.undo()
        faults.failing = lambda operation, number: None
        await committed(store)
        assert reserve.stat().st_size > 0
        await store.close()


async def test_S04_a_content_that_cannot_be_synced_is_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await opened(tmp_path)
    file = store.create_content()
    file.write(LARGE)

    def broken(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(StoreFailed):
        file.seal()
    monkeypatch.undo()
    assert list((tmp_path / "SortTemp" / "0").iterdir()) == []
    await store.close()


async def test_S04_a_folder_that_cannot_be_synced_closes_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await opened(tmp_path)
    given = large_draft(store)

    def broken(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(StoreFailed):
        await store.commit(given)
    monkeypatch.undo()
    with pytest.raises(StoreFailed):
        await committed(store)
    await store.close()
    again = await opened(tmp_path)
    assert await again.depth() == 0
    assert again.found.swept == 1
    await again.close()


async def test_M07_a_large_draft_that_finds_no_room_leaves_nothing(tmp_path: Path) -> None:
    with faulty_files("faulty") as faults:
        store = await opened(tmp_path, vfs="faulty")
        given = large_draft(store)
        faults.failing = lambda operation, number: full() if operation == "write" else None
        with pytest.raises(DiskFull):
            await store.commit(given)
        assert list((tmp_path / "Queue" / "0").iterdir()) == []
        assert list((tmp_path / "SortTemp" / "0").iterdir()) == []
        faults.failing = lambda operation, number: None
        assert await store.commit(large_draft(store)) is not None
        await store.close()


async def test_a_large_draft_that_was_committed_before_leaves_nothing(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    assert await store.commit(draft(claim="file-1")) is not None
    assert await store.commit(replace(large_draft(store), claim="file-1")) is None
    assert list((tmp_path / "SortTemp" / "0").iterdir()) == []
    await store.close()


async def test_a_draft_whose_file_is_gone_is_refused_and_the_store_goes_on(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    given = large_draft(store)
    for file in (tmp_path / "SortTemp" / "0").iterdir():
        file.unlink()
    with pytest.raises(Unavailable):
        await store.commit(given)
    await committed(store)
    await store.close()


async def test_a_mistake_in_a_draft_reaches_its_caller_and_the_store_goes_on(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    broken = replace(draft(), content=BytesContent("text"))  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        await store.commit(broken)
    await committed(store)
    await store.close()


async def test_a_queue_that_has_been_emptied_gives_its_room_back(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    entries = await asyncio.gather(*(committed(store, b"x" * 100_000) for _ in range(300)))
    await asyncio.gather(*(store.settle(Settlement(entry.key, served=(0,))) for entry in entries))
    database = tmp_path / "Queue" / "0.db"
    async with asyncio.timeout(120):
        while not 0 < database.stat().st_size < 12_000_000:
            await store.depth()
            await asyncio.sleep(0.6)  # only a store that nobody asks anything gives room back
    await store.close()


async def test_a_large_content_lives_in_a_file_as_long_as_its_entry(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    entry = await store.commit(large_draft(store))
    assert entry is not None
    file = tmp_path / "Queue" / "0" / f"{entry.key}.msg"
    assert b"".join(entry.content.pieces()) == LARGE == file.read_bytes()
    await store.settle(Settlement(entry.key, served=(0,)))
    await store.close()
    assert not file.exists()


async def test_S08_a_content_that_cannot_be_removed_is_not_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await opened(tmp_path)
    entry = await store.commit(large_draft(store))
    assert entry is not None

    def broken(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "unlink", broken)
    await store.settle(Settlement(entry.key, served=(0,)))
    await store.close()
    monkeypatch.undo()
    again = await opened(tmp_path)
    assert await again.depth() == 0
    assert again.found.swept == 1
    assert list((tmp_path / "Queue" / "0").iterdir()) == []
    await again.close()


async def test_orphans_of_a_dead_process_are_swept_and_entries_keep_their_files(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    entry = await store.commit(large_draft(store, lease=False))
    assert entry is not None
    await store.close()
    (tmp_path / "Queue" / "0" / f"{entry.key[:-1]}f.msg").write_bytes(b"orphan")
    (tmp_path / "SortTemp" / "0" / "1-1.tmp").write_bytes(b"half a mess")
    again = await opened(tmp_path)
    assert again.found.swept == 2
    assert await contents(again) == {entry.key: LARGE}
    await again.close()


CHILD = """
import asyncio, sys
from pathlib import Path
from mailroot.edge.sqlite.queue import SqliteQueue
from mailroot.mail.message import BytesContent
from mailroot.queue.entry import Settlement
from tests.queue.drafts import Clock, draft

async def live(store, worker):
    for number in range(1_000_000):
        text = b"%d-%d;" % (worker, number) * 600
        if number % 7 == 3:
            file = store.create_content()
            file.write(text * 40)
            text, content = text * 40, file.seal()
        else:
            content = BytesContent(text)
        entry = await store.commit(draft(content=content))
        print("+", entry.key, len(text), text.split(b";")[0].decode(), flush=True)
        if number % 3:
            print("?", entry.key, flush=True)
            await store.settle(Settlement(entry.key, served=(0,)))
            print("-", entry.key, flush=True)

async def main():
    store = await SqliteQueue.open(Path(sys.argv[1]), "0", now=Clock())
    print("ready", flush=True)
    await asyncio.gather(*(live(store, worker) for worker in range(16)))

asyncio.run(main())
"""


def _kill_under_load(home: Path, acknowledgements: int) -> list[list[str]]:
    """What a process had printed when it was killed after so many lines."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["src", "."])}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(home)], stdout=subprocess.PIPE, env=environment, text=True
    )
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(acknowledgements)]
    child.send_signal(signal.SIGKILL)
    lines += child.stdout.readlines()
    child.wait(120)
    return [line.split() for line in lines if line.endswith("\n")]


@pytest.mark.parametrize("seed", range(6))
async def test_S02_S03_what_was_acknowledged_survives_a_kill_whole_and_once(tmp_path: Path, seed: int) -> None:
    acknowledged: dict[str, bytes] = {}
    for turn in range(3):
        lines = _kill_under_load(tmp_path, random.Random(f"{seed}/{turn}").randrange(1, 900))
        for sign, *words in lines:
            if sign == "+":
                acknowledged[words[0]] = (words[2] + ";").encode() * (int(words[1]) // len(words[2] + ";"))
        gone = {words[0] for sign, *words in lines if sign == "-"}
        unknown = {words[0] for sign, *words in lines if sign == "?"} - gone
        store = await opened(tmp_path)
        found = await contents(store)
        for key in gone:
            del acknowledged[key]
        for key in unknown:
            if key not in found:
                del acknowledged[key]
        assert {key: found.get(key) for key in acknowledged} == acknowledged
        for text in found.values():
            word = text.split(b";")[0] + b";"
            assert text == word * (len(text) // len(word))
        acknowledged = found
        await store.close()


async def _killed_copy(home: Path, copy: Path) -> None:
    """What a power cut would leave of the home at this moment, all writes having reached the disk."""
    shutil.copytree(home, copy)


async def test_S05_a_torn_tail_of_the_log_takes_only_the_last_group(tmp_path: Path) -> None:
    home = tmp_path / "home"
    store = await opened(home)
    first = await committed(store, b"first" * 900)
    log = home / "Queue" / "0.db-wal"
    whole_before = log.stat().st_size
    last = await committed(store, b"last" * 900)
    await _killed_copy(home, tmp_path / "dead")
    await store.close()
    dead_log = tmp_path / "dead" / "Queue" / "0.db-wal"
    size = dead_log.stat().st_size
    assert size > whole_before
    cuts = [*range(whole_before, size, max(1, (size - whole_before) // 40)), size - 1]
    for number, cut in enumerate(cuts):
        shutil.copytree(tmp_path / "dead", tmp_path / str(number))
        os.truncate(tmp_path / str(number) / "Queue" / "0.db-wal", cut)
        again = await opened(tmp_path / str(number))
        found = await contents(again)
        assert found[first.key] == b"first" * 900
        assert last.key not in found
        await again.close()


async def test_S06_a_flipped_bit_in_the_log_loses_no_earlier_group(tmp_path: Path) -> None:
    home = tmp_path / "home"
    store = await opened(home)
    first = await committed(store, b"first" * 900)
    log = home / "Queue" / "0.db-wal"
    begin = log.stat().st_size
    await committed(store, b"last" * 900)
    await _killed_copy(home, tmp_path / "dead")
    await store.close()
    octets = (tmp_path / "dead" / "Queue" / "0.db-wal").read_bytes()
    for number, place in enumerate(random.Random(6).sample(range(begin, len(octets)), 20)):
        shutil.copytree(tmp_path / "dead", tmp_path / str(number))
        flipped = octets[:place] + bytes([octets[place] ^ 4]) + octets[place + 1 :]
        (tmp_path / str(number) / "Queue" / "0.db-wal").write_bytes(flipped)
        again = await opened(tmp_path / str(number))
        assert (await contents(again))[first.key] == b"first" * 900
        await again.close()


async def test_S06_a_damaged_content_is_set_aside_and_the_rest_is_delivered(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    bad = await committed(store, b"will be damaged" * 100)
    good = await committed(store, b"stays")
    await store.close()
    database = tmp_path / "Queue" / "0.db"
    octets = database.read_bytes()
    database.write_bytes(octets.replace(b"will be damaged", b"will be dAmaged", 1))
    heard: list[str] = []
    again = await opened(tmp_path, set_aside=lambda key, cause: heard.append(f"{key} {cause}"))
    leases = await again.claim(NOON, 10)
    assert [lease.entry.key for lease in leases] == [good.key]
    assert heard == [f"{bad.key} its checksum does not fit"]
    assert await again.next_due() is None
    assert [row.last for row in await again.page("", 10) if row.key == bad.key] == ["set aside: the entry is damaged"]
    assert await again.change(Selection(key=bad.key), selection.remove, "", 10) == (1, 0, "", {bad.key: 1})
    assert await again.depth() == 1
    await again.close()


async def test_S06_a_damaged_file_is_never_sent_whole(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    entry = await store.commit(large_draft(store))
    assert entry is not None
    file = tmp_path / "Queue" / "0" / f"{entry.key}.msg"
    octets = file.read_bytes()
    file.write_bytes(octets[:-5] + b"\0" + octets[-4:])
    with pytest.raises(Unavailable, match="checksum"):
        list(entry.content.pieces())
    await store.close()


@pytest.mark.parametrize("octets", [b"not a database at all" * 500, b"SQLite format 3\0" + b"\xff" * 8000])
async def test_S06_a_damaged_database_is_left_as_it_is(tmp_path: Path, octets: bytes) -> None:
    (tmp_path / "Queue").mkdir()
    database = tmp_path / "Queue" / "0.db"
    database.write_bytes(octets)
    with pytest.raises(Misconfigured, match=r"0\.db"):
        await opened(tmp_path)
    assert database.read_bytes() == octets


async def test_S10_a_second_process_is_kept_out_and_told_who_is_in(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    with pytest.raises(Misconfigured, match=rf"0\.lock.* {os.getpid()};"):
        await opened(tmp_path)
    await committed(store)
    await store.close()
    again = await opened(tmp_path)
    await again.close()


async def test_leases_are_void_after_a_death_and_their_entries_have_one_more_failure(tmp_path: Path) -> None:
    home = tmp_path / "0"
    store = await opened(home)
    innocent = await committed(store)
    held = await committed(store)
    await store.release(innocent.key, [0], NOON)
    for death in range(1, SUSPECT_AFTER + 3):
        await _killed_copy(store._shard.home, tmp_path / str(death))
        await store.close()
        store = await opened(tmp_path / str(death))
        assert store.found.recovered == 1
        entries = {lease.entry.key: lease.entry for lease in await store.claim(NOON, 10)}
        assert entries[held.key].failures == min(death, SUSPECT_AFTER)
        assert entries[innocent.key].failures == 0
        await store.release(innocent.key, [0], NOON)
    assert suspect(entries[held.key])
    assert not hopeless(entries[held.key])
    await store.close()


async def test_a_caller_that_was_cancelled_leaves_no_lease_behind(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    task = asyncio.ensure_future(store.commit(draft()))
    await asyncio.sleep(0)
    task.cancel()
    async with asyncio.timeout(120):
        while await store.next_due() is None:
            pass
    assert len(await store.claim(NOON, 10)) == 1
    await store.close()


async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.close()
    await store.close()
    with pytest.raises(Unavailable):
        await store.commit(draft())


async def test_keys_are_never_given_twice(tmp_path: Path) -> None:
    keys: list[str] = []
    for _ in range(3):
        store = await opened(tmp_path)
        entry = await committed(store)
        keys.append(entry.key)
        await store.settle(Settlement(entry.key, served=(0,)))
        await store.close()
    assert sorted(set(keys)) == keys


# -- what operators and domains do, cut off


Row = tuple[str, int, str, str, bool]


async def rows_of(store: SqliteQueue) -> list[Row]:
    """What must survive of each waiting recipient; leases end with the process, and so does the due of the leased."""
    return [
        (row.recipient, row.recipient_number, row.held, row.via, row.delay_reported)
        for row in await store.page("", 1_000)
    ]


def steps(store: SqliteQueue) -> list[Callable[[], Awaitable[object]]]:
    """Changes of every kind, on a queue of two entries with three recipients each, all of them leased."""

    async def settle(number: int, **changed: Any) -> None:
        key = (await store.page("", 1))[0].key
        entry = await store.entry(key)
        assert entry is not None
        pending = [replace(one, due=NOON, **changed) for one in entry.pending if one.number == number]
        await store.settle(Settlement(key, deferred=tuple(pending)))

    async def join() -> None:
        key = (await store.page("", 1))[0].key
        joining = tuple(replace(Pending(0, one, NOON)) for one in draft("dan", "eve").envelope.recipients)
        await store.settle(Settlement(key, served=(1,), added=joining))

    async def change(wanted: Change, **selected: str) -> None:
        await store.change(Selection(**selected), wanted, "", 100)  # type: ignore[arg-type]

    return [
        lambda: settle(0, held=AWAITED),
        lambda: settle(2, delay_reported=True),
        join,
        lambda: change(selection.freeze(FROZEN, lambda _: NOON), recipient="eve@*"),
        lambda: change(selection.reroute("[192.0.2.1]", NOON), recipient="dan@*"),
        lambda: store.claim_held("example.net", "", 10),
        lambda: change(selection.thaw(NOON), held="operator"),
        lambda: store.take(Selection(recipient="cid@*"), "", 10),
        lambda: change(selection.remove, recipient="dan@*"),
        lambda: store.thaw("example.net", NOON),
    ]


@pytest.mark.parametrize("failing", range(12))
async def test_S04_a_change_that_is_cut_off_is_there_whole_or_not_at_all(tmp_path: Path, failing: int) -> None:
    """After each step, and after one whose sync failed, a new process finds the queue before or behind that step."""
    seen: list[list[Row]] = []
    with faulty_files("faulty") as faults:
        store = await opened(tmp_path, vfs="faulty")
        for _ in range(2):
            await store.commit(draft("ann", "bob", "cid"))
        seen.append(await rows_of(store))
        made = faults.done.count("sync")
        faults.failing = lambda operation, _: (
            sync_error() if operation == "sync" and faults.done.count("sync") > made + failing else None
        )
        failed = False
        for step in steps(store):
            try:
                await step()
                seen.append(await rows_of(store))
            except StoreFailed:
                failed = True
                break
        assert failed or failing > 8
        with contextlib.suppress(StoreFailed, Unavailable):
            await store.close()
    again = await opened(tmp_path)
    found = await rows_of(again)
    await again.close()
    model = await opened(tmp_path / "model")
    for _ in range(2):
        await model.commit(draft("ann", "bob", "cid"))
    for step in steps(model)[: len(seen)]:
        await step()
    after = await rows_of(model)
    await model.close()
    assert found in (seen[-1], after)
