"""How many cores there are for this process: what its affinity and its control groups leave of the machine's."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_GROUPS, _OURS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_QUOTA = "cpu/cpu.cfs_quota_us"  # of the first version of control groups; -1 where there is none
_PERIOD = "cpu/cpu.cfs_period_us"
_DAMAGED = (OSError, ValueError, ZeroDivisionError)


def usable_cores(groups: Path = _GROUPS, ours: Path = _OURS) -> int:
    """At least 1. A share of processor time counts in whole cores, upwards (`CPUQuota=150%`, `--cpus 1.5`: 2).

    `groups` is where control groups are mounted, `ours` names the one that we are in.
    """
    mask = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([mask, *_shares(groups, ours)]))


def _shares(groups: Path, ours: Path) -> Iterator[int]:
    """The cores that each limit leaves, from the innermost group outwards."""
    with contextlib.suppress(*_DAMAGED):
        microseconds, period = int((groups / _QUOTA).read_text()), int((groups / _PERIOD).read_text())
        if microseconds > 0:
            yield -(-microseconds // period)
    for group in _path(ours):
        with contextlib.suppress(*_DAMAGED):
            quota, period_text = (groups / group / "cpu.max").read_text().split()  # "max 100000", "150000 100000"
            if quota != "max":
                yield -(-int(quota) // int(period_text))


def _path(ours: Path) -> list[PurePosixPath]:
    """Our group and those that it is in, relative to where they are mounted; a container sees its own as the mount."""
    with contextlib.suppress(OSError, ValueError):
        for line in ours.read_text().splitlines():
            if line.startswith("0::/"):
                own = PurePosixPath(line.removeprefix("0::/"))
                return [own, *own.parents]
    return [PurePosixPath()]
