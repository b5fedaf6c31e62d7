"""The pickup role on a real folder, with a store that remembers what was committed."""

import asyncio
import contextlib
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailroot.mail.envelope import Envelope, Recipient
from mailroot.mail.faults import Unavailable
from mailroot.mail.message import BytesContent
from mailroot.mail.pickuplines import Dots
from mailroot.queue.entry import QueueEntry
from mailroot.service.pickup.pickup import PickedUp, PickupPlaces, PickupRole, PickupRules, PickupWorld, Refused, Taken
from mailroot.service.report.badmail import Badmail

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MESSAGE = b"x-sender: a@b\r\nx-receiver: c@d\r\nSubject: hi\r\n\r\nbody\r\n"


class RememberingStore:
    """Commits into a list; `broken` makes it unavailable."""

    def __init__(self) -> None:
        self.drafts, self.claims, self.forgotten, self.broken = [], set(), [], False

    async def commit(self, draft):
        await asyncio.sleep(0)
        if self.broken:
            raise Unavailable("no store")
        if draft.claim in self.claims:
            return None
        self.claims.add(draft.claim)
        self.drafts.append(draft)
        return QueueEntry(
            f"k{len(self.drafts)}", draft.envelope, draft.content, draft.origin, NOW, draft.message_id, ()
        )

    async def forget(self, claims):
        self.claims.difference_update(claims)
        self.forgotten.extend(claims)


class MemoryFile:
    def __init__(self) -> None:
        self.data = b""

    def write(self, data):
        self.data += data

    def seal(self):
        return BytesContent(self.data)

    def discard(self):
        self.data = b""


def receive(found: PickedUp):
    if b"X-Refuse" in found.head.header:
        return Refused("too many hops")
    envelope = Envelope(found.head.sender, tuple(map(Recipient, found.head.recipients)))
    return Taken(envelope, b"Received: from pickup\r\n" + found.head.header, "<m@x>")


class Site:
    """A home with a Pickup folder, and a role that takes its files while `running`."""

    def __init__(self, home: Path) -> None:
        self.home, self.store, self.events = home, RememberingStore(), []
        self.pickup, self.bad = home / "Pickup", home / "Badmail"
        self.pickup.mkdir(exist_ok=True)
        (home / "SortTemp" / "pickup-0").mkdir(parents=True, exist_ok=True)
        self.rules, self.store_failures = PickupRules(), []

    def role(self, badmail) -> PickupRole:
        places = PickupPlaces(str(self.pickup), str(self.home / "SortTemp/pickup-0"), str(self.home / "pickup.lock"))
        world = PickupWorld(
            server="s",
            store=self.store,
            badmail=badmail,
            receive=receive,
            room=lambda content: True,
            committed=lambda entry, leased: None,
            new_content=MemoryFile,
            emit=self.emit,
            now=lambda: NOW,
            store_failed=self.store_failures.append,
        )
        return PickupRole(places, lambda: self.rules, world)

    def emit(self, row, **fields) -> None:
        self.events.append((row.name, fields))

    @contextlib.asynccontextmanager
    async def running(self):
        badmail = Badmail("s", str(self.bad), "s-0", self.emit)
        task = asyncio.create_task(self.role(badmail).run())
        try:
            yield
            if task.done():
                task.result()
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await badmail.close()

    @property
    def left(self) -> list[Path]:
        return list((self.home / "SortTemp").rglob("*.eml"))

    def causes(self) -> list[str]:
        return [fields["cause"] for name, fields in self.events if name == "pickup_refused"]


@pytest.fixture
def site(tmp_path) -> Site:
    return Site(tmp_path)


async def until(holds) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.01)


async def test_a_file_is_taken_without_its_envelope_lines(site):
    (site.pickup / "any name").write_bytes(MESSAGE)
    async with site.running():
        await until(lambda: site.store.forgotten)
    [draft] = site.store.drafts
    assert b"".join(draft.content.pieces()) == b"Received: from pickup\r\nSubject: hi\r\n\r\nbody\r\n"
    assert (draft.envelope.sender_text, draft.origin.source) == ("a@b", "pickup")
    assert not site.left and not list(site.pickup.iterdir())


