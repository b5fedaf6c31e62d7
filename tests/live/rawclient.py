"""A client that sends octets as they are, and waits for nothing that it was not told to wait for."""

import contextlib
import socket

from tests.live.running import PATIENCE

HELLO = b"EHLO client.test\r\n"


class RawClient:
    """One connection to a service. `source` is the loopback address that it comes from."""

    def __init__(self, port: int, source: str = "127.0.0.1", patience: float = PATIENCE) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), patience, source_address=(source, 0))
        self._lines = self.socket.makefile("rb")

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self.socket.close()

    def send(self, octets: bytes) -> None:
        """Send, and wait for nothing."""
        self.socket.sendall(octets)

    def reply(self) -> bytes:
        """The next reply, all its lines; b"" where the service has closed."""
        lines = b""
        while line := self._lines.readline():
            lines += line
            if line[3:4] != b"-":
                break
        return lines

    def say(self, octets: bytes) -> bytes:
        """Send, and wait for one reply."""
        self.send(octets)
        return self.reply()

    def greeted(self, hello: bytes = HELLO) -> "RawClient":
        """Past the greeting and EHLO."""
        assert self.reply().startswith(b"220 ")
        assert self.say(hello).startswith(b"250")
        return self

    def envelope(self, recipient: bytes = b"ann@local.test", sender: bytes = b"sender@local.test") -> "RawClient":
        """Past MAIL, RCPT and DATA."""
        assert self.say(b"MAIL FROM:<" + sender + b">\r\n").startswith(b"250")
        assert self.say(b"RCPT TO:<" + recipient + b">\r\n").startswith(b"250")
        assert self.say(b"DATA\r\n").startswith(b"354")
        return self

    def rest(self) -> bytes:
        """All that the service still says, up to the end of the connection."""
        said = b""
        with contextlib.suppress(ConnectionError):
            while more := self._lines.read1(65536):  # type: ignore[attr-defined]
                said += more
        return said

    def flood(self, octets: bytes, most: int) -> int:
        """Send the octets again and again until the service closes, or `most` are sent; how many were."""
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < most:
                self.socket.sendall(octets)
                sent += len(octets)
        return sent
