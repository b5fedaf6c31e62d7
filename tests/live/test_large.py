"""Messages larger than what memory may hold pass: in, into Drop, out as lines, in a chunk, converted, signed."""

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailroot.edge.signingkeys import make
from tests.live.outside import outside, relaying
from tests.live.running import Service, until
from tests.peers.smtp import EXTENSIONS
from tests.peers.swallower import Swallower

# MAILROOT_LARGE=1024 sends a gigabyte.
MEGABYTES = int(os.environ.get("MAILROOT_LARGE", "48"))
LINE = b".A line of text that begins with a dot and goes on for a while, as lines do. \xc3\xa4 0123456789\r\n"
HEADER = b"From: app@local.test\r\nSubject: large\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n\r\n"
# What the service may have grown by when it has passed through; pieces are 256 KB, and what waits for a disk 1 MB.
ROOM = 24 * 1024 * 1024
PATIENCE = 300.0


def pieces() -> Iterator[bytes]:
    yield HEADER
    piece = LINE * (1_000_000 // len(LINE))
    for _ in range(MEGABYTES):
        yield piece


def send(service: Service, recipients: list[str], body: str) -> int:
    """Send it in chunks, without holding it either; its size."""
    size = 0
    with socket.create_connection(("127.0.0.1", service.port), PATIENCE) as client:
        replies = client.makefile("rb")

        def expect(code: bytes, octets: bytes) -> None:
            client.sendall(octets)
            while (line := replies.readline())[3:4] == b"-":
                pass
            assert line.startswith(code), line

        expect(b"220", b"")
        expect(b"250", b"EHLO client.test\r\n")
        expect(b"250", f"MAIL FROM:<app@local.test> BODY={body}\r\n".encode())
        for recipient in recipients:
            expect(b"250", f"RCPT TO:<{recipient}>\r\n".encode())
        for piece in pieces():
            size += len(piece)
            expect(b"250", b"BDAT %d\r\n" % len(piece) + piece)
        expect(b"250", b"BDAT 0 LAST\r\n")
        expect(b"221", b"QUIT\r\n")
    return size


@pytest.mark.timeout(900)
@pytest.mark.parametrize("way", ["chunk", "lines", "converted"])
def test_a_message_that_memory_cannot_hold_passes_signed(tmp_path: Path, way: str) -> None:
    key = tmp_path / "key.pem"
    key.touch(0o600)
    key.write_bytes(make("rsa"))
    more = (
        "[servers.default.messages]\nsize_limit = 0\nsession_limit = 0\n"
        f'[servers.default.domains."local.test".dkim.s]\nkey_file = "{key}"\n'
    )
    body = "8BITMIME" if way == "lines" else "BINARYMIME"
    with outside() as world:
        extensions = [line for line in (*EXTENSIONS, "BINARYMIME") if not line.startswith("SIZE")]
        if way == "converted":
            extensions = [line for line in extensions if "MIME" not in line]
        swallower = world.enter(Swallower(tuple(extensions)))
        delivery = f'smart_host = "[127.0.0.1]:{swallower.port}"\n'
        with relaying(tmp_path / "service", delivery, more) as service:
            service.send("x@far.example")  # what is needed once has been loaded by then
            until(lambda: service.events("delivered"), "a first message", PATIENCE)
            before = service.memory("VmHWM")
            size = send(service, ["ann@local.test", "b@far.example"], body)
            until(lambda: len(service.events("delivered")) == 3, "both deliveries", PATIENCE)
            grown = service.memory("VmHWM") - before
            print(f"{size} octets: {grown} more of memory")
            assert grown < ROOM
            (path,) = service.dropped()
            assert path.stat().st_size > size
            path.unlink()
        taken = swallower.messages[-1]
        assert taken.way.startswith("BDAT" if way == "chunk" else "DATA")
        if way == "converted":
            assert "BODY=" not in taken.mail
            assert b"\r\nContent-Transfer-Encoding: quoted-printable\r\n" in taken.head and taken.head.isascii()
        else:
            assert taken.mail.endswith(f"BODY={body}")
        assert taken.size > size and re.match(rb"DKIM-Signature: .*; d=local.test;", taken.head, re.DOTALL)
