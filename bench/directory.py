"""What a directory costs: Mailroot with LDAP routing beside Mailroot without, and look-ups of people never seen before.

The directory is OpenLDAP's slapd on loopback with the attributes of Active Directory, as the tests have it. Its CPU
time is not counted, but it runs on the same cores.
"""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from bench.clients import run_clients, say
from bench.load import Load, tool
from bench.servers import RECIPIENT, Mailroot, free_port
from bench.workloads import Bench, Figures, Workload, measure_rounds
from tests.peers.directory import BASE, Slapd, person, slapd

_DOMAIN = RECIPIENT.partition("@")[2]
_AT_ONCE = 50  # recipients of one transaction


class Directed(Mailroot):
    """Mailroot that asks a directory about every sender and recipient."""

    name = "Mailroot with LDAP"
    directory: Slapd

    def _settings(self) -> str:
        asked = f'enabled = true\nservers = ["{self.directory.url}"]\nbase = "{BASE}"\ntls = "off"\n'
        return f"{super()._settings()}[servers.default.ldap_routing]\n{asked}"


@dataclass(frozen=True, slots=True)
class Strangers:
    """Recipients to name, each of them once: `first` and those after it, over so many sessions with pipelining."""

    first: int
    recipients: int
    sessions: int = 20

    def __str__(self) -> str:
        return f"{self.recipients:,} recipients never seen before, {self.sessions} sessions"

    def send(self, port: int) -> float:
        """Name them all; the moment at which that began. Raises `Unfinished` where one is refused."""
        return run_clients(self.sessions, port, self._part)

    def _part(self, number: int, port: int) -> Iterator[None]:
        share = self.recipients // self.sessions
        with socket.create_connection(("127.0.0.1", port)) as client:
            say(client, b"", b"220")
            say(client, b"EHLO client.example\r\n", b"250")
            yield
            first = self.first + number * share
            for start in range(first, first + share, _AT_ONCE):
                asked = [f"RCPT TO:<{stranger(one)}>\r\n" for one in range(start, min(start + _AT_ONCE, first + share))]
                words = "".join(["MAIL FROM:<sender@source.example>\r\n", *asked, "RSET\r\n"])
                say(client, words.encode(), *[b"250"] * (len(asked) + 2))


def stranger(number: int) -> str:
    """The address of one of the directory's people."""
    return f"person{number}@{_DOMAIN}"


@contextmanager
def _directory(people: int) -> Iterator[None]:
    """A directory with the recipient of the loads and so many others, for `Directed`."""
    known = [person("user", RECIPIENT), *(person(f"person{number}", stranger(number)) for number in range(people))]
    with slapd(tool, "".join(known)) as Directed.directory:
        yield


def warm(bench: Bench, load: Load) -> list[Figures]:
    """Measure the same load with and without, in turn; the directory is asked once, and then remembered."""
    with _directory(0), replace(bench, kinds=(Mailroot, Directed)).servers(free_port()) as servers:
        figures = measure_rounds(bench, servers, load, lambda server: server.delivered())
    without, shown = figures
    for before, after in zip(without.rounds["us CPU/msg"], shown.rounds["us CPU/msg"], strict=True):
        shown.add("% more CPU", (after / before - 1) * 100)
    return figures


def cold(bench: Bench, load: Strangers) -> list[Figures]:
    """Measure RCPT for people of whom nothing is remembered."""
    rounds = [replace(load, first=number * load.recipients) for number in range(bench.rounds)]
    with _directory(bench.rounds * load.recipients), replace(bench, kinds=(Directed,)).servers(free_port()) as servers:
        (server,) = servers
        shown = Figures(server.name)
        server.start()
        for part in rounds:
            server.account.wait_until_quiet(30)
            cpu = server.account.cpu()
            began = part.send(server.port)
            seconds = time.monotonic() - began
            server.account.wait_until_quiet(30)
            shown.add("look-ups/s", load.recipients / seconds)
            shown.add("us CPU/look-up", (server.account.cpu() - cpu) * 1e6 / load.recipients)
    return [shown]


def directory_workloads(bench: Bench) -> list[Workload]:
    """Return those that measure the price of a directory."""
    many = Load(bench.messages * 2, persistent=True)
    strangers = Strangers(0, bench.messages * 2)
    return [
        Workload("ldap-warm", f"accept to Drop, a directory's answers remembered: {many}", lambda b: warm(b, many)),
        Workload("ldap-cold", f"RCPT by a directory: {strangers}", lambda b: cold(b, strangers)),
    ]
