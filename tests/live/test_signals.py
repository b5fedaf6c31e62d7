"""How a service ends: in good order, within ten seconds, whatever its clients do."""

import contextlib
import os
import signal
import smtplib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.running import Service, running, until

LIMIT = 45.0  # ten seconds are promised; the rest is for a machine that is busy with other work


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def begun_transaction(service: Service) -> smtplib.SMTP:
    client = service.connect(timeout=120)
    client.ehlo()
    client.mail("a@local.test")
    client.rcpt("b@local.test")
    assert client.docmd("DATA")[0] == 354
    return client


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_end_comes_at_once_with_idle_sessions(tmp_path: Path, number: int) -> None:
    with running(tmp_path, workers=2) as service:
        clients = [service.connect() for _ in range(10)]
        with within(LIMIT):
            assert service.stop(number) == 0
        for client in clients:
            assert client.sock.recv(200).startswith(b"421 ")
            client.close()
    assert service.events("service_stopped")
    assert not service.events("worker_died")


def test_a_transaction_under_way_ends_well_and_new_clients_are_kept_out(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        client = begun_transaction(service)
        ended = threading.Thread(target=service.stop)
        with within(LIMIT):
            ended.start()
            until(lambda: _refused(service.port), "an end to new connections")
            client.send(b"Subject: x\r\n\r\nlast\r\n.\r\n")
            code, text = client.getreply()
            ended.join(LIMIT)
            assert not ended.is_alive()
        assert code == 250, text
        client.close()
        service.start()
        until(service.dropped, "the message, delivered by the next run at the latest")


def _refused(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(120)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_client_that_never_ends_its_message_does_not_delay_the_end(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        client = begun_transaction(service)
        client.send(b"Subject: x\r\n\r\nhalf")
        with within(LIMIT):
            assert service.stop() == 0
        assert client.sock.recv(200).startswith(b"421 ")
        client.close()


def test_a_client_that_never_reads_does_not_delay_the_end(tmp_path: Path) -> None:
    with running(tmp_path) as service, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", service.port))
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError, ConnectionResetError):  # it may have been cut by then
            for _ in range(2_000):
                client.send(b"HELP\r\n" * 1_000)
        with within(LIMIT):
            assert service.stop() == 0


def test_signals_that_come_again_change_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        client = begun_transaction(service)
        assert service.process is not None
        for _ in range(3):
            service.process.send_signal(signal.SIGTERM)
            service.process.send_signal(signal.SIGINT)
        client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        assert client.getreply()[0] == 250
        client.close()
        assert service.stop() == 0


def test_an_interrupt_from_a_terminal_reaches_all_processes_and_ends_in_good_order(tmp_path: Path) -> None:
    """Ctrl-C goes to the whole group, and a service manager's SIGTERM to every process."""
    with running(tmp_path) as service:
        client = begun_transaction(service)
        assert service.process is not None
        for pid in service.workers():
            os.kill(pid, signal.SIGINT)
            os.kill(pid, signal.SIGHUP)
        time_of_end = threading.Thread(target=service.stop, args=(signal.SIGINT,))
        time_of_end.start()
        client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        assert client.getreply()[0] == 250
        client.close()
        time_of_end.join(LIMIT)
        assert not service.events("worker_died")


def test_a_signal_before_the_workers_are_ready_ends_the_service(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        service.stop()
        service.start(ready=False)
        until((service.folder / ".mailroot.toml.control").exists, "the control socket")
        assert service.process is not None
        with within(LIMIT):
            assert service.stop() == 0
        service.start()
