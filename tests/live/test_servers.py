"""Several virtual servers side by side: each is started, stopped and paused while the others run."""

import os
import signal
import smtplib
import socket
from pathlib import Path

import pytest

from tests.live.running import Service, free_port, running, until


def two_servers(port: int, more: str = "") -> str:
    """A second server whose mail for waiting.test can go nowhere, so that it waits."""
    return f"""
[servers.two]
name = "Second Server"
home = "Two"
general.bindings = ["127.0.0.1:{port}"]
general.banner = "The second"
access.relay.list = ["127.0.0.1"]
delivery.retry_intervals = ["1s"]
domains."two.test".type = "default"
domains."waiting.test" = {{ type = "remote", route = "[127.0.0.1]:1", relay = true }}
{more}
"""


def state(service: Service, key: str) -> str:
    return next(row["state"] for row in service.ask("server", "list") if row["key"] == key)


def connect(port: int) -> smtplib.SMTP:
    return smtplib.SMTP("127.0.0.1", port, timeout=120)


def send(port: int, recipient: str) -> None:
    with connect(port) as client:
        client.sendmail("a@two.test", recipient, "Subject: x\r\n\r\nx\r\n")


def dropped(service: Service) -> int:
    return len(list((service.folder / "Two" / "Drop").glob("*.eml")))


def test_servers_have_their_own_homes_domains_and_limits(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, two_servers(port, 'messages.size_limit = "7KB"')) as service:
        send(port, "x@two.test")
        until(lambda: dropped(service) == 1, "the message in the second Drop")
        with connect(port) as client:
            client.ehlo()
            assert client.esmtp_features["size"] == "7168"
        service.send("x@local.test")
        until(service.dropped, "the message in the first Drop")
        assert dropped(service) == 1


def test_a_paused_server_takes_no_new_clients_and_goes_on_otherwise(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, two_servers(port), workers=2) as service:
        session = connect(port)
        assert service.ask("server", "pause", "two") == {"server": "two", "state": "paused"}
        assert state(service, "two") == "paused"
        for _ in range(6):
            with pytest.raises(smtplib.SMTPConnectError) as refused:
                connect(port)
            assert refused.value.smtp_code == 421
        session.sendmail("a@two.test", "x@two.test", "Subject: x\r\n\r\nx\r\n")
        until(lambda: dropped(service) == 1, "the open session's message in Drop")
        service.send()
        assert service.ask("server", "continue", "two")["state"] == "started"
        send(port, "x@two.test")
        session.quit()


def test_a_stopped_server_closes_its_connections_and_its_queue_stands_still(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, two_servers(port), workers=2) as service:
        send(port, "x@waiting.test")
        session = connect(port)
        other = service.connect()
        assert service.ask("server", "stop", "Second Server") == {"server": "two", "state": "stopped"}
        assert session.sock.recv(100).startswith(b"421 ")
        session.close()
        with pytest.raises(ConnectionRefusedError):
            connect(port)
        assert other.noop()[0] == 250
        other.close()
        service.send()
        until(service.dropped, "the other server's message")

        attempts = _attempts(service)
        (entry,) = service.ask("queue", "list", "--server", "two")
        assert service.ask("queue", "show", entry["key"])["recipients"][0]["recipient"] == "x@waiting.test"
        assert service.ask("queue", "retry", entry["key"]) == {"recipients": 1, "in_delivery": 0}
        (service.folder / "Two" / "Pickup").mkdir(exist_ok=True)
        (service.folder / "Two" / "Pickup" / "x.eml").write_bytes(b"From: a@two.test\r\nTo: b@two.test\r\n\r\nx\r\n")
        service.send()
        until(lambda: len(service.dropped()) == 2, "the other server's second message")
        assert _attempts(service) == attempts
        assert dropped(service) == 0

        assert service.ask("server", "start", "two")["state"] == "started"
        until(lambda: dropped(service) == 1, "the file that waited in Pickup")
        until(lambda: _attempts(service) > attempts, "the next attempt")
        send(port, "x@two.test")
        until(lambda: dropped(service) == 2, "a new message")


