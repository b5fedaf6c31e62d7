"""Load for crash tests: clients and Pickup files whose messages can be told apart, and an eye on the Drop folder.

Each message says in its subject what it must look like, so that whatever is found in Drop can be judged by itself.
"""

import contextlib
import os
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BufferedIOBase
from pathlib import Path

from mailroot.edge.files.durable import sync_folder
from tests.live.running import SETTINGS

_SUBJECT = re.compile(rb"^Subject: (\S+)\r\n", re.MULTILINE)
_PATIENCE = 60.0  # a client that waits so long is stuck
FREQUENT = SETTINGS.replace("[servers.default.delivery]", '[servers.default.delivery]\nretry_intervals = ["1s"]')
_LINES = b"x-sender: a@local.test\r\nx-receiver: b@local.test\r\n"
SMALL, LARGE = 2_000, 300_000


def body_of(name: str) -> bytes:
    """The body that belongs to a message's name; the last part of the name is the body's size in octets."""
    size = int(name.rpartition("-")[2])
    line = f"{name} of the body\r\n".encode()
    lines = line * (size // len(line) + 1)
    return lines[: size - 2].rstrip(b"\r\n") + b"\r\n"


def message_of(name: str) -> bytes:
    """A message of this name."""
    return f"Subject: {name}\r\n\r\n".encode() + body_of(name)


def name_of(octets: bytes) -> str:
    """The name of a message that was found, whole. Raises `AssertionError` where it is not as it was sent."""
    found = _SUBJECT.search(octets)
    assert found is not None, f"no subject: {octets[:200]!r}"
    name = found[1].decode()
    assert octets.startswith(b"x-sender: "), octets[:200]
    assert octets.partition(b"\r\n\r\n")[2] == body_of(name), f"{name}: not as it was sent"
    return name


def names_set_aside(badmail: Path) -> set[str]:
    """The names of messages that were put into Badmail, whole, because working on them made workers die (G6)."""
    names = set()
    for reason in badmail.glob("*.BDR"):
        assert "made the service fail" in reason.read_text(), reason.read_text()
        octets = reason.with_suffix(".BAD").read_bytes()
        names.add(name_of(b"x-sender: " + octets))
    return names


@dataclass
class Ledger:
    """What clients know: the messages that were offered, those that got 250, and the other answers to end of data.

    `late` are those whose 250 came after the power was cut, `power_cut` being the moment, with the seconds since then.
    With the power, a real machine goes too, and nobody hears such an answer: it promises nothing.
    """

    offered: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    answers: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    picked: set[str] = field(default_factory=set)
    late: dict[str, float] = field(default_factory=dict)
    power_cut: float | None = None

    def acknowledge(self, name: str) -> None:
        """A message got 250."""
        if self.power_cut is None:
            self.acknowledged.add(name)
        else:
            self.late[name] = time.monotonic() - self.power_cut


class Client:
    """One connection at a time to a service that may vanish at any moment."""

    recipient = "b@local.test"

    def __init__(self, port: int, name: str, chance: random.Random, ledger: Ledger, large: float = 0.1) -> None:
        self._port, self._name, self._chance, self._ledger, self._large = port, name, chance, ledger, large
        self._number = 0

    def session(self, messages: int) -> None:
        """One session of some messages. Raises `OSError` where the connection ends before."""
        with socket.create_connection(("127.0.0.1", self._port), _PATIENCE) as connection:
            connection.settimeout(_PATIENCE)
            with connection.makefile("rb") as replies:
                _reply(replies)
                _ask(connection, replies, b"EHLO client.test\r\n")
                for _ in range(messages):
                    self._send(connection, replies)
                _ask(connection, replies, b"QUIT\r\n")

    def _send(self, connection: socket.socket, replies: BufferedIOBase) -> None:
        self._number += 1
        size = LARGE if self._chance.random() < self._large else self._chance.randrange(100, SMALL)
        name = f"{self._name}-{self._number}-{size}"
        _ask(connection, replies, b"MAIL FROM:<a@local.test>\r\n")
        _ask(connection, replies, f"RCPT TO:<{self.recipient}>\r\n".encode())
        _ask(connection, replies, b"DATA\r\n")
        self._ledger.offered.add(name)
        answer = self.deliver(connection, replies, message_of(name) + b".\r\n")
        if answer.startswith("250 2.6.0 "):
            self._ledger.acknowledge(name)
        else:
            self._ledger.answers.append(answer)

    def deliver(self, connection: socket.socket, replies: BufferedIOBase, message: bytes) -> str:
        """Send a message with its end; the answer."""
        return _ask(connection, replies, message)

    def run(self, ended: threading.Event) -> None:
        """Sessions of one and of many messages, until the end."""
        while not ended.is_set():
            try:
                self.session(self._chance.choice((1, 1, 5, 40)))
            except TimeoutError:
                self._ledger.stuck.append(f"{self._name}-{self._number}")
            except OSError:
                ended.wait(0.02)


def _ask(connection: socket.socket, replies: BufferedIOBase, command: bytes) -> str:
    connection.sendall(command)
    return _reply(replies)


def _reply(replies: BufferedIOBase) -> str:
    while line := replies.readline():
        if line[3:4] != b"-":
            return line.decode()
    raise ConnectionError("the service closed the connection")


class Drop:
    """Reads what appears in a Drop folder, at once, as an impatient program would."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.files: dict[str, str] = {}
        self.faults: list[str] = []

    def look(self) -> None:
        """Judge each file that is new. A disk that fails shows nothing."""
        with contextlib.suppress(OSError):
            for path in self._folder.iterdir():
                if path.suffix == ".eml" and path.name not in self.files:
                    self._judge(path)

    def _judge(self, path: Path) -> None:
        try:
            self.files[path.name] = name_of(path.read_bytes())
        except AssertionError as fault:
            self.files[path.name] = ""
            self.faults.append(f"{path.name}: {fault}")

    @property
    def names(self) -> list[str]:
        """The names of the messages that were seen, each as often as there are files."""
        return list(self.files.values())

    def run(self, ended: threading.Event) -> None:
        """Look again and again."""
        while not ended.wait(0.01):
            self.look()


@dataclass
class Load:
    """Clients, a writer of Pickup files and a reader of Drop.

    `aside` has the names of messages that need not be in Drop, because the service may have set them aside.
    """

    port: int
    home: Path
    chance: random.Random
    clients: int = 4
    large: float = 0.1
    pickup: bool = True
    durable_files: bool = False
    recipient: str = Client.recipient
    ledger: Ledger = field(default_factory=Ledger)
    drop: Drop = field(init=False)
    aside: Callable[[], set[str]] = set
    _turn: int = 0

    def __post_init__(self) -> None:
        self.drop = Drop(self.home / "Drop")

    @contextlib.contextmanager
    def running(self) -> Iterator["Load"]:
        """Load for as long as the block runs."""
        self._turn += 1
        ended = threading.Event()
        works: list[Callable[[threading.Event], None]] = [self.drop.run]
        for number in range(self.clients):
            name = f"c{self._turn}.{number}"
            client = Client(self.port, name, random.Random(self.chance.random()), self.ledger, self.large)
            client.recipient = self.recipient
            works.append(client.run)
        if self.pickup:
            works.append(self._put_files)
        threads = [threading.Thread(target=work, args=(ended,), name=f"load {work}") for work in works]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            ended.set()
            for thread in threads:
                thread.join(2 * _PATIENCE)
                assert not thread.is_alive(), thread.name

    def _put_files(self, ended: threading.Event) -> None:
        number = 0
        while not ended.wait(0.02):
            number += 1
            name = f"p{self._turn}-{number}-{LARGE if number % 40 == 0 else SMALL}"
            self.ledger.offered.add(name)
            with contextlib.suppress(OSError):
                (self._put_durably if self.durable_files else self._put)(name)
                if self.ledger.power_cut is None:
                    self.ledger.picked.add(name)

    def _put(self, name: str) -> None:
        """A file as programs write it: created in place, written in two steps, closed."""
        with (self.home / "Pickup" / f"{name}.txt").open("wb", buffering=0) as file:
            file.write(_LINES)
            file.write(message_of(name))

    def _put_durably(self, name: str) -> None:
        """A file that is ours only once it survives a power cut in Pickup."""
        staged = self.home / f"{name}.staged"
        with staged.open("wb", buffering=0) as file:
            file.write(_LINES + message_of(name))
            os.fsync(file.fileno())
        staged.rename(self.home / "Pickup" / f"{name}.txt")
        sync_folder(self.home / "Pickup")

    def wait_for_all(self, patience: float = 240.0) -> None:
        """Wait until all that must come is in Drop."""
        expected = self.ledger.acknowledged | self.ledger.picked
        end = time.monotonic() + patience
        while not expected <= set(self.drop.names) | self.aside() and time.monotonic() < end:
            time.sleep(0.05)
            self.drop.look()

    def judge(self) -> None:
        """Fail where a message was lost, doubled, invented or torn, or where a client was left without an answer."""
        self.drop.look()
        names = self.drop.names
        ledger = self.ledger
        assert self.drop.faults == []
        assert ledger.stuck == []
        kept = set(names) | self.aside()
        lost = sorted(ledger.acknowledged - kept)
        assert lost == [], f"acknowledged and lost: {lost}"
        assert sorted(ledger.picked - kept) == [], "taken from Pickup and lost"
        assert sorted(name for name in set(names) if names.count(name) > 1) == [], "delivered twice"
        assert set(names) <= ledger.offered
