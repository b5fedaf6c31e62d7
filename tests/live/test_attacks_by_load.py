"""Attacks on what a service has little of: time, memory, descriptors, disk. Others are served meanwhile."""

import contextlib
import math
import smtplib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.rawclient import RawClient
from tests.live.running import SETTINGS, Service, running, service, until

MEGABYTE = 1024 * 1024
PATIENCE = 3  # seconds that the service waits for its clients here
IMPATIENT = SETTINGS.replace(
    "[servers.default.access", f'connection_timeout = "{PATIENCE}s"\n\n[servers.default.access'
)


@contextlib.contextmanager
def slow_clients(port: int, count: int) -> Iterator[list[socket.socket]]:
    """So many connections, each of which sends an octet of a command again and again, and never its end."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 30)) for _ in range(count)]
        over = threading.Event()
        trickle = threading.Thread(target=_trickle, args=(clients, over))
        trickle.start()
        try:
            yield clients
        finally:
            over.set()
            trickle.join()


def _trickle(clients: list[socket.socket], over: threading.Event) -> None:
    while not over.wait(0.2):
        for client in clients:
            with contextlib.suppress(OSError):
                client.send(b"N")


def served_within(running_service: Service) -> float:
    """Seconds that a client needs from its connection to the 250 of its message; infinite where it is turned away."""
    began = time.monotonic()
    try:
        running_service.send()
    except (OSError, smtplib.SMTPException):
        return math.inf
    return time.monotonic() - began


def test_M01_slow_clients_hold_up_nobody_and_are_sent_away(tmp_path: Path) -> None:
    with running(tmp_path, settings=IMPATIENT) as started, slow_clients(started.port, 250) as clients:
        until(lambda: served_within(started) < PATIENCE, "a client that is served before the slow ones are sent away")
        for client in clients:
            client.settimeout(120)
            said = b"".join(iter(lambda client=client: client.recv(4096), b""))
            assert said.startswith(b"220 ")
            assert said.endswith(b"421 4.4.2 mail.local.test Connection timed out\r\n")
        assert served_within(started) < math.inf


def test_M06_who_never_reads_is_not_listened_to_and_cut_off(tmp_path: Path) -> None:
    with running(tmp_path, settings=IMPATIENT) as started:
        before = started.memory()
        with RawClient(started.port) as client:
            client.greeted().say(b"MAIL FROM:<a@local.test>\r\n")
            # Beyond the limit of 100, each costs a reply and nothing else.
            client.socket.settimeout(120)
            sent = client.flood(b"RCPT TO:<ann@local.test>\r\n" * 2000, 100 * MEGABYTE)
        assert sent < 100 * MEGABYTE
        (event,) = until(lambda: started.events("disconnected"), "the end of the session")
        assert event["reason"] == "did not read its replies"
        # Of this, the protocol log's records of what was said are about a third.
        assert started.memory("VmHWM") - before < 32 * MEGABYTE


def test_M09_without_descriptors_new_clients_are_refused_and_mail_goes_on(tmp_path: Path) -> None:
    limited = service(tmp_path)
    limited.wrapper = ["sh", "-c", 'ulimit -n 128; exec "$@"', "sh"]
    try:
        limited.start()
        workers = limited.workers()
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(RawClient(limited.port)).greeted()
            crowd = [stack.enter_context(RawClient(limited.port)) for _ in range(200)]
            greetings = [client.reply()[:4] for client in crowd]
            assert set(greetings) == {b"220 ", b"421 "}
            first.envelope().say(b"Subject: x\r\n\r\nx\r\n.\r\n")
            first.envelope().say(b"Subject: large\r\n\r\n" + b"x" * 70 * 10_000 + b"\r\n.\r\n")
            until(lambda: len(limited.dropped()) == 2, "both messages in Drop")
        until(lambda: served_within(limited) < math.inf, "a client that is served")
        until(lambda: len(limited.dropped()) >= 3, "its message in Drop")
        assert limited.workers() == workers
        assert not limited.events("task_failed")
    finally:
        limited.kill()


def test_M10_many_large_messages_are_streamed_to_disk(tmp_path: Path) -> None:
    settings = SETTINGS + '\n[servers.default.messages]\nsize_limit = "50MB"\nsession_limit = "0"\n'
    text = b"Subject: large\r\n\r\n" + (b"x" * 70 + b"\r\n") * (16 * MEGABYTE // 72) + b".\r\n"
    with running(tmp_path, settings=settings) as started:
        started.send()
        before = started.memory("VmHWM")
        replies: list[bytes] = []
        senders = [threading.Thread(target=_send, args=(started.port, text, replies)) for _ in range(12)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        assert [reply[:9] for reply in replies] == [b"250 2.6.0"] * 12
        until(lambda: len(started.dropped()) == 13, "all messages in Drop")
        assert started.memory("VmHWM") - before < 64 * MEGABYTE


def _send(port: int, text: bytes, replies: list[bytes]) -> None:
    with RawClient(port, patience=300) as client:
        replies.append(client.greeted().envelope().say(text))


@pytest.mark.parametrize("target", [None, "/dev/full"], ids=["file", "full_device"])
def test_M13_mail_goes_on_when_the_log_is_lost(tmp_path: Path, target: str | None) -> None:
    logs = tmp_path / "Logs"
    with running(tmp_path) as started:
        workers = started.workers()
        logs.rename(tmp_path / "moved")
        if target is None:
            logs.write_text("no folder")
        else:
            logs.symlink_to(target)
        for number in range(1, 4):
            started.send()
            until(lambda number=number: len(started.dropped()) == number, "the message in Drop")
        assert started.workers() == workers


def test_M08_a_full_drop_quota_is_told_at_rcpt(tmp_path: Path) -> None:
    settings = SETTINGS + 'drop_quota = true\n\n[servers.default.messages]\nsize_limit = "1KB"\n'
    with running(tmp_path, settings=settings) as started, RawClient(started.port) as client:
        client.greeted()
        for number in range(1, 30):
            client.say(b"MAIL FROM:<a@local.test>\r\n")
            reply = client.say(b"RCPT TO:<ann@local.test>\r\n")
            if not reply.startswith(b"250"):
                break
            client.say(b"DATA\r\n")
            client.say(b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n" + b"y" * 700 + b"\r\n.\r\n")
            # A message that was taken while the one before was still being counted waits for room.
            until(
                lambda number=number: len(started.dropped()) == number or started.ask("queue", "list"),
                "the message in Drop, or in the queue",
            )
        assert reply == b"452 4.2.2 Mailbox Full\r\n"
        started.dropped()[0].unlink()
        assert client.say(b"RSET\r\n").startswith(b"250")
