"""Clients of our own: TLS by STARTTLS, sign-in, messages; processes of Python, each with one connection at a time.

smtp-source speaks no TLS. Processes that block cost less than an event loop and wait for no interpreter lock; still one
full handshake costs them some 700 us, as much as it costs a server. CPU an operation is then the figure to trust.
"""

import base64
import multiprocessing
import re
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from threading import BrokenBarrierError

from bench.servers import RECIPIENT, Unfinished, name_of, password_of

PROTOCOL, CIPHER = "TLSv1.3", "TLS_AES_256_GCM_SHA384"  # what both servers agree on with an OpenSSL of these years
READY_LIMIT = 60.0
RUN_LIMIT = 300
_ABANDONED = "another client failed"
_REPLY = re.compile(rb"(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\n")
_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True, slots=True)
class ClientLoad:
    """Connections to make, over how many at once; each says EHLO, does what is asked here, and says QUIT.

    `messages` is their sum over all connections. `resumed` connections go on with the TLS session of the one before, of
    the same client. `accounts`: connection n signs in as account n modulo these; 0: nobody does.
    """

    connections: int
    sessions: int = 50
    tls: bool = True
    resumed: bool = False
    messages: int = 0
    size: int = 4096
    accounts: int = 0

    def __str__(self) -> str:
        carried = f"{self.messages:,} messages of {self.size:,} octets, " if self.messages else ""
        return f"{carried}{self.connections:,} connections, {self.sessions} at once"

    def warming(self) -> "ClientLoad":
        """A tenth of it."""
        connections = max(self.connections // 10, self.sessions)
        return replace(self, connections=connections, messages=self.messages and max(self.messages // 10, connections))

    def send(self, port: int) -> float:
        """Carry the whole load to a port of loopback; the moment at which it began. Raises `Unfinished`."""
        return run_clients(self.sessions, port, self._part)

    def _part(self, number: int, port: int) -> Iterator[None]:
        """One client's part; it yields once, when it is ready."""
        client = _Client(self, port)
        if self.resumed:
            client.connection(0, 0)
        yield
        for index in range(number, self.connections, self.sessions):
            most = self.messages * (index + 1) // self.connections - self.messages * index // self.connections
            client.connection(index, most)


def run_clients(sessions: int, port: int, part: Callable[[int, int], Iterator[None]]) -> float:
    """Run `part` of each client in a process of its own, given its number and the port; all go on at one moment.

    Returns that moment. Raises `Unfinished` where one failed.
    """
    start = _FORK.Barrier(sessions + 1)
    clients, results = [], []
    try:
        for number in range(sessions):
            result, theirs = _FORK.Pipe(duplex=False)
            client = _FORK.Process(target=_run, args=(part(number, port), start, theirs), daemon=True)
            client.start()
            theirs.close()
            clients.append(client)
            results.append(result)
        start.wait(READY_LIMIT)
        began = time.monotonic()
        faults = [_outcome(result) for result in results]
    finally:
        for client in clients:
            client.kill()
            client.join()
    if fault := max(faults, key=lambda fault: (fault != _ABANDONED, len(fault))):
        raise Unfinished(f"a client failed: {fault}")
    return began


def _outcome(result: Connection) -> str:
    try:
        return str(result.recv()) if result.poll(RUN_LIMIT) else "no end in time"
    except EOFError:
        return "it ended early"


def _run(part: Iterator[None], start: Barrier, result: Connection) -> None:
    """One client's part, in its own process, which ends after RUN_LIMIT whatever happens."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_DFL)
    signal.alarm(RUN_LIMIT)
    fault = ""
    try:
        next(part)
        start.wait(READY_LIMIT)
        next(part, None)
    except (OSError, Unfinished) as failure:
        fault = repr(failure)
        start.abort()
    except BrokenBarrierError:
        fault = _ABANDONED
    result.send(fault)


class _Client:
    def __init__(self, load: ClientLoad, port: int) -> None:
        self._load = load
        self._port = port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE  # the certificates are self-signed
        self._context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._session: ssl.SSLSession | None = None
        lines = b"".join(b"X" * 78 + b"\r\n" for _ in range(load.size // 80))
        self._message = b"From: <sender@source.example>\r\nSubject: load\r\n\r\n" + lines + b".\r\n"

    def connection(self, index: int, messages: int) -> None:
        """One connection from its beginning to its end. Raises `Unfinished` where an answer is another one."""
        load = self._load
        connected = socket.create_connection(("127.0.0.1", self._port))
        with connected:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            say(connected, b"", b"220")
            say(connected, b"EHLO client.example\r\n", b"250")
            talking = self._secured(connected) if load.tls else connected
            if load.accounts:
                user = index % load.accounts
                words = base64.b64encode(f"\0{name_of(user)}\0{password_of(user)}".encode())
                say(talking, b"AUTH PLAIN " + words + b"\r\n", b"235")
            for _ in range(messages):
                say(talking, b"MAIL FROM:<sender@source.example>\r\n", b"250")
                say(talking, f"RCPT TO:<{RECIPIENT}>\r\n".encode(), b"250")
                say(talking, b"DATA\r\n", b"354")
                say(talking, self._message, b"250")
            say(talking, b"QUIT\r\n", b"221")
            talking.close()

    def _secured(self, connected: socket.socket) -> ssl.SSLSocket:
        say(connected, b"STARTTLS\r\n", b"220")
        talking = self._context.wrap_socket(connected, session=self._session, suppress_ragged_eofs=True)
        say(talking, b"EHLO client.example\r\n", b"250")
        cipher = talking.cipher()
        if (talking.version(), cipher[0] if cipher else "") != (PROTOCOL, CIPHER):
            raise Unfinished(f"{talking.version()} and {cipher} are spoken, not {PROTOCOL} and {CIPHER}")
        if talking.session_reused != (self._session is not None):
            raise Unfinished("a session was not resumed" if self._session else "a session was resumed")
        if self._load.resumed:
            self._session = talking.session  # its ticket came before the answer to EHLO
        return talking


def say(talking: socket.socket, words: bytes, *wanted: bytes) -> None:
    """Say something and read the replies, each of one line or of many. Raises `Unfinished` where one is another."""
    if words:
        talking.sendall(words)
    received = b""
    for reply in wanted:
        while not (lines := _REPLY.match(received)):
            piece = talking.recv(4096)
            if not piece:
                raise Unfinished(f"the connection ended after {received!r}")
            received += piece
        if not lines[0].startswith(reply):
            raise Unfinished(f"{lines[0][:200]!r}, not {reply.decode()}")
        received = received[lines.end() :]
