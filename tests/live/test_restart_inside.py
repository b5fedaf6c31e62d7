"""A restart inside: new virtual servers, homes and workers come into force while the process and its sockets stay."""

import os
import smtplib
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.live.running import Service, free_port, running, until


def process_and_workers(service: Service) -> tuple[int, list[int]]:
    assert service.process is not None
    return service.process.pid, service.workers()


def test_more_workers_count_after_a_restart_and_the_process_stays(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        service.send()
        until(service.dropped, "the message")
        process, (worker,) = process_and_workers(service)
        changed = service.ask("settings", "change", "service.workers=3")
        assert (changed["applied"], changed["needs_restart"]) == ([], ["service.workers"])
        assert service.ask("status")["needs_restart"] == ["service.workers"]
        answer = service.ask("service", "restart")
        assert answer["restarted"] is True
        assert answer["applied"] == ["service.workers"]
        assert service.ask("status")["needs_restart"] == []
        after, workers = process_and_workers(service)
        assert after == process
        assert len(workers) == 3
        assert worker not in workers
        service.send()
        until(lambda: len(service.dropped()) == 2, "the second message")
        (event,) = until(lambda: service.events("service_restarted"), "the event")
        assert float(event["seconds"]) < 60


def counted(service: Service, name: str) -> int:
    return next(int(r["value"]) for r in service.ask("counters", "default") if r["counter"] == name)


def test_counters_go_on(tmp_path: Path) -> None:
    with running(tmp_path, workers=2) as service:
        for _ in range(5):
            service.send()
        name = "Messages Received Total"
        until(lambda: counted(service, name) == 5, "all counted")
        service.run("set", "service.workers", "1")
        service.run("service", "restart")
        assert counted(service, name) == 5
        service.send()
        until(lambda: counted(service, name) == 6, "one more")


def test_states_stay_as_they_are(tmp_path: Path) -> None:
    two, three = free_port(), free_port()
    more = "".join(
        f'\n[servers.{key}]\nname = "{key}"\nhome = "{key}"\ngeneral.bindings = ["127.0.0.1:{port}"]\n'
        for key, port in (("two", two), ("three", three))
    )
    with running(tmp_path, more, workers=2) as service:
        service.run("server", "pause", "two")
        service.run("server", "stop", "three")
        service.run("service", "restart")
        assert [row["state"] for row in service.ask("server", "list")] == ["started", "paused", "stopped"]
        for _ in range(4):
            with pytest.raises(smtplib.SMTPConnectError):
                smtplib.SMTP("127.0.0.1", two, timeout=20)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", three), 5)


def test_what_waits_in_the_queue_is_there_afterwards(tmp_path: Path) -> None:
    more = '\n[servers.default.domains."waiting.test"]\ntype = "remote"\nroute = "[127.0.0.1]:1"\nrelay = true\n'
    with running(tmp_path, more, workers=2) as service:
        for number in range(6):
            service.send(f"u{number}@waiting.test")
        service.run("set", "service.workers", "1")
        service.run("service", "restart")
        rows = service.ask("queue", "list")
        assert sorted(row["recipient"] for row in rows) == [f"u{number}@waiting.test" for number in range(6)]
        assert service.ask("queue", "remove", "--all")["recipients"] == 6


def test_a_session_is_told_421_and_a_transaction_may_end(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        idle, busy = service.connect(30), service.connect(30)
        busy.ehlo()
        busy.mail("a@local.test")
        busy.rcpt("b@local.test")
        assert busy.docmd("DATA")[0] == 354
        restarting = threading.Thread(target=service.run, args=("service", "restart"))
        restarting.start()
        assert idle.sock.recv(100).startswith(b"421 ")
        busy.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        assert busy.getreply()[0] == 250
        restarting.join(60)
        until(service.dropped, "the message")


@dataclass
class Senders:
    """Clients that send without end, each message with a number of its own."""

    port: int
    acknowledged: list[str] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def send(self, name: str) -> None:
        number = 0
        while not self.over.is_set() and number < 5_000:
            try:
                with smtplib.SMTP("127.0.0.1", self.port, timeout=60) as client:
                    for _ in range(5):
                        number += 1
                        text = f"Subject: {name}-{number}\r\n\r\nx\r\n"
                        client.sendmail("a@local.test", "b@local.test", text)
                        self.acknowledged.append(f"{name}-{number}")
            except smtplib.SMTPServerDisconnected:
                continue  # the 421 was on its way when we spoke
            except smtplib.SMTPRecipientsRefused as refused:
                self.codes += [code for code, _ in refused.recipients.values()]
            except smtplib.SMTPResponseException as refused:
                self.codes.append(refused.smtp_code)
            except ConnectionRefusedError as refused:
                self.faults.append(repr(refused))
            except OSError:
                continue


def subjects(service: Service) -> list[str]:
    found = []
    for path in service.dropped():
        lines = path.read_text().splitlines()
        found.append(next(line.removeprefix("Subject: ") for line in lines if line.startswith("Subject: ")))
    return found


def test_no_message_is_lost_or_doubled_under_load_and_nobody_is_refused_a_connection(tmp_path: Path) -> None:
    with running(tmp_path, workers=2) as service:
        senders = Senders(service.port)
        threads = [threading.Thread(target=senders.send, args=(f"s{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        try:
            for workers in (1, 3, 2):
                before = len(senders.acknowledged)
                until(lambda before=before: len(senders.acknowledged) > before + 20, "some messages", 60)
                service.run("set", "service.workers", str(workers))
                assert service.ask("service", "restart")["restarted"] is True
            before = len(senders.acknowledged)
            until(lambda: len(senders.acknowledged) > before + 20, "messages after the last restart", 60)
        finally:
            senders.over.set()
            for thread in threads:
                thread.join(90)
        assert senders.faults == []
        assert set(senders.codes) <= {421}
        until(lambda: set(senders.acknowledged) <= set(subjects(service)), "every acknowledged message", 60)
        found = subjects(service)
        assert len(found) == len(set(found))


def test_new_settings_that_do_not_come_up_leave_the_former_ones_in_force(tmp_path: Path) -> None:
    with running(tmp_path, workers=2) as service:
        service.send()
        until(service.dropped, "the message")
        before = service.file.read_text()
        with socket.create_server(("127.0.0.1", 0)) as other:
            taken = other.getsockname()[1]
            ended = service.run("server", "create", "Two", "--bindings", f"127.0.0.1:{taken}", check=False)
        assert ended.returncode == 1
        assert "Address already in use" in ended.stderr
        (tmp_path / "file").write_text("")
        port = str(free_port())
        place = ("--bindings", f"127.0.0.1:{port}", "--home", f"{tmp_path}/file/Home")
        ended = service.run("server", "create", "Two", *place, check=False)
        assert ended.returncode == 1
        assert f"{tmp_path}/file/Home" in ended.stderr
        assert service.file.read_text() == before
        assert [row["key"] for row in service.ask("server", "list")] == ["default"]
        assert len(service.workers()) == 2
        service.send()
        until(lambda: len(service.dropped()) == 2, "the second message")


def test_workers_that_do_not_start_anew_are_followed_by_those_with_the_former_settings(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        before = service.file.read_text()
        home = tmp_path / "Damaged"
        (home / "Queue").mkdir(parents=True)
        (home / "Queue" / "w0.db").write_bytes(b"no database" * 1000)
        place = ("--bindings", f"127.0.0.1:{free_port()}", "--home", str(home))
        ended = service.run("server", "create", "Two", *place, check=False)
        assert ended.returncode == 1
        assert "the former settings are in force again" in ended.stderr
        assert until(lambda: service.events("restart_failed"), "the event")
        assert service.file.read_text() == before
        assert [row["key"] for row in service.ask("server", "list")] == ["default"]
        service.send()
        until(service.dropped, "the message")
        assert [one["operation"] for one in service.ask("settings", "history")] == ["edit"]


def test_a_server_is_made_renamed_and_deleted(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, workers=2) as service:
        pid = process_and_workers(service)[0]
        binding = f"127.0.0.1:{port}"
        made = service.ask("server", "create", "Second Server", "--bindings", binding, "--domain", "two.test")
        assert made["server"] == "second-server"
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            client.sendmail("a@two.test", "b@two.test", "Subject: x\r\n\r\nx\r\n")
        drop = tmp_path / "Mailroot-second-server" / "Drop"
        until(lambda: drop.exists() and any(drop.glob("*.eml")), "the message in the new server's Drop")
        service.run("server", "rename", "Second Server", "Fax")
        row = next(one for one in service.ask("server", "list") if one["key"] == "second-server")
        assert (row["name"], row["state"]) == ("Fax", "started")
        clash = service.run("server", "create", "Third", "--bindings", binding, check=False)
        assert clash.returncode == 1
        assert "the server second-server listens on" in clash.stderr
        assert service.ask("server", "delete", "Fax")["server"] == "second-server"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 5)
        assert drop.exists()
        assert "second-server" not in service.file.read_text()
        assert process_and_workers(service)[0] == pid
        operations = [one["operation"] for one in service.ask("settings", "history")]
        assert operations == ["server.delete", "server.rename", "server.create", "edit"]


def test_a_server_with_mail_that_waits_is_deleted_only_when_told(tmp_path: Path) -> None:
    port = free_port()
    more = f"""
[servers.two]
name = "Second Server"
home = "Two"
general.bindings = ["127.0.0.1:{port}"]
access.relay.list = ["127.0.0.1"]
domains."waiting.test" = {{ type = "remote", route = "[127.0.0.1]:1", relay = true }}
"""
    with running(tmp_path, more) as service:
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            client.sendmail("a@two.test", "x@waiting.test", "Subject: x\r\n\r\nx\r\n")
        refused = service.run("server", "delete", "two", check=False)
        assert refused.returncode == 1
        assert "1 recipients wait in the queue of two" in refused.stderr
        assert [row["state"] for row in service.ask("server", "list")] == ["started", "started"]
        assert service.ask("server", "delete", "two", "--waiting")["server"] == "two"
        assert (tmp_path / "Two" / "Queue").exists()


def test_the_service_ends_in_good_order_after_a_restart(tmp_path: Path) -> None:
    with running(tmp_path, workers=2) as service:
        service.run("service", "restart")
        workers = service.workers()
        assert service.stop() == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
        assert service.events("service_stopped")
        assert not os.path.exists(tmp_path / ".mailroot.toml.control")  # noqa: PTH110
