"""Delivery into Drop folders."""

import asyncio
import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailroot.edge.files.folder import Permissions
from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Envelope, Recipient
from mailroot.mail.message import BytesContent
from mailroot.mail.status import Disposition
from mailroot.queue.entry import Origin, Pending, QueueEntry
from mailroot.routing.route import DropRoute
from mailroot.service.deliver.delivery import Delivery
from mailroot.service.deliver.drop import DropCarrier

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MESSAGE = (
    b"Received: from client\r\nSubject: hello\r\n"
    b"X-OriginalArrivalTime: 02 Jan 2026 03:04:05.0000 (UTC) FILETIME=[00000000:00000000]\r\n\r\nbody\r\n"
)


def delivery(folder, key="k1", recipients=("c@d.example",), sender="a@b.example", data=MESSAGE):
    envelope = Envelope(
        sender=Mailbox(*sender.split("@")) if sender else None,
        recipients=tuple(Recipient(Mailbox(*one.split("@"))) for one in recipients),
    )
    pending = tuple(Pending(number, one, NOW) for number, one in enumerate(envelope.recipients))
    content = data if hasattr(data, "pieces") else BytesContent(data)
    entry = QueueEntry(key, envelope, content, Origin("smtp"), NOW, "<m@x>", pending)
    return Delivery(entry, pending, DropRoute("d.example", str(folder)))


@pytest.fixture
async def carrier():
    made = DropCarrier("s1-0", Permissions())
    yield made
    await made.close()


def mail_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.eml"))


async def test_a_message_is_one_file_with_its_envelope_in_front(carrier, tmp_path):
    outcome = await carrier.carry(delivery(tmp_path / "Drop", recipients=("c@d.example", "e@d.example")))
    assert {number: status.disposition for number, status in outcome.items()} == dict.fromkeys(
        (0, 1), Disposition.DELIVERED
    )
    [file] = mail_in(tmp_path / "Drop")
    assert file.read_bytes() == (
        b"x-sender: a@b.example\r\nx-receiver: c@d.example\r\nx-receiver: e@d.example\r\n"
        b"Received: from client\r\nSubject: hello\r\nReturn-Path: a@b.example\r\n"
        b"X-OriginalArrivalTime: 02 Jan 2026 03:04:05.0000 (UTC) FILETIME=[00000000:00000000]\r\n\r\nbody\r\n"
    )


async def test_the_null_sender_is_written_with_brackets(carrier, tmp_path):
    await carrier.carry(delivery(tmp_path, sender="", data=b"Subject: x\r\n\r\nbody\r\n"))
    [file] = mail_in(tmp_path)
    assert file.read_bytes() == (
        b"x-sender: <>\r\nx-receiver: c@d.example\r\nSubject: x\r\nReturn-Path: <>\r\n\r\nbody\r\n"
    )


class Pieces:
    """Content that comes in pieces of a chosen length."""

    in_memory = False

    def __init__(self, data: bytes, step: int) -> None:
        self.size, self._data, self._step = len(data), data, step

    def pieces(self):
        for start in range(0, len(self._data), self._step):
            yield self._data[start : start + self._step]


@pytest.mark.parametrize("step", [1, 2, 7, 64, 4096])
async def test_streamed_content_gives_the_same_file(carrier, tmp_path, step):
    await carrier.carry(delivery(tmp_path / "a"))
    await carrier.carry(delivery(tmp_path / "b", data=Pieces(MESSAGE, step)))
    assert mail_in(tmp_path / "a")[0].read_bytes() == mail_in(tmp_path / "b")[0].read_bytes()


async def test_P03_a_repetition_after_a_crash_makes_no_second_file(carrier, tmp_path):
    await carrier.carry(delivery(tmp_path))
    before = mail_in(tmp_path)[0].stat()
    again = DropCarrier("s1-0", Permissions())
    outcome = await again.carry(delivery(tmp_path))
    await again.close()
    assert outcome[0].disposition is Disposition.DELIVERED
    [file] = mail_in(tmp_path)
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


async def test_P03_messages_of_one_moment_have_different_names(carrier, tmp_path):
    await asyncio.gather(*(carrier.carry(delivery(tmp_path, key=f"k{n}")) for n in range(300)))
    assert len(mail_in(tmp_path)) == 300
    assert len(list(tmp_path.iterdir())) == 300


async def test_other_recipients_of_one_entry_are_another_file(carrier, tmp_path):
    whole = delivery(tmp_path, recipients=("c@d.example", "e@d.example"))
    for one in whole.pending:
        await carrier.carry(Delivery(whole.entry, (one,), whole.route))
    assert len(mail_in(tmp_path)) == 2


@pytest.mark.parametrize("domain", ["..", "a/b", "CON", ".", "x" * 300, "a\0b"])
async def test_P02_no_domain_becomes_a_path(carrier, tmp_path, domain):
    one = delivery(tmp_path / "Drop")
    await carrier.carry(Delivery(one.entry, one.pending, DropRoute(domain, str(tmp_path / "Drop"))))
    assert [file.parent for file in tmp_path.rglob("*.eml")] == [tmp_path / "Drop"]


