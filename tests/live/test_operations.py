"""What operators ask of a running service, by the command line and on the bare control socket."""

import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailroot.edge.control import control_path, reachable
from tests.live.running import Service, _environment, running, until

# Mail for it waits: nobody listens on port 1.
WAITING = '\n[servers.default.domains."waiting.test"]\ntype = "remote"\nroute = "[127.0.0.1]:1"\nrelay = true\n'


def fill(service: Service, messages: int, recipients: int, sessions: int = 4) -> None:
    for session in range(sessions):
        with service.connect() as client:
            for message in range(messages):
                names = [f"r{session}-{message}-{number}@waiting.test" for number in range(recipients)]
                client.sendmail("a@local.test", names, "Subject: x\r\n\r\nx\r\n")


@contextlib.contextmanager
def control(service: Service) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as client, reachable(control_path(service.file)) as name:
        client.settimeout(120)
        client.connect(name)
        yield client


def answer(service: Service, request: bytes) -> Any:
    with control(service) as client:
        client.sendall(request)
        line = client.makefile("rb").readline()
        return json.loads(line) if line else None


def test_status_and_sessions_show_what_is_there(tmp_path: Path) -> None:
    with running(tmp_path, workers=2) as service:
        client = service.connect()
        client.ehlo("client.test")
        status = service.ask("status")
        assert status["pid"] == service.process.pid
        assert sorted(row["pid"] for row in status["workers"]) == sorted(service.workers())
        assert [(row["key"], row["state"], row["sessions"]) for row in status["servers"]] == [("default", "started", 1)]
        (row,) = service.ask("session", "list")
        assert (row["address"], row["hello"], row["state"]) == ("127.0.0.1", "client.test", "idle")
        assert service.ask("session", "end", row["session"]) == {"ended": 1}
        assert client.sock.recv(100).startswith(b"421 ")
        client.close()
        ended = service.run("session", "end", row["session"], check=False)
        assert ended.returncode == 1
        assert f"there is no session '{row['session']}'" in ended.stderr
        until(lambda: service.ask("session", "list") == [], "an empty list")


def test_every_waiting_recipient_is_listed_once_on_all_pages_of_all_shards(tmp_path: Path) -> None:
    with running(tmp_path, WAITING, workers=3) as service:
        fill(service, messages=5, recipients=90, sessions=6)
        service.stop()
        service.settings = service.settings.replace("workers = 3", "workers = 2")
        service.start()  # the third worker's shard has another owner now
        wanted = {
            f"r{session}-{message}-{n}@waiting.test" for session in range(6) for message in range(5) for n in range(90)
        }
        rows = service.ask("queue", "list")
        assert len(rows) == len(wanted) == 2_700
        assert {row["recipient"] for row in rows} == wanted
        assert sum(row["waiting"] for row in service.ask("server", "list")) == 2_700
        lines = service.run("queue", "list").stdout.splitlines()
        assert len(lines) == 2_701
        assert all(len(line.split("\t")) == len(lines[0].split("\t")) for line in lines)
        assert service.ask("queue", "retry", "--all")["recipients"] <= 2_700


def test_an_entry_is_shown_retried_and_removed(tmp_path: Path) -> None:
    with running(tmp_path, WAITING, workers=2) as service:
        fill(service, messages=1, recipients=2, sessions=1)
        until(lambda: all(row["attempts"] for row in service.ask("queue", "list")), "the first attempt")
        key = service.ask("queue", "list")[0]["key"]
        shown = service.ask("queue", "show", key)
        assert [one["recipient"] for one in shown["recipients"]] == ["r0-0-0@waiting.test", "r0-0-1@waiting.test"]
        assert shown["recipients"][0]["last"]
        assert not shown["recipients"][0]["in_delivery"]
        until(lambda: service.ask("queue", "retry", key)["recipients"] == 2, "a retry")
        until(lambda: service.ask("queue", "list")[0]["attempts"] >= 2, "the second attempt")
        removed = until(lambda: service.run("queue", "remove", key, check=False).stdout, "the removal")
        assert "recipients: 2" in removed
        assert "no report" in service.run("queue", "remove", "--help").stdout
        assert service.ask("queue", "list") == []
        for word in ("show", "retry", "remove"):
            ended = service.run("queue", word, key, check=False)
            assert ended.returncode == 1
            assert key in ended.stderr
        assert not service.dropped()


