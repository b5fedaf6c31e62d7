"""The client of the service's control socket: one request, one answer, each a JSON object on a line."""

import contextlib
import json
import os
import pwd
import socket
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mailroot.mail.faults import ConnectionLost, Fault, Unavailable

# An answer is a page of at most a thousand rows; the request is a key or two.
_LARGEST_ANSWER = 16 * 1024 * 1024
_LARGEST_REQUEST = 2 * 1024 * 1024
_SECONDS = 10.0
# The length of `sun_path` on Linux is 108 with its closing zero (unix(7)).
_LONGEST_PATH = 100
_WHO_MAY = "use the account that the service runs under, or one of a group that is an operator"


class NoService(Fault):
    """Nobody answers at the control socket."""


class Refused(Fault):
    """The service did not do what it was asked; the text is its own.

    `kind` is one of those that the service tells apart (`service.life.dispatch`); `problems` are rows about settings.
    """

    def __init__(self, text: str, kind: str = "", problems: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(text)
        self.kind = kind
        self.problems = problems


def control_path(settings_file: Path) -> Path:
    """Where the service of a settings file has its control socket."""
    return Path(os.path.realpath(settings_file.parent), f".{settings_file.name}.control")


@contextlib.contextmanager
def reachable(path: Path) -> Iterator[str]:
    """A name for a socket that the system takes, however long its path is; it counts inside the block only."""
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield str(path)
        return
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{path.name}"
    finally:
        os.close(descriptor)


def ask(settings_file: Path, operation: str, arguments: Mapping[str, object], seconds: float = _SECONDS) -> Any:
    """The result of an operation of the service that runs for this settings file.

    Raises `NoService`, `Refused`, or `Unavailable` where there was no whole answer within so many seconds.
    """
    path = control_path(settings_file)
    request = json.dumps({"operation": operation, "arguments": dict(arguments)}).encode() + b"\n"
    if len(request) > _LARGEST_REQUEST:
        raise Refused(f"{operation}: the arguments are longer than {_LARGEST_REQUEST} octets")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        deadline = time.monotonic() + seconds
        connection.settimeout(seconds)
        _connect(connection, path, settings_file)
        try:
            connection.sendall(request)
            line = _line(connection, deadline)
        except TimeoutError as fault:
            raise Unavailable(f"the service did not answer within {seconds:g} s at {path}; try again") from fault
        except OSError as fault:
            raise ConnectionLost(f"{path}: {fault.strerror or fault}") from fault
    return _result(line, path)


def _connect(connection: socket.socket, path: Path, settings_file: Path) -> None:
    try:
        with reachable(path) as name:
            connection.connect(name)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as fault:
        text = f"No service runs for {settings_file} (no socket at {path}); "
        raise NoService(f"{text}start it with ./mailroot serve --config {settings_file}") from fault
    except PermissionError as fault:
        raise Refused(f"{path}: {fault.strerror}; {_WHO_MAY}") from fault
    except OSError as fault:
        raise Unavailable(f"{path}: {fault.strerror or fault}") from fault


def _line(connection: socket.socket, deadline: float) -> bytes:
    answer = bytearray()
    while not answer.endswith(b"\n"):
        # A socket whose time limit were 0 would not wait at all, and say so with another exception.
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionLost("the service closed the control connection before it answered")
        answer += piece
        if len(answer) > _LARGEST_ANSWER:
            raise Unavailable(f"the service's answer is longer than {_LARGEST_ANSWER} octets")
    return bytes(answer)


def _result(line: bytes, path: Path) -> Any:
    try:
        answer = json.loads(line)
        if answer["ok"]:
            return answer["result"]
        refused = Refused(str(answer["error"]), str(answer.get("kind", "")), answer.get("problems") or ())
    except (ValueError, KeyError, TypeError) as fault:
        raise Unavailable(f"{path}: the answer is none of Mailroot's; is another program's socket there?") from fault
    raise refused


def user_at(connection: socket.socket) -> int:
    """The number of the account at the other end of a Unix socket, as the system knows it."""
    octets = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    user: int = struct.unpack("3i", octets)[1]
    return user


def account_named(user: int) -> str:
    """The name of the account of this number; the number where it has none. May block."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