async def test_a_file_that_comes_later_is_noticed(site):
    async with site.running():
        await until((site.home / "pickup.lock").exists)
        (site.home / "new").write_bytes(MESSAGE)
        (site.home / "new").rename(site.pickup / "new.eml")
        await until(lambda: site.store.forgotten)


async def test_a_read_only_file_is_taken_once(site):
    (site.pickup / "a.eml").write_bytes(MESSAGE)
    (site.pickup / "a.eml").chmod(0o400)
    for _ in range(2):
        async with site.running():
            await until(lambda: site.store.forgotten)
    assert len(site.store.drafts) == 1


async def test_a_file_that_is_being_written_is_waited_for(site):
    with (site.pickup / "growing.eml").open("wb") as writer:
        writer.write(MESSAGE)
        writer.flush()
        async with site.running():
            (site.pickup / "whole.eml").write_bytes(MESSAGE)
            await until(lambda: len(site.store.forgotten) == 1)
            assert [path.name for path in site.pickup.iterdir()] == ["growing.eml"]
            writer.write(b"the end\r\n")
            writer.close()
            await until(lambda: len(site.store.forgotten) == 2)
    assert b"".join(site.store.drafts[1].content.pieces()).endswith(b"the end\r\n")


async def test_I02_a_claim_that_was_committed_before_the_crash_is_not_committed_again(site):
    claims = site.home / "SortTemp" / "pickup-0"
    (claims / "c1.eml").write_bytes(MESSAGE)
    (claims / "c2.eml").write_bytes(MESSAGE)
    site.store.claims.add("c1")
    async with site.running():
        await until(lambda: len(site.store.forgotten) == 2)
    assert [draft.claim for draft in site.store.drafts] == ["c2"]
    assert not site.left


async def test_I20_the_same_message_id_twice_is_sent_twice(site):
    for name in ("a", "b"):
        (site.pickup / name).write_bytes(b"Message-ID: <same@x>\r\nFrom: a@b\r\nTo: c@d\r\n\r\n")
    async with site.running():
        await until(lambda: len(site.store.forgotten) == 2)
    assert len(site.store.drafts) == 2


async def test_I11_a_hard_link_is_refused(site):
    secret = site.home / "secret"
    secret.write_bytes(MESSAGE)
    os.link(secret, site.pickup / "a.eml")
    async with site.running():
        await until(site.causes)
    assert not site.store.drafts and secret.read_bytes() == MESSAGE


async def test_I12_what_is_no_regular_file_is_left_alone_and_told_once(site):
    os.mkfifo(site.pickup / "fifo.eml")
    (site.pickup / "folder.eml").mkdir()
    (site.home / "secret").write_bytes(MESSAGE)
    (site.pickup / "link.eml").symlink_to(site.home / "secret")
    async with site.running():
        await until(lambda: len(site.causes()) == 3)
        (site.pickup / "real.eml").write_bytes(MESSAGE)
        await until(lambda: site.store.forgotten)
    assert len(site.causes()) == 3
    assert len(list(site.pickup.iterdir())) == 3


async def test_I13_a_file_that_is_swapped_after_the_look_is_looked_at_again(site, monkeypatch):
    (site.pickup / "a.eml").write_bytes(MESSAGE)
    real, swapped = os.rename, []

    def swapping(source, target, **places):
        if source == "a.eml" and not swapped:
            swapped.append(source)
            (site.pickup / "a.eml").unlink()
            os.mkfifo(site.pickup / "a.eml")
        real(source, target, **places)

    monkeypatch.setattr(os, "rename", swapping)
    async with site.running():
        await until(site.causes)
    assert not site.store.drafts
    assert (site.pickup / "a.eml").is_fifo()


