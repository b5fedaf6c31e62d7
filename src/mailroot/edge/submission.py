"""A message handed to a service on this machine, by SMTP or through its Pickup folder; one at a time, and blocking.

Not responsible for what is handed over (`cli.sendmail`). On return the message is durable at the service.
"""

import errno
import os
import selectors
import socket
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from mailroot.edge.files.durable import translated
from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Recipient
from mailroot.mail.faults import ConnectionLost, Unavailable
from mailroot.mail.reply import Reply
from mailroot.wire.client import GREETING_WAIT, Peer, Say, Script, greet, hand_in, leave
from mailroot.wire.offer import Mail
from mailroot.wire.replies import BrokenProtocol, ReplyReader
from mailroot.wire.transmit import dotted

_CONNECT_WAIT = 10.0
_PIECE = 65536

T = TypeVar("T")


def submit(place: tuple[str, int], hello: str, mails: Sequence[Mail], content: bytes) -> Reply:
    """Hand a message over by SMTP, to all recipients of each transaction or to none of it; the reply that decided.

    The first refusal ends it. Raises `Unavailable` where nobody listens, `ConnectionLost` where the dialogue broke off.
    """
    try:
        connection = socket.create_connection(place, _CONNECT_WAIT)
    except OSError as fault:
        raise Unavailable(f"{place[0]}:{place[1]}: {fault.strerror or fault}") from fault
    with connection:
        line = _Line(connection, content)
        peer = line.perform(greet(place[0], hello, use_helo=False))
        if not isinstance(peer, Peer):
            return peer
        for mail in mails:
            reply = line.perform(hand_in(peer, mail))
            if not reply.positive:
                break
        line.perform(leave())
        return reply


class _Line:
    """A connection on which scripts are performed (`wire.client`)."""

    def __init__(self, connection: socket.socket, content: bytes) -> None:
        self._connection = connection
        self._content = content
        self._reader = ReplyReader()
        self._heard: list[Reply] = []

    def perform(self, script: Script[T]) -> T:
        """The result of a script. Raises `ConnectionLost`."""
        try:
            step = next(script)
            while True:
                octets = step.octets if isinstance(step, Say) else step.lead + dotted(self._content)
                replies = step.replies if isinstance(step, Say) else 1
                step = script.send(self._exchanged(octets, replies, step.wait))
        except StopIteration as end:
            result: T = end.value
            return result
        except (OSError, BrokenProtocol) as fault:
            raise ConnectionLost(f"the connection to the service broke: {fault}") from fault

    def _exchanged(self, octets: bytes, replies: int, wait: float) -> list[Reply]:
        self._connection.settimeout(wait)
        self._connection.sendall(octets)
        while len(self._heard) < replies:
            piece = self._connection.recv(_PIECE)
            if not piece:
                raise ConnectionLost("the service closed the connection")
            self._heard += self._reader.feed(piece)
        heard, self._heard = self._heard[:replies], self._heard[replies:]
        return heard


def put_into(folder: Path, sender: Mailbox | None, recipients: Sequence[Recipient], content: bytes) -> None:
    """Put a message into a Pickup folder: durable and whole before it has a name there. Raises `Fault`."""
    lines = [f"x-sender: {sender or '<>'}", *(f"x-receiver: {one.address}" for one in recipients)]
    name = f"sendmail-{os.urandom(8).hex()}.eml"
    with translated(f"writing into {folder}"):
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _write_file(place, name, "\r\n".join([*lines, ""]).encode() + content)
        finally:
            os.close(place)


def _write_file(place: int, name: str, octets: bytes) -> None:
    descriptor, named = _opened(place, name)
    with os.fdopen(descriptor, "wb") as file:
        # In a folder with a group of its own the service is in that group; elsewhere it has to read what is ours.
        os.fchmod(descriptor, 0o640 if os.fstat(place).st_mode & stat.S_ISGID else 0o644)
        file.write(octets)
        file.flush()
        os.fsync(descriptor)
        if not named:
            os.link(f"/proc/self/fd/{descriptor}", name, dst_dir_fd=place, follow_symlinks=True)
        os.fsync(place)  # the service takes the file once it is closed


def _opened(place: int, name: str) -> tuple[int, bool]:
    """A file without a name, so that half a message is never one; or with it, where there are no such files (NFS)."""
    try:
        return os.open(".", os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o600, dir_fd=place), False
    except OSError as fault:
        if fault.errno not in {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT}:
            raise
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(name, flags, 0o600, dir_fd=place), True


def talk(place: tuple[str, int], source: int, sink: int) -> None:
    """Let a program speak SMTP with the service over two descriptors, until that ends. Raises `Unavailable`."""
    try:
        connection = socket.create_connection(place, _CONNECT_WAIT)
    except OSError as fault:
        raise Unavailable(f"{place[0]}:{place[1]}: {fault.strerror or fault}") from fault
    with connection, selectors.SelectSelector() as waiting:
        connection.settimeout(GREETING_WAIT)
        waiting.register(connection, selectors.EVENT_READ)
        waiting.register(source, selectors.EVENT_READ)
        while True:
            spoken = {key.fileobj for key, _ in waiting.select()}
            if connection in spoken and not _carried(connection, sink):
                return
            if source in spoken and not _brought(source, connection):
                waiting.unregister(source)


def _carried(connection: socket.socket, sink: int) -> bool:
    """Pass on what the service said; False once it has said everything."""
    piece = connection.recv(_PIECE)
    _write(sink, piece)
    return bool(piece)


def _brought(source: int, connection: socket.socket) -> bool:
    """Pass on what the program said; False once it has said everything."""
    piece = os.read(source, _PIECE)
    if piece:
        connection.sendall(piece)
    else:
        connection.shutdown(socket.SHUT_WR)
    return bool(piece)


def _write(descriptor: int, octets: bytes) -> None:
    view = memoryview(octets)
    while view:
        view = view[os.write(descriptor, view) :]