async def test_what_a_dead_run_left_half_written_is_swept_and_others_work_is_not(tmp_path):
    (tmp_path / ".s1-0-k.eml.part").write_bytes(b"half")
    (tmp_path / ".s1-1-k.eml.part").write_bytes(b"another worker's")
    (tmp_path / "kept.eml").write_bytes(b"whole")
    carrier = DropCarrier("s1-0", Permissions())
    await carrier.prepare([str(tmp_path)])
    await carrier.close()
    assert sorted(one.name for one in tmp_path.iterdir()) == [".s1-1-k.eml.part", "kept.eml"]


async def test_a_folder_that_was_replaced_is_found_again(carrier, tmp_path):
    await carrier.carry(delivery(tmp_path / "Drop", key="k1"))
    (tmp_path / "Drop").rename(tmp_path / "old")
    await carrier.carry(delivery(tmp_path / "Drop", key="k2"))
    assert len(mail_in(tmp_path / "Drop")) == 1


async def test_owner_group_and_mode_are_set_before_the_file_is_seen(tmp_path):
    carrier = DropCarrier("s1-0", Permissions(os.getuid(), os.getgid(), 0o640))
    await carrier.carry(delivery(tmp_path / "Drop"))
    await carrier.close()
    assert mail_in(tmp_path / "Drop")[0].stat().st_mode & 0o7777 == 0o640
    assert (tmp_path / "Drop").stat().st_mode & 0o050 == 0o050


async def until(holds) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.01)


async def test_M08_a_full_quota_delays_and_says_mailbox_full(tmp_path):
    (tmp_path / "old.eml").write_bytes(b"x" * 100)
    carrier = DropCarrier("s1-0", Permissions(), lambda folder: 100)
    await until(lambda: carrier.over_quota(str(tmp_path)))
    outcome = await carrier.carry(delivery(tmp_path))
    assert (outcome[0].disposition, outcome[0].code) == (Disposition.DELAYED, "4.2.2")
    await carrier.close()
    assert len(mail_in(tmp_path)) == 1


FAULTS = [(errno.ENOSPC, "4.3.1"), (errno.EDQUOT, "4.3.1"), (errno.EACCES, "4.3.5"), (errno.EIO, "4.3.0")]


@pytest.mark.parametrize("call", ["open", "writev", "fsync", "link"])
@pytest.mark.parametrize(("number", "code"), FAULTS)
async def test_M08_a_failing_step_delays_and_leaves_nothing(carrier, tmp_path, monkeypatch, call, number, code):
    await carrier.prepare([str(tmp_path)])

    def fail(*_args, **_named):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as broken:
        broken.setattr(os, call, fail)
        outcome = await carrier.carry(delivery(tmp_path))
    assert (outcome[0].disposition, outcome[0].code) == (Disposition.DELAYED, code)
    assert str(tmp_path) in outcome[0].reason
    assert list(tmp_path.iterdir()) == []
    assert (await carrier.carry(delivery(tmp_path)))[0].disposition is Disposition.DELIVERED


async def test_a_file_system_without_nameless_files_is_served_too(carrier, tmp_path, monkeypatch):
    monkeypatch.setattr("mailroot.edge.files.folder._file_system", lambda _device: "nfs4")
    await asyncio.gather(*(carrier.carry(delivery(tmp_path, key=f"k{n}")) for n in range(20)))
    assert len(mail_in(tmp_path)) == len(list(tmp_path.iterdir())) == 20


async def test_a_failed_sync_of_a_group_delivers_nothing_and_leaves_nothing(carrier, tmp_path, monkeypatch):
    def fail(*_args):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr("mailroot.edge.files.folder.Folder.sync_file_system", fail)
        outcomes = await carrier.carry_all([delivery(tmp_path, key=f"k{n}") for n in range(20)])
    assert {outcome[0].code for outcome in outcomes} == {"4.3.0"}
    assert list(tmp_path.iterdir()) == []


async def test_a_failed_sync_of_the_names_takes_them_back(carrier, tmp_path, monkeypatch):
    def fail(*_args):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr("mailroot.edge.files.folder.Folder.sync", fail)
        outcome = await carrier.carry(delivery(tmp_path))
    assert outcome[0].disposition is Disposition.DELAYED
    assert list(tmp_path.iterdir()) == []


async def test_a_mistake_in_a_group_leaves_no_open_file(carrier, tmp_path):
    class Cursed:
        size, in_memory = 1, True

        def pieces(self):
            raise ZeroDivisionError

    folder = tmp_path / "Drop"
    await carrier.carry(delivery(folder))
    before = len(list(Path("/proc/self/fd").iterdir()))
    group = [*(delivery(folder, key=f"k{number}") for number in range(5)), delivery(folder, key="x", data=Cursed())]
    with pytest.raises(ZeroDivisionError):
        await carrier.carry_all(group)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
