"""A yardstick, not a mail server: what one costs in Python that has canned replies and promises the disk, no more.

A process for each core answers commands that come one at a time, as the load generators send them. What follows DATA is
committed to SQLite in groups by a thread before its 250; nobody is ever delivered to. With a certificate, STARTTLS.
Nothing is parsed, decided, logged or limited.
"""

import argparse
import asyncio
import gc
import os
import queue
import socket
import ssl
import threading
from pathlib import Path
from typing import cast

import apsw
import uvloop

_GROUP = 512  # the most that are committed at once
_DOT = b"\r\n.\r\n"


class Store:
    """A database that takes contents in groups. `done` is called in the loop with the clients of each group."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._path = path
        self._loop = loop
        self._waiting: queue.SimpleQueue[tuple[Client, bytes]] = queue.SimpleQueue()
        threading.Thread(target=self._commit_on, daemon=True).start()

    def keep(self, client: "Client", content: bytes) -> None:
        """Commit the content, then have the client told."""
        self._waiting.put((client, content))

    def _commit_on(self) -> None:
        base = apsw.Connection(str(self._path))
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("PRAGMA synchronous = FULL")
        base.execute("CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, content BLOB)")
        while True:
            group = [self._waiting.get()]
            while len(group) < _GROUP and not self._waiting.empty():
                group.append(self._waiting.get())
            base.execute("BEGIN IMMEDIATE")
            base.executemany("INSERT INTO messages (content) VALUES (?)", [(content,) for _, content in group])
            base.execute("COMMIT")
            self._loop.call_soon_threadsafe(_tell, [client for client, _ in group])


def _tell(clients: list["Client"]) -> None:
    for client in clients:
        client.committed()


class Client(asyncio.Protocol):
    """A client's connection."""

    def __init__(self, store: Store, context: ssl.SSLContext | None) -> None:
        self._store = store
        self._context = context
        self._tls: ssl.SSLObject | None = None
        self._shaking = False
        self._into, self._out_of = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._content: bytes | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast("asyncio.Transport", transport)  # those of uvloop are no subclasses
        self._say(b"220 yardstick ready\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer a command, or take content."""
        if self._tls is not None:
            data = self._opened(self._tls, data)
        if not data:
            return
        if self._content is not None:
            self._content += data
            if self._content.endswith(_DOT):
                self._store.keep(self, self._content)
                self._content = None
        else:
            self._obey(data[:4].upper())

    def committed(self) -> None:
        """The content is on disk."""
        self._say(b"250 2.6.0 <yardstick> Queued mail for delivery\r\n")

    def _obey(self, verb: bytes) -> None:
        if verb == b"DATA":
            self._content = b""
            self._say(b"354 go ahead\r\n")
        elif verb == b"EHLO" and self._context is not None:
            self._say(b"250-yardstick\r\n250-SIZE\r\n250 STARTTLS\r\n")
        elif verb == b"STAR" and self._context is not None:
            self._say(b"220 go ahead\r\n")
            self._tls = self._context.wrap_bio(self._into, self._out_of, server_side=True)
            self._shaking = True
        elif verb == b"QUIT":
            self._say(b"221 bye\r\n")
            self._transport.close()
        else:
            self._say(b"250 ok\r\n")

    def _say(self, reply: bytes) -> None:
        if self._tls is not None:
            self._tls.write(reply)
            reply = self._out_of.read()
        self._transport.write(reply)

    def _opened(self, tls: ssl.SSLObject, data: bytes) -> bytes:
        """What was said inside of TLS; b"" where there is nothing yet."""
        self._into.write(data)
        try:
            if self._shaking:
                tls.do_handshake()
                self._shaking = False
            return tls.read(1 << 16)
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLZeroReturnError:
            self._transport.close()
            return b""
        finally:
            if self._out_of.pending:
                self._transport.write(self._out_of.read())


def _serve(listener: socket.socket, base: Path, context: ssl.SSLContext | None, parent: int) -> None:
    loop = uvloop.new_event_loop()
    store = Store(base, loop)
    loop.run_until_complete(loop.create_server(lambda: Client(store, context), sock=listener))
    loop.add_reader(parent, os._exit, 0)
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    loop.run_forever()


def main() -> None:
    """Serve until the first process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("folder", type=Path, help="where the databases are made")
    parser.add_argument("--pem", type=Path, help="key and certificate")
    asked = parser.parse_args()
    context = None
    if asked.pem is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(asked.pem)
    alive, _kept_open = os.pipe()
    for number in range(os.cpu_count() or 1):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # the system spreads clients over processes
        listener.bind(("127.0.0.1", asked.port))
        listener.listen(500)
        if os.fork() == 0:
            os.close(_kept_open)  # closed by the end of the first process, which ends the others
            _serve(listener, asked.folder / f"{number}.db", context, alive)
        listener.close()
    threading.Event().wait()


if __name__ == "__main__":
    main()
