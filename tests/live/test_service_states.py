"""The states of the service as its users know them: start, stop, pause, continue; automatic, manual, disabled."""

import smtplib
import socket
from pathlib import Path

import pytest

from tests.live.running import Service, free_port, running, service, until


def three_servers(two: int, three: int) -> str:
    return f"""
[servers.two]
name = "Second Server"
home = "Two"
general.bindings = ["127.0.0.1:{two}"]

[servers.three]
name = "Third Server"
home = "Three"
start = "manual"
general.bindings = ["127.0.0.1:{three}"]
"""


def states(one: Service) -> list[str]:
    status = one.ask("status")
    return [status["state"], *(row["state"] for row in status["servers"])]


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_stop_and_a_start_of_the_service_bring_back_who_ran(tmp_path: Path) -> None:
    two, three = free_port(), free_port()
    with running(tmp_path, three_servers(two, three)) as one:
        assert states(one) == ["started", "started", "started", "stopped"]
        one.run("server", "stop", "two")
        one.run("server", "start", "three")
        assert one.ask("service", "stop")["state"] == "stopped"
        assert states(one) == ["stopped"] * 4
        assert not any(is_open(port) for port in (one.port, two, three))
        assert one.ask("service", "stop")["state"] == "stopped"
        assert one.ask("service", "start")["state"] == "started"
        assert states(one) == ["started", "started", "stopped", "started"]
        one.send()
        until(one.dropped, "a message")


def test_to_start_one_server_of_a_stopped_service_starts_all_that_ran(tmp_path: Path) -> None:
    two, three = free_port(), free_port()
    with running(tmp_path, three_servers(two, three), workers=2) as one:
        one.run("service", "stop")
        assert one.ask("server", "start", "three")["state"] == "started"
        assert states(one) == ["started"] * 4
        assert all(is_open(port) for port in (one.port, two, three))


def test_a_paused_service_takes_nobody_new_and_goes_on(tmp_path: Path) -> None:
    two, three = free_port(), free_port()
    with running(tmp_path, three_servers(two, three), workers=2) as one:
        session = one.connect()
        assert one.ask("service", "pause")["state"] == "paused"
        assert states(one) == ["paused", "paused", "paused", "stopped"]
        for port in (one.port, two):
            with pytest.raises(smtplib.SMTPConnectError) as refused:
                smtplib.SMTP("127.0.0.1", port, timeout=10)
            assert refused.value.smtp_code == 421
        session.sendmail("a@local.test", "b@local.test", "Subject: x\r\n\r\nx\r\n")
        until(one.dropped, "the open session's message")
        assert one.ask("service", "continue")["state"] == "started"
        assert states(one) == ["started", "started", "started", "stopped"]
        one.run("service", "stop")
        for word in ("pause", "continue"):
            ended = one.run("service", word, check=False)
            assert ended.returncode == 1
            assert "the service is stopped" in ended.stderr


def test_a_server_that_cannot_start_does_not_hinder_the_others(tmp_path: Path) -> None:
    two, three = free_port(), free_port()
    with running(tmp_path, three_servers(two, three)) as one:
        one.run("service", "stop")
        with socket.create_server(("127.0.0.1", two)):
            answer = one.ask("service", "start")
        assert answer["state"] == "started"
        assert [row["server"] for row in answer["failed"]] == ["two"]
        assert "Address already in use" in answer["failed"][0]["cause"]
        assert states(one) == ["started", "started", "stopped", "stopped"]


@pytest.mark.parametrize("start", ["manual", "disabled"])
def test_a_service_that_does_not_start_by_itself_comes_up_stopped(tmp_path: Path, start: str) -> None:
    one = service(tmp_path)
    one.settings = one.settings.replace("[service]\n", f'[service]\nstart = "{start}"\n')
    try:
        one.start(ready=False)
        until(lambda: one.run("status", check=False).returncode == 0, "an answer")
        assert states(one) == ["stopped", "stopped"]
        assert not is_open(one.port)
        if start == "disabled":
            for words in (("service", "start"), ("server", "start", "default")):
                ended = one.run(*words, check=False)
                assert ended.returncode == 1
                assert 'service.start is "disabled"' in ended.stderr
            assert one.ask("settings", "change", "service.start=manual")["applied"] == ["service.start"]
        assert one.ask("service", "start")["state"] == "started"
        one.send()
        until(one.dropped, "a message")
    finally:
        if one.process is not None:
            one.stop()


def test_a_change_of_start_counts_at_once_and_moves_nobody(tmp_path: Path) -> None:
    two, three = free_port(), free_port()
    with running(tmp_path, three_servers(two, three)) as one:
        assert one.ask("settings", "change", "servers.two.start=disabled")["applied"] == ["servers.two.start"]
        assert states(one) == ["started", "started", "started", "stopped"]
        one.run("server", "stop", "two")
        assert 'servers.two.start is "disabled"' in one.run("server", "start", "two", check=False).stderr
        one.run("set", "servers.two.start", "manual")
        assert one.ask("server", "start", "two")["state"] == "started"


def test_what_was_stopped_alone_stays_so_over_the_process_and_a_pause_does_not(tmp_path: Path) -> None:
    two, three = free_port(), free_port()
    one = service(tmp_path, three_servers(two, three))
    try:
        one.start()
        one.run("server", "stop", "two")
        one.run("server", "start", "three")
        one.run("server", "pause", "default")
        assert one.stop() == 0
        one.start()
        assert states(one) == ["started", "started", "stopped", "started"]
        one.run("service", "stop")
        assert one.stop() == 0
        one.start()
        assert states(one) == ["started", "started", "stopped", "started"]
        one.run("set", "servers.two.start", "manual")
        one.run("set", "servers.two.start", "automatic")
        assert one.stop() == 0
        one.start()
        assert states(one) == ["started", "started", "started", "started"]
    finally:
        if one.process is not None:
            one.stop()