async def test_I16_many_files_are_taken_oldest_first(site):
    for number in range(1000):
        path = site.pickup / f"{number * 7919 % 1000}.eml"
        path.write_bytes(MESSAGE.replace(b"hi", b"%d" % number))
        os.utime(path, (number, number))
    async with site.running():
        await until(lambda: len(site.store.forgotten) == 1000)
    subjects = [next(draft.content.pieces()).split(b"Subject: ")[1].split(b"\r\n")[0] for draft in site.store.drafts]
    assert subjects == [b"%d" % number for number in range(1000)]


async def test_I18_a_world_writable_folder_is_told(site):
    site.pickup.chmod(0o777)
    async with site.running():
        await until(lambda: any(name == "pickup_open" for name, _ in site.events))


async def test_I19_a_locked_file_is_tried_again(site, monkeypatch):
    (site.pickup / "a.eml").write_bytes(MESSAGE)
    real, locked = os.open, [True, True]

    def locking(path, *given, **named):
        if path == "a.eml" and locked:
            locked.pop()
            raise PermissionError(13, "Permission denied")
        return real(path, *given, **named)

    monkeypatch.setattr(os, "open", locking)
    async with site.running():
        await until(lambda: site.store.forgotten)
    assert not locked


async def test_a_store_that_is_unavailable_loses_nothing(site):
    site.store.broken = True
    (site.pickup / "a.eml").write_bytes(MESSAGE)
    async with site.running():
        await until(lambda: site.left)
        site.store.broken = False
        await until(lambda: site.store.forgotten)
    assert len(site.store.drafts) == 1


@pytest.mark.parametrize(
    ("text", "said"), [(b"Subject: x\r\n\r\nb", "no sender"), (b"X-Refuse: 1\r\nFrom: a@b\r\nTo: c@d\r\n\r\n", "hops")]
)
async def test_what_cannot_be_sent_goes_to_badmail_as_it_was(site, text, said):
    (site.pickup / "a.eml").write_bytes(text)
    async with site.running():
        await until(lambda: site.store.forgotten)
    assert said in site.causes()[0]
    [bad] = site.bad.glob("*.BAD")
    assert bad.read_bytes() == text
    assert said in bad.with_suffix(".BDR").read_text() and "0xC00402CE" in bad.with_suffix(".BDR").read_text()
    assert '"a.eml"' in bad.with_suffix(".BDP").read_text()


async def test_a_file_over_the_size_limit_goes_to_badmail(site):
    site.rules = PickupRules(size_limit=40)
    (site.pickup / "a.eml").write_bytes(MESSAGE)
    async with site.running():
        await until(lambda: site.store.forgotten)
    assert "limit of 40" in site.causes()[0]


async def test_a_large_file_gives_the_same_content_as_a_small_one(site, monkeypatch):
    text = MESSAGE.replace(b"\r\n", b"\n") + b"..dot\n\xc3\xa4\r...\n" * 50_000 + b"no end"
    (site.pickup / "large").write_bytes(text)
    async with site.running():
        await until(lambda: site.store.forgotten)
        monkeypatch.setattr("mailroot.edge.files.pickup.WHOLE_LIMIT", 1 << 30)
        (site.pickup / "again").write_bytes(text)
        await until(lambda: len(site.store.forgotten) == 2)
    large, small = (b"".join(draft.content.pieces()) for draft in site.store.drafts)
    assert large == small
    assert b"\r\n.dot\r\n\xc3\xa4\r\n..\r\n" in large and large.endswith(b"no end\r\n")


async def test_only_one_of_several_workers_takes_files(site):
    first, second = Site(site.home), Site(site.home)
    first.rules = second.rules = PickupRules(Dots.AUTO)
    async with first.running():
        await until((site.home / "pickup.lock").exists)
        async with second.running():
            for number in range(50):
                (site.pickup / f"{number}").write_bytes(MESSAGE)
            await until(lambda: len(first.store.forgotten) + len(second.store.forgotten) == 50)
    assert not second.store.drafts
