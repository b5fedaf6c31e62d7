"""What a server costs: the CPU time of all its processes, dead ones included, and the memory of the living."""

import itertools
import os
import time
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")
QUIET_CPU = 0.004  # seconds of CPU in QUIET_TIME: timers of an idle server stay below it
QUIET_TIME = 0.25
GONE_LIMIT = 5.0
_numbers = itertools.count(1)


class Account:
    """Counts one server: in a control group of its own where the system allows it, else by walking its process tree."""

    def __init__(self) -> None:
        self.root: int | None = None
        self.group = _new_group()

    def command(self, arguments: list[str]) -> list[str]:
        """Return the command that runs arguments inside the account."""
        if self.group is None:
            return arguments
        return ["sh", "-c", f'echo $$ >"{self.group}/cgroup.procs" && exec "$@"', "sh", *arguments]

    def processes(self) -> list[int]:
        """Return the ids of the server's living processes."""
        if self.group is not None:
            return [int(line) for line in (self.group / "cgroup.procs").read_text().split()]
        return _tree(self.root) if self.root else []

    def cpu(self) -> float:
        """Return the seconds of CPU used since the account was opened."""
        if self.group is not None:
            fields = dict(line.split() for line in (self.group / "cpu.stat").read_text().splitlines())
            return int(fields["usage_usec"]) / 1e6
        return sum(_seconds(process) for process in self.processes())

    def memory(self) -> int:
        """Return the proportional set size of all processes, in octets: shared pages are counted once."""
        return sum(_pss(process) for process in self.processes())

    def wait_until_quiet(self, limit: float) -> None:
        """Return when the server has stopped working, so that work after the last delivery is counted too."""
        end = time.monotonic() + limit
        before = self.cpu()
        while time.monotonic() < end:
            time.sleep(QUIET_TIME)
            now = self.cpu()
            if now - before < QUIET_CPU:
                return
            before = now

    def close(self) -> None:
        """Remove the group; the server has ended."""
        if self.group is None:
            return
        patience = time.monotonic() + GONE_LIMIT
        while True:
            try:
                self.group.rmdir()
            except OSError:  # the system still takes a process apart that is no longer listed
                if time.monotonic() > patience:
                    raise
                time.sleep(0.02)
            else:
                self.group = None
                return


def _new_group() -> Path | None:
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            group = Path(place, f"mailroot-bench-{os.getpid()}-{next(_numbers)}")
            try:
                group.mkdir()
            except OSError:
                return None
            return group
    return None


def _fields(process: int) -> list[str]:
    """Return /proc/PID/stat from the state on: field 3 of proc(5) is first; a name may hold spaces and brackets."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _seconds(process: int) -> float:
    # utime, stime, cutime, cstime: fields 14 to 17 of proc(5)
    return sum(int(ticks) for ticks in _fields(process)[11:15]) * TICK


def _tree(root: int) -> list[int]:
    found = [root]
    parents = {int(entry.name): _fields(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    for parent in found:
        found.extend(process for process, fields in parents.items() if fields and int(fields[1]) == parent)
    return found


def _pss(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:  # it ended meanwhile, or is a kernel's
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
