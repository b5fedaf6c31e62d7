"""Badmail: trios, their order, and their retention."""

import errno
import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from mailroot.edge.files.badmail import Reason
from mailroot.mail.faults import DiskFull, Fault, Unavailable
from mailroot.mail.message import BytesContent
from mailroot.service.report.badmail import Badmail, BadmailLimits
from tests.service.test_drop import MESSAGE, delivery

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
async def kept(tmp_path):
    events = []
    badmail = Badmail("s", str(tmp_path), "s-0", lambda row, **fields: events.append((row.name, fields)))
    badmail.events = events
    yield badmail
    await badmail.close()


async def test_an_entry_becomes_three_files(kept, tmp_path):
    entry = delivery("", key="k1", recipients=("c@d.example", "e@d.example")).entry
    await kept.keep_entry(entry, entry.pending, "the report could not be delivered")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["k1-0.BAD", "k1-0.BDP", "k1-0.BDR"]
    message = (tmp_path / "k1-0.BAD").read_bytes()
    assert message.startswith(b"Received:") and b"\r\nReturn-Path: a@b.example\r\nX-OriginalArrivalTime" in message
    words = (tmp_path / "k1-0.BDR").read_text()
    assert "0xC00402C7" in words and "a@b.example" in words and "c@d.example" in words
    properties = json.loads((tmp_path / "k1-0.BDP").read_text())
    assert properties["recipients"][0]["address"] == "c@d.example"
    assert kept.events[0][0] == "badmail"


async def test_a_repetition_changes_nothing(kept, tmp_path):
    for _ in range(2):
        await kept.keep(BytesContent(MESSAGE), "k", Reason("why", 1), {})
    assert len(list(tmp_path.iterdir())) == 3


class Unreadable:
    size, in_memory = 1, False

    def pieces(self):
        raise Unavailable("gone")


async def test_a_message_that_cannot_be_read_leaves_no_trio(kept, tmp_path):
    with pytest.raises(Unavailable):
        await kept.keep(Unreadable(), "k", Reason("why", 1), {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["open", "writev", "link"])
async def test_M08_a_full_disk_is_said_and_leaves_no_message(kept, tmp_path, monkeypatch, call):
    await kept.keep(BytesContent(MESSAGE), "first", Reason("why", 1), {})

    def fail(*_args, **_named):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as broken:
        broken.setattr(os, call, fail)
        with pytest.raises(DiskFull):
            await kept.keep(BytesContent(MESSAGE), "k", Reason("why", 1), {})
    assert not (tmp_path / "k.BAD").exists()


async def test_a_failed_sync_is_said_and_leaves_no_message(kept, tmp_path, monkeypatch):
    def fail(*_args):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr("mailroot.edge.files.folder.Folder.sync_file_system", fail)
        with pytest.raises(Fault):
            await kept.keep(BytesContent(MESSAGE), "k", Reason("why", 1), {})
    assert list(tmp_path.iterdir()) == []


async def aged(kept, tmp_path, days):
    for number, age in enumerate(days):
        await kept.keep(BytesContent(b"x" * 1000), f"k{number}", Reason("why", 1), {})
        at = (NOW - timedelta(days=age)).timestamp()
        for path in tmp_path.glob(f"k{number}.*"):
            os.utime(path, (at, at))


async def test_what_is_too_old_goes(kept, tmp_path):
    await aged(kept, tmp_path, [40, 31, 29, 1])
    assert await kept.remove_excess(BadmailLimits(timedelta(days=30), 0), NOW) == 6
    assert sorted(path.name for path in tmp_path.glob("*.BAD")) == ["k2.BAD", "k3.BAD"]
    assert [fields["name"] for name, fields in kept.events if name == "badmail_removed"] == ["k0.BAD", "k1.BAD"]


async def test_what_is_too_much_goes_oldest_first(kept, tmp_path):
    await aged(kept, tmp_path, [4, 3, 2, 1])
    whole = sum(path.stat().st_size for path in tmp_path.iterdir())
    await kept.remove_excess(BadmailLimits(timedelta(0), whole // 2), NOW)
    assert sorted(path.name for path in tmp_path.glob("*.BAD")) == ["k2.BAD", "k3.BAD"]


async def test_zero_is_no_limit_and_strange_files_stay(kept, tmp_path):
    await aged(kept, tmp_path, [4000])
    (tmp_path / "notes.txt").write_text("mine")
    assert await kept.remove_excess(BadmailLimits(timedelta(0), 0), NOW) == 0
    await kept.remove_excess(BadmailLimits(timedelta(days=1), 0), NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
