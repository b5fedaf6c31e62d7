"""What the servers are loaded with: Postfix's smtp-source and smtp-sink, and sessions that do nothing.

smtp-source itself needs 105-150 us a message: with one message a connection, two cores show no server above about
4,500-5,000 messages a second. CPU a message is then the figure to trust.
"""

import os
import re
import selectors
import shutil
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, replace

from bench.servers import RECIPIENT, Unfinished

SEARCH_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
SOURCE_LIMIT = 1800.0
BACKLOG = 4096  # a shorter one than there are clients costs some of them a second's wait


@dataclass(frozen=True, slots=True)
class Load:
    """Messages to send: size in octets of each, over how many sessions at once, one or many on a connection."""

    messages: int
    sessions: int = 50
    size: int = 4096
    persistent: bool = False
    recipient: str = RECIPIENT

    def warming(self) -> "Load":
        """A tenth of it."""
        return replace(self, messages=max(self.messages // 10, self.sessions))

    def send(self, port: int) -> float:
        """Send the whole load to a port of loopback; return the moment at which it began. Raises `Unfinished`."""
        began = time.monotonic()
        send(self, port)
        return began

    def __str__(self) -> str:
        sessions = f"{self.sessions} session{'s' if self.sessions > 1 else ''}"
        return f"{self.messages:,} messages of {self.size:,} octets, {sessions}"


def tool(name: str) -> str:
    """Return the path of one of Postfix's test programs; end the run where it is missing."""
    path = shutil.which(name, path=SEARCH_PATH)
    if path is None:
        raise SystemExit(f"{name} is missing: tools/install-debian installs it (package postfix)")
    return path


def send(load: Load, port: int) -> None:
    """Have smtp-source send the whole load to a port of loopback. Raises `Unfinished`."""
    command = [tool("smtp-source"), "-s", str(load.sessions), "-m", str(load.messages), "-l", str(load.size)]
    command += ["-f", "sender@source.example", "-t", load.recipient]
    command += ["-d"] if load.persistent else []
    done = subprocess.run(
        [*command, f"127.0.0.1:{port}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SOURCE_LIMIT,
        check=False,
    )
    if done.returncode or "fatal" in done.stderr:
        raise Unfinished(f"smtp-source failed: {done.stderr.strip()[-500:]}")


class Sink:
    """smtp-sink on a port of its own, which takes everything and counts it."""

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        self.messages = 0
        account = [] if os.geteuid() else ["-u", "nobody"]  # as root it asks for another account
        command = [tool("smtp-sink"), "-c", "-m", str(BACKLOG), *account, f"{address}:{port}", str(BACKLOG)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.reader = threading.Thread(target=self._count, daemon=True)
        self.reader.start()

    def _count(self) -> None:
        output = self.process.stdout
        while output and (text := output.read1(65536)):  # type: ignore[attr-defined]
            if counts := re.findall(rb"mesg=(\d+)", text):
                self.messages = int(counts[-1])

    def close(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait()
        self.reader.join(5)


class IdleSessions:
    """Clients that were greeted, have said EHLO, and then are silent."""

    def __init__(self, port: int, wanted: int, limit: float) -> None:
        self.answered = 0
        self.clients: list[socket.socket] = []
        end = time.monotonic() + limit
        with selectors.DefaultSelector() as selector:
            for _ in range(wanted):
                self._connect(port, selector)
                self._read(selector, 0)
            while self.answered < wanted and time.monotonic() < end:
                self._read(selector, 0.1)

    def _connect(self, port: int, selector: selectors.BaseSelector) -> None:
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", port))
        self.clients.append(client)
        selector.register(client, selectors.EVENT_READ, "banner")

    def _read(self, selector: selectors.BaseSelector, wait: float) -> None:
        for key, _ in selector.select(wait):
            client: socket.socket = key.fileobj  # type: ignore[assignment]
            try:
                text = client.recv(4096)
                if key.data == "banner" and text.startswith(b"220"):
                    client.sendall(b"EHLO idle.example\r\n")
                    selector.modify(client, selectors.EVENT_READ, "answer")
                    continue
            except OSError:
                text = b""
            selector.unregister(client)
            self.answered += text.startswith(b"250")

    def close(self) -> None:
        """Hang up."""
        for client in self.clients:
            client.close()
