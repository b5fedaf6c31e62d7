"""Tens of thousands of files in Pickup at once, on the real service."""

import time
from pathlib import Path

from tests.live.running import service, until

FILES = 20_000


def memory_of(pids: list[int]) -> int:
    """The proportional memory of some processes, in octets."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def count(folder: Path) -> int:
    """How many names a folder has."""
    return sum(1 for _ in folder.iterdir()) if folder.exists() else 0


def test_I16_twenty_thousand_files_are_taken_in_bounded_time_and_memory(tmp_path: Path) -> None:
    made = service(tmp_path, workers=2)
    pickup = made.home / "Pickup"
    pickup.mkdir(parents=True)
    for number in range(FILES):
        text = b"x-sender: a@local.test\r\nx-receiver: b@local.test\r\nSubject: %d\r\n\r\nbody\r\n" % number
        (pickup / f"{number}.txt").write_bytes(text)
    try:
        began = time.monotonic()
        made.start()
        assert time.monotonic() - began < 60, "the service must begin while Pickup is full"
        most = 0
        descriptors = 0

        def all_dropped() -> bool:
            nonlocal most, descriptors
            workers = made.workers()
            most = max(most, memory_of(workers))
            descriptors = max(descriptors, *(count(Path(f"/proc/{pid}/fd")) for pid in workers))
            time.sleep(0.2)
            return count(made.drop) >= FILES

        until(all_dropped, "every file in Drop", 500.0)
        print(f"{FILES} files in {time.monotonic() - began:.1f} s, {most >> 20} MB, {descriptors} descriptors")
        until(lambda: not count(pickup), "an empty Pickup folder")
        until(lambda: made.ask("queue", "list") == [], "an empty queue")
    finally:
        if made.process is not None:
            made.stop()
    subjects = set()
    for path in made.drop.iterdir():
        subjects.add(path.read_bytes().split(b"Subject: ")[1].split(b"\r\n")[0])
    assert len(subjects) == count(made.drop) == FILES
    assert most < 400 << 20
    assert descriptors < 1_000
