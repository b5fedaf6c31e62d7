"""kill -9 at random moments: what Pickup takes and what Drop gets is whole, and there once."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

CHILD = """
import asyncio, os, sys
from datetime import datetime, timezone
from pathlib import Path
sys.path[:0] = ["src", "."]
from tests.service.test_pickup import Site, NOW
from tests.service.test_drop import delivery
from mailroot.edge.files.folder import Permissions
from mailroot.queue.entry import QueueEntry
from mailroot.service.deliver.drop import DropCarrier

class FileStore:
    "A log of claims, synced: what stands in it was committed."
    def __init__(self, path):
        self.log = open(path, "a+b", buffering=0)
        self.log.seek(0)
        self.claims = {line.split()[0] for line in self.log.read().splitlines() if line.endswith(b" .")}
    async def commit(self, draft):
        await asyncio.sleep(0)
        claim = draft.claim.encode()
        if claim in self.claims:
            return None
        subject = b"".join(draft.content.pieces()).split(b"Subject: ")[1].split(b"\\r\\n")[0]
        self.log.write(b"\\n" + claim + b" " + subject + b" .")
        os.fsync(self.log.fileno())
        self.claims.add(claim)
        return QueueEntry("k", draft.envelope, draft.content, draft.origin, NOW, "", ())
    async def forget(self, claims):
        pass

async def pickup(home):
    site = Site(Path(home))
    site.store = FileStore(home + "/log")
    async with site.running():
        await asyncio.sleep(60)

async def drop(home):
    carrier = DropCarrier("s-0", Permissions())
    await carrier.prepare([home + "/Drop"])
    await asyncio.gather(*(carrier.carry(delivery(home + "/Drop", key=f"k{n}")) for n in range(600)))
    Path(home, "done").touch()

asyncio.run({"pickup": pickup, "drop": drop}[sys.argv[1]](sys.argv[2]))
"""


def run(kind: str, home: Path, seconds: float | None, done) -> None:
    """Run the child until it is killed after `seconds` or is done."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, kind, str(home)])
    limit = time.monotonic() + (seconds if seconds is not None else 240)
    try:
        while time.monotonic() < limit and not done() and child.poll() is None:
            time.sleep(0.005)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()


def test_I02_pickup_commits_each_file_once_over_many_crashes(tmp_path):
    source = tmp_path / "Pickup"
    source.mkdir()
    for number in range(400):
        (source / f"{number}.eml").write_bytes(
            b"x-sender: a@b\r\nx-receiver: c@d\r\nSubject: %d\r\n\r\nbody\r\n" % number
        )
    claims = tmp_path / "SortTemp" / "pickup-0"

    def empty() -> bool:
        return not list(source.iterdir()) and claims.exists() and not list(claims.iterdir())

    chance = random.Random(2)
    for _ in range(6):
        run("pickup", tmp_path, 0.3 + chance.random() * 0.3, empty)
    run("pickup", tmp_path, None, empty)
    lines = [line for line in (tmp_path / "log").read_bytes().splitlines() if line.endswith(b" .")]
    assert sorted(int(line.split()[1]) for line in lines) == list(range(400))


def test_drop_files_are_whole_and_there_once_over_many_crashes(tmp_path):
    chance = random.Random(3)
    sizes: set[int] = set()
    for _ in range(6):
        run("drop", tmp_path, 0.3 + chance.random() * 0.2, (tmp_path / "done").exists)
        sizes |= {path.stat().st_size for path in tmp_path.glob("Drop/*.eml")}
    run("drop", tmp_path, None, (tmp_path / "done").exists)
    files = list((tmp_path / "Drop").iterdir())
    sizes |= {path.stat().st_size for path in files}
    assert len(files) == 600
    assert len(sizes) == 1
