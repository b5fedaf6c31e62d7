"""A real service for tests: started as a user would, on loopback, in a folder of its own, and always ended."""

import contextlib
import json
import os
import random
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
# How long what happens beside a test may take. Nothing is proved by it: a machine that is busy with other work is slow.
PATIENCE = 90.0
_PORTS = (12_000, 32_000)  # below those that Linux takes for outgoing connections
_given: set[int] = set()

SETTINGS = """\
[service]
workers = {workers}

[admin]
listen = ""

[servers.default]
home = "Mailroot"

[servers.default.general]
bindings = ["127.0.0.1:{port}"]

[servers.default.access.relay]
list = ["127.0.0.1"]

[servers.default.delivery]
fqdn = "mail.local.test"

[servers.default.domains."local.test"]
type = "default"
"""


def free_port() -> int:
    """A TCP port on which nothing listens at any address, which is given once, and to no outgoing connection."""
    while True:
        port = random.randrange(*_PORTS)
        if port in _given:
            continue
        with socket.socket(socket.AF_INET6) as one, contextlib.suppress(OSError):
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            one.bind(("::", port))
            _given.add(port)
            return port


def until(true: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """The first true result; fails with `what` was waited for where there is none in time (seconds).

    A command of ours that fails meanwhile is no result yet.
    """
    end = time.monotonic() + patience
    while True:
        why = ""
        try:
            result = true()
        except subprocess.CalledProcessError as failed:
            result, why = None, f": {failed.cmd} ended with {failed.returncode}: {failed.stderr}"
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience} s in vain for {what}{why}")
        time.sleep(0.02)


@dataclass
class Service:
    """A service in `folder`. `settings` is the text of its settings file.

    `wrapper` is a command that runs it, `program` what Python is given instead of our package; `inherits` are
    descriptors that it is born with.
    """

    folder: Path
    settings: str
    port: int
    process: "subprocess.Popen[str] | None" = None
    wrapper: list[str] = field(default_factory=list)
    program: list[str] = field(default_factory=lambda: ["-m", "mailroot"])
    inherits: tuple[int, ...] = ()

    @property
    def file(self) -> Path:
        """The settings file."""
        return self.folder / "mailroot.toml"

    @property
    def home(self) -> Path:
        """The home of the virtual server `default`."""
        return self.folder / "Mailroot"

    @property
    def drop(self) -> Path:
        """Its Drop folder."""
        return self.home / "Drop"

    def start(self, ready: bool = True) -> "Service":
        """Start the service; returns once it says that it listens."""
        self.file.write_text(self.settings)
        self.file.chmod(0o600)
        with (self.folder / "out").open("w") as out, (self.folder / "err").open("a") as err:
            self.process = subprocess.Popen(
                [*self.wrapper, sys.executable, *self.program, "serve", "--config", str(self.file)],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=_environment(),
                text=True,
                pass_fds=self.inherits,
            )
        if ready:
            until(lambda: self.listening() or self._dead(), "the line `listening`")
        return self

    def listening(self) -> list[str]:
        """The `listening` lines that the service has printed."""
        lines = (self.folder / "out").read_text().splitlines()
        return [line for line in lines if line.startswith("listening ")]

    def _dead(self) -> bool:
        if self.process is None or self.process.poll() is None:
            return False
        raise AssertionError(f"the service ended with {self.process.returncode}: {self.errors()}")

    def errors(self) -> str:
        """What the service wrote to standard error."""
        return (self.folder / "err").read_text()

    def stop(self, signal_number: int = signal.SIGTERM, patience: float = PATIENCE) -> int:
        """End the service by a signal; its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
        code = self.process.wait(patience)
        self.process = None
        return code

    def kill(self) -> None:
        """End the service and its workers at once, as a crash does."""
        assert self.process is not None
        workers = self.workers()
        self.process.kill()
        self.process.wait(PATIENCE)
        self.process = None
        for pid in workers:
            until(partial(_gone, pid), "the end of a worker whose supervisor is gone")

    def workers(self) -> list[int]:
        """The process ids of the workers."""
        assert self.process is not None
        return children(self.process.pid)

    def memory(self, what: str = "VmRSS") -> int:
        """Octets of memory that the workers have now; "VmHWM": that they had at most."""
        lines = [line for pid in self.workers() for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{what}:"))

    def connect(self, timeout: float = PATIENCE) -> smtplib.SMTP:
        """A client's connection."""
        return smtplib.SMTP("127.0.0.1", self.port, timeout=timeout)

    def send(
        self, recipient: str = "ann@local.test", body: str = "Subject: x\r\n\r\nHello.\r\n", **options: Any
    ) -> None:
        """Send one message."""
        with self.connect() as client:
            client.sendmail("sender@local.test", recipient, body, **options)

    def dropped(self) -> list[Path]:
        """The messages in Drop."""
        return sorted(self.drop.glob("*.eml")) if self.drop.exists() else []

    def run(self, *words: str, check: bool = True, typed: str = "") -> "subprocess.CompletedProcess[str]":
        """Run the command line on this service; `typed` is its standard input."""
        return subprocess.run(
            [sys.executable, "-m", "mailroot", *words, "--config", str(self.file)],
            cwd=self.folder,
            input=typed,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=check,
            env=_environment(),
        )

    def ask(self, *words: str) -> Any:
        """What the command line answers in JSON."""
        return json.loads(self.run(*words, "--json").stdout)

    def events(self, name: str = "") -> list[dict[str, Any]]:
        """The events that were logged, in their order; those of one kind where it is named."""
        found = []
        for path in sorted((self.folder / "Logs").glob("events-*.jsonl")):
            for line in path.read_text().splitlines():
                with contextlib.suppress(ValueError):
                    found.append(json.loads(line))
        return [one for one in found if not name or one["event"] == name]


def children(pid: int) -> list[int]:
    """The child processes of a process."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(one) for one in path.read_text().split()] if path.exists() else []


def _gone(pid: int) -> bool:
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1"}


def service(folder: Path, more: str = "", workers: int = 1, settings: str = SETTINGS) -> Service:
    """A service that is not started yet. `more` is put after the settings; "{port}" is its SMTP port."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    return Service(folder, settings.format(port=port, workers=workers) + more, port)


@contextlib.contextmanager
def running(folder: Path, more: str = "", workers: int = 1, settings: str = SETTINGS) -> Iterator[Service]:
    """A service that runs while the block does."""
    made = service(folder, more, workers, settings)
    try:
        yield made.start()
    finally:
        if made.process is not None:
            made.process.send_signal(signal.SIGTERM)
            try:
                made.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                made.kill()
