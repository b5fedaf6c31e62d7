"""Runs the workloads and prints what they showed: `bench/run --help`."""

import argparse
import json
import os
import platform
import resource
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import NoReturn

from bench.console import console_workloads
from bench.directory import directory_workloads
from bench.disk import Disk, disk
from bench.observed import observed_workloads
from bench.servers import ROOT, Postfix, Server, Unfinished
from bench.table import rows
from bench.workloads import KINDS, Bench, Figures, Workload, workloads
from bench.yardsticks import yardstick_workloads


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(prog="bench/run", description="Measure Mailroot beside Debian's Postfix.")
    parser.add_argument("--only", action="append", metavar="NAME", help="this workload; may be repeated")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--messages", type=int, default=3000, metavar="N", help="a round of drop-one; others follow it")
    parser.add_argument("--idle", type=int, default=5000, metavar="N", help="sessions of the idle workload")
    parser.add_argument("--deep", type=int, default=100_000, metavar="N", help="deferred messages of the deep workload")
    parser.add_argument("--disk", type=int, default=3072, metavar="MB", help="size of the file system that is made")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    parser.add_argument("--no-postfix", action="store_true", help="Mailroot alone")
    parser.add_argument("--no-mailroot", action="store_true", help="Postfix alone")
    return parser.parse_args(words)


def chosen_servers(asked: argparse.Namespace) -> tuple[type[Server], ...]:
    """Return the servers that take part, and say why one does not."""
    left_out = {"Postfix": asked.no_postfix, "Mailroot": asked.no_mailroot}
    reason = None if asked.no_postfix else Postfix.missing()
    if reason:
        print(f"Postfix is left out: {reason}")
        left_out["Postfix"] = True
    return tuple(kind for kind in KINDS if not left_out[kind.name])


def chosen_workloads(bench: Bench, names: list[str] | None) -> list[Workload]:
    """Return the workloads of these names, or all."""
    more = (observed_workloads, directory_workloads, console_workloads, yardstick_workloads)
    every = [workload for of in (workloads, *more) for workload in of(bench)]
    known = {workload.name: workload for workload in every}
    if unknown := set(names or ()) - known.keys():
        raise SystemExit(f"no workload is called {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return [workload for name, workload in known.items() if not names or name in names]


def prepare(kinds: tuple[type[Server], ...]) -> None:
    """Raise the limit of open files for all children, and have the launcher install before it is timed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if any(kind.name == "Mailroot" for kind in kinds):
        subprocess.run([ROOT / "mailroot", "--help"], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def describe(place: Disk, kinds: tuple[type[Server], ...], rounds: int) -> str:
    """Return the conditions under which the figures are true."""
    names = " and ".join(kind.name for kind in kinds)
    note = "; Postfix with its default in_flow_delay = 1s, and without a system log" if Postfix in kinds else ""
    return (
        f"{names}, {rounds} rounds in turn, {os.cpu_count()} cores, Linux {platform.release()}\n"
        f"on {place.description}\ndefault, durable settings{note}"
    )


def measure(asked: argparse.Namespace) -> dict[str, list[Figures]]:
    """Run the chosen workloads and print each table as it is known."""
    kinds = chosen_servers(asked)
    prepare(kinds)
    found: dict[str, list[Figures]] = {}
    with disk(asked.disk) as place:
        print(describe(place, kinds, asked.rounds), flush=True)
        bench = Bench(place.folder, kinds, asked.rounds, asked.messages, asked.idle, asked.deep)
        for workload in chosen_workloads(bench, asked.only):
            print(f"\n{workload.name}: {workload.title}", flush=True)
            try:
                found[workload.name] = workload.run(bench)
            except Unfinished as fault:
                found[workload.name] = []
                print(f"  UNFINISHED: {fault}", flush=True)
                continue
            print("\n".join(rows(found[workload.name])), flush=True)
    return found


def end(number: int, _: FrameType | None) -> NoReturn:
    """End the run in good order: what was started and mounted goes, and no second signal disturbs that."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def main() -> None:
    """Measure, print, write; leave nothing running or mounted, after Ctrl-C or SIGTERM either.

    Ends with 1 where a workload was not finished.
    """
    asked = arguments()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, end)
    found = measure(asked)
    if asked.json:
        text = json.dumps({name: [asdict(shown) for shown in figures] for name, figures in found.items()}, indent=2)
        asked.json.write_text(text + "\n")
    sys.exit(0 if all(found.values()) else 1)


if __name__ == "__main__":
    main()
