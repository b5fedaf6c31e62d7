"""kill -9 of workers and of the whole service at random moments under load: guarantees G1 to G6 on the real service.

A kill leaves the page cache as it is, so nothing here says that a 250 comes after its sync: `test_sync_order` and
`test_power_cut` do.

Exactly: a message that got its 250, and a Pickup file, is in Drop once. A message whose connection ended before the
answer is there once or not at all. A Drop file's name follows from its entry, so even the one delivery that was under
way is not repeated visibly; a relayed one may be (`test_S07_...`).
"""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.crash.load import Load, names_set_aside
from tests.live.running import Service, service, until

SERVICE_KILLS = int(os.environ.get("MAILROOT_SERVICE_KILLS", "18"))
WORKER_KILLS = 3  # of each service, before it is killed itself


def files_below(folder: Path) -> list[str]:
    """All files in a folder and its folders."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def leftovers(made: Service) -> list[str]:
    """Contents and claims that belong to no entry any more."""
    contents = [name for name in files_below(made.home / "Queue") if name.endswith(".msg")]
    return contents + files_below(made.home / "SortTemp") + files_below(made.home / "Badmail")


def kill_a_worker(made: Service, chance: random.Random) -> bool:
    """Kill one of the workers; False if none runs, or the one that was chosen is an earlier victim, reaped just now."""
    workers = made.workers()
    try:
        os.kill(chance.choice(workers), signal.SIGKILL)
    except (IndexError, ProcessLookupError):
        return False
    return True


@pytest.mark.timeout(900)  # a slow machine starts a service in seconds
def test_S01_S02_S03_nothing_is_lost_or_doubled_over_many_kills(tmp_path: Path) -> None:
    seed = int(os.environ.get("MAILROOT_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 30)
    print(f"MAILROOT_SEED={seed}")
    chance = random.Random(seed)
    made = service(tmp_path, workers=2)
    load = Load(made.port, made.home, chance, aside=lambda: names_set_aside(made.home / "Badmail"))
    kills = 0
    try:
        with load.running():
            for _ in range(SERVICE_KILLS):
                made.settings = made.settings.replace("workers = 2", f"workers = {chance.choice((1, 2, 2, 3))}")
                made.start()
                for _ in range(WORKER_KILLS):
                    time.sleep(chance.random() * 0.5)
                    kills += kill_a_worker(made, chance)
                until(lambda: len(load.ledger.acknowledged) > 6 * (kills + 1), "load that proves something")  # noqa: B023
                time.sleep(chance.random() * 0.5)
                made.kill()
                kills += 1
                made.settings = _with_two_workers(made.settings)
        made.start()
        load.wait_for_all()
        until(lambda: made.ask("queue", "list") == [], "an empty queue")
        assert made.stop() == 0
    finally:
        if made.process is not None:
            made.kill()
    load.judge()
    # On a slow machine the same message may be hit so often that it looks like the cause; that is told in Badmail.
    assert [name for name in leftovers(made) if Path(name).suffix not in {".BAD", ".BDR", ".BDP"}] == []
    assert len(load.aside()) <= kills // 6
    assert kills >= 3 * SERVICE_KILLS, "most workers were dead already"
    assert len(load.ledger.acknowledged) > 5 * kills, "too little load to prove anything"
    print(f"{kills} kills, {len(load.ledger.acknowledged)} acknowledged, {len(load.ledger.picked)} Pickup files")


def _with_two_workers(settings: str) -> str:
    head, _, rest = settings.partition("workers = ")
    return f"{head}workers = 2\n{rest.partition(chr(10))[2]}"