def test_an_entry_in_delivery_is_listed_and_shown_as_such(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection and says nothing
        port = silent.getsockname()[1]
        with running(tmp_path, WAITING.replace(":1", f":{port}")) as service:
            fill(service, messages=1, recipients=1, sessions=1)
            (row,) = until(lambda: [row for row in service.ask("queue", "list") if row["due"] == ""], "its delivery")
            (recipient,) = service.ask("queue", "show", row["key"])["recipients"]
            assert (recipient["in_delivery"], recipient["due"]) == (True, "")
            ended = service.run("queue", "remove", row["key"], check=False)
            assert ended.returncode == 1
            assert "in delivery at this moment" in ended.stderr


def test_the_file_may_be_named_before_the_command_and_tables_suit_a_terminal(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        command = [sys.executable, "-m", "mailroot", "--config", str(service.file), "server", "list"]
        plain = subprocess.run(command, capture_output=True, text=True, env=_environment(), check=True).stdout
        assert plain.startswith("key\tname\tstate\t")
        ours, theirs = pty.openpty()
        subprocess.run(command, stdout=theirs, env={**_environment(), "TERM": "xterm", "COLUMNS": "100"}, check=True)
        os.close(theirs)
        shown = os.read(ours, 65536).decode()
        os.close(ours)
        assert "\t" not in shown
        assert "Default SMTP Virtual Server" in shown


@pytest.mark.parametrize(
    "request_line",
    [
        b"garbage\n",
        b"[]\n",
        b"null\n",
        b"{}\n",
        b"\xff\xfe\n",
        b'{"operation": []}\n',
        b'{"operation": "status", "arguments": "x"}\n',
        b'{"operation": "status", "arguments": [1]}\n',
        b'{"operation": "no.such"}\n',
        b'{"operation": "__class__"}\n',
        b'{"operation": "queue.list", "arguments": {"after": "x|y|z|"}}\n',
        b'{"operation": "queue.list", "arguments": {"after": "default|0|-1|nonsense"}}\n',
        b'{"operation": "queue.show", "arguments": {"key": {"a": 1}}}\n',
        b'{"operation": "server.stop", "arguments": {"server": null}}\n',
        b"[" * 50_000 + b"\n",
    ],
)
def test_garbage_on_the_control_socket_is_answered_and_harms_nothing(tmp_path: Path, request_line: bytes) -> None:
    with running(tmp_path) as service:
        said = answer(service, request_line)
        assert said["ok"] is False or (said["result"]["rows"], said["result"]["next"]) == ([], "")
        assert "mistake" not in said.get("error", "")
        odd = answer(service, b'{"operation": "queue.list", "arguments": {"limit": "many"}}\n')
        assert (odd["ok"], odd["result"]["rows"], odd["result"]["next"]) == (True, [], "")
        assert service.ask("server", "list")[0]["state"] == "started"
        assert service.errors() == ""


def test_long_half_and_silent_requests_harm_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as service, contextlib.ExitStack() as silent:
        for _ in range(20):
            silent.enter_context(control(service))
        with control(service) as client, contextlib.suppress(OSError):
            client.sendall(b"x" * 5_000_000 + b"\n")
            assert client.recv(100) == b""
        with control(service) as client:
            client.sendall(b'{"operation": "server.stop", "arguments": {"server": "default"}}')  # no line end
            client.shutdown(socket.SHUT_WR)
            assert client.recv(100) == b""
        with control(service) as client:  # gone before its answer
            client.sendall(b'{"operation": "queue.list"}\n' * 100)
        assert service.ask("server", "list")[0]["state"] == "started"
        service.send()
        assert service.stop() == 0
        assert service.errors() == ""


def test_questions_while_a_worker_is_replaced_are_answered_by_its_successor(tmp_path: Path) -> None:
    with running(tmp_path, WAITING, workers=2) as service:
        fill(service, messages=3, recipients=5)
        for pid in service.workers():
            os.kill(pid, signal.SIGKILL)
        assert len(service.ask("queue", "list")) == 60
        assert len(service.ask("status")["workers"]) == 2
