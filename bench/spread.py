"""Mail for a thousand destinations: their tables for both servers, their hosts, and clients that write to all of them.

smtp-source writes to one domain only. Destinations stand in tables, 1,000 lines for either server, and each has a
loopback address of its own: Postfix asks DNS anew for each delivery, and would be measured with its resolver.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from bench.clients import run_clients, say
from bench.servers import free_port

DOMAINS = 1000
EVERY = 100  # of so many destinations one is dead, in turn refusing and silent


@dataclass(frozen=True, slots=True)
class Outside:
    """The ports of other servers: one that takes everything, one where nobody listens, one that never says a word."""

    alive: int
    refusing: int
    silent: int


@dataclass(frozen=True, slots=True)
class Destinations:
    """A thousand domains, each at its own address. With `dead`, one of `EVERY` is out of order."""

    outside: Outside
    dead: bool = False

    def table(self) -> Iterator[tuple[str, str, int]]:
        """Yield each domain with its host's address and port."""
        for number in range(DOMAINS):
            yield domain_of(number), f"127.1.{number // 250}.{number % 250 + 1}", self._port(number)

    def _port(self, number: int) -> int:
        if not (self.dead and is_dead(number)):
            return self.outside.alive
        return self.outside.refusing if number // EVERY % 2 else self.outside.silent


def domain_of(number: int) -> str:
    """The name of a destination."""
    return f"d{number}.relay.example"


def is_dead(number: int) -> bool:
    """Whether a destination is one of those that may be dead."""
    return number % EVERY == EVERY // 2


@contextmanager
def outside(alive: int) -> Iterator[Outside]:
    """The ports of the servers outside; the one that takes everything is the caller's."""
    with socket.socket() as silent:
        silent.bind(("0.0.0.0", 0))
        silent.listen(4096)
        yield Outside(alive, free_port(), silent.getsockname()[1])


@dataclass(frozen=True, slots=True)
class SpreadLoad:
    """Messages to send, in turn to all destinations, over so many persistent sessions with pipelining."""

    messages: int
    sessions: int = 50
    size: int = 4096

    def __str__(self) -> str:
        return (
            f"{self.messages:,} messages of {self.size:,} octets to {DOMAINS:,} destinations, {self.sessions} sessions"
        )

    @property
    def living(self) -> int:
        """How many of them go to destinations that are never dead."""
        return sum(not is_dead(number % DOMAINS) for number in range(self.messages))

    def warming(self) -> "SpreadLoad":
        """A tenth of it."""
        return replace(self, messages=max(self.messages // 10, self.sessions))

    def send(self, port: int) -> float:
        """Carry the whole load to a port of loopback; the moment at which it began. Raises `Unfinished`."""
        return run_clients(self.sessions, port, self._part)

    def _part(self, number: int, port: int) -> Iterator[None]:
        """One client's part; it yields once, when it is ready."""
        lines = b"".join(b"X" * 78 + b"\r\n" for _ in range(self.size // 80))
        message = b"From: <sender@source.example>\r\nSubject: load\r\n\r\n" + lines + b".\r\n"
        yield
        with socket.create_connection(("127.0.0.1", port)) as talking:
            talking.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            say(talking, b"", b"220")
            say(talking, b"EHLO client.example\r\n", b"250")
            for index in range(number, self.messages, self.sessions):
                recipient = f"user@{domain_of(index % DOMAINS)}"
                group = f"MAIL FROM:<sender@source.example>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n"
                say(talking, group.encode(), b"250", b"250", b"354")
                say(talking, message, b"250")
            say(talking, b"QUIT\r\n", b"221")
