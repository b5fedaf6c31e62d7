"""What is possible here: the workloads of speed with a bare server in Python beside the others."""

import contextlib
import sqlite3
import urllib.parse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench.clients import ClientLoad
from bench.load import Load
from bench.servers import ROOT, Server
from bench.workloads import Bench, Figures, Workload, handshakes, to_drop


class Bare(Server):
    """`bench.bareserver`: canned replies, TLS where it is asked for, and a commit before each 250."""

    name = "bare server"

    def command(self) -> list[str]:
        """Return the program, under the interpreter that the launcher of Mailroot has made."""
        program = [str(ROOT / ".venv" / "bin" / "python"), str(ROOT / "bench" / "bareserver.py")]
        pem = ["--pem", str(self.door.pem)] if self.door.pem else []
        return [*program, str(self.port), str(self.folder), *pem]

    def drop(self) -> Path:
        """Return a folder in which nothing ever is."""
        return self.folder / "Drop"

    def delivered(self) -> int:
        """Return how many messages it has committed: it delivers none."""
        return sum(map(rows_in, self.folder.glob("*.db")))


def rows_in(base: Path) -> int:
    """Return how many messages a database of the bare server has."""
    address = f"file:{urllib.parse.quote(str(base))}?mode=ro"
    with (
        contextlib.closing(sqlite3.connect(address, uri=True)) as opened,
        contextlib.suppress(sqlite3.OperationalError),
    ):
        return int(opened.execute("SELECT coalesce(max(id), 0) FROM messages").fetchone()[0])
    return 0  # its table is not there yet


def yardstick_workloads(bench: Bench) -> list[Workload]:
    """Return those with the bare server."""
    one, many = Load(bench.messages), Load(bench.messages * 2, persistent=True)
    full = ClientLoad(bench.messages)
    return [
        Workload("yardstick-one", f"a bare server beside the others: {one}", _beside(lambda b: to_drop(b, one))),
        Workload("yardstick-many", f"a bare server beside the others: {many}", _beside(lambda b: to_drop(b, many))),
        Workload(
            "yardstick-handshakes",
            f"a bare server beside the others, full handshakes: {full}",
            _beside(lambda b: handshakes(b, full)),
        ),
    ]


def _beside(run: Callable[[Bench], list[Figures]]) -> Callable[[Bench], list[Figures]]:
    return lambda bench: run(replace(bench, kinds=(*bench.kinds, Bare)))