def _attempts(service: Service) -> int:
    return sum(row["attempts"] for row in service.ask("queue", "list", "--server", "two"))


def test_queue_operations_work_on_a_stopped_server(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, two_servers(port)) as service:
        send(port, "x@waiting.test")
        service.run("server", "stop", "two")
        (entry,) = service.ask("queue", "list", "--server", "two")
        assert entry["recipient"] == "x@waiting.test"
        assert service.ask("queue", "remove", entry["key"])["recipients"] == 1
        assert service.ask("queue", "list", "--server", "two") == []


def test_a_worker_that_is_replaced_leaves_every_server_in_its_state(tmp_path: Path) -> None:
    two, three = free_port(), free_port()
    more = two_servers(two) + f'\n[servers.three]\nhome = "Three"\ngeneral.bindings = ["127.0.0.1:{three}"]\n'
    with running(tmp_path, more) as service:
        service.run("server", "stop", "two")
        service.run("server", "pause", "three")
        (former,) = service.workers()
        os.kill(former, signal.SIGKILL)
        until(lambda: service.workers() not in ([], [former]), "a new worker")
        assert [row["state"] for row in service.ask("server", "list")] == ["started", "stopped", "paused"]
        with pytest.raises(ConnectionRefusedError):
            connect(two)
        with pytest.raises(smtplib.SMTPConnectError):
            connect(three)
        service.send()
        service.run("server", "start", "two")
        send(two, "x@two.test")


def test_a_server_whose_port_was_taken_meanwhile_stays_stopped(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, two_servers(port)) as service:
        service.run("server", "stop", "two")
        with socket.create_server(("127.0.0.1", port)):
            ended = service.run("server", "start", "two", check=False)
            assert ended.returncode == 1
            assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in ended.stderr
            assert state(service, "two") == "stopped"
        assert service.ask("server", "start", "two")["state"] == "started"
        send(port, "x@two.test")


def test_what_cannot_be_done_is_said_and_what_is_so_already_is_no_fault(tmp_path: Path) -> None:
    port = free_port()
    more = (
        two_servers(port)
        + f"\n[servers.three]\nhome='Three'\nstart='disabled'\ngeneral.bindings=['127.0.0.1:{port}']\n"
    )
    with running(tmp_path, more) as service:
        assert service.ask("server", "start", "two")["state"] == "started"
        assert service.ask("server", "continue", "two")["state"] == "started"
        service.run("server", "stop", "two")
        assert service.ask("server", "stop", "two")["state"] == "stopped"
        for word in ("pause", "continue"):
            ended = service.run("server", word, "two", check=False)
            assert ended.returncode == 1
            assert "the virtual server two is stopped" in ended.stderr
        ended = service.run("server", "start", "three", check=False)
        assert "disabled" in ended.stderr
        ended = service.run("server", "stop", "four", check=False)
        assert "there is no virtual server 'four'; there are: default, two, three" in ended.stderr
        ended = service.run("badmail", "list", check=False)
        assert "there are several virtual servers; name one by --server: default, two, three" in ended.stderr


def test_the_connection_limit_counts_all_workers_and_forgets_dead_ones(tmp_path: Path) -> None:
    with running(tmp_path, workers=2) as service:
        service.run("set", "servers.default.general.connection_limit", "4")
        held = _fill(service)
        assert len(held) == 4
        victim = service.ask("session", "list")[0]["worker"]
        pid = next(row["pid"] for row in service.ask("status")["workers"] if row["number"] == victim)
        lost = sum(row["worker"] == victim for row in service.ask("session", "list"))
        os.kill(pid, signal.SIGKILL)
        until(lambda: pid not in service.workers() and len(service.workers()) == 2, "the next worker")
        again = _fill(service)
        assert len(again) == lost
        for client in held + again:
            client.close()
        until(lambda: not service.ask("session", "list"), "an end to all sessions")
        service.send()


def _fill(service: Service) -> list[smtplib.SMTP]:
    """Connect until a connection is refused."""
    held: list[smtplib.SMTP] = []
    while len(held) < 20:
        try:
            held.append(service.connect())
        except smtplib.SMTPConnectError as refused:
            assert refused.smtp_code == 421
            break
    return held
