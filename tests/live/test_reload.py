"""New settings in a running service: applied without dropping a session, or refused without changing anything."""

import os
import signal
import smtplib
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.live.running import Service, free_port, running, until


def change(service: Service, old: str, new: str) -> None:
    assert old in service.settings
    service.settings = service.settings.replace(old, new)
    service.file.write_text(service.settings)


def reload(service: Service) -> dict[str, Any]:
    return service.ask("settings", "reload")


def offered_size(client: smtplib.SMTP) -> str:
    client.ehlo()
    return client.esmtp_features["size"]


def is_open(port: int, address: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        probe.settimeout(120)
        return probe.connect_ex((address, port)) == 0


LIMITED = '\n[servers.default.messages]\nsize_limit = "1000KB"\n'


@pytest.mark.parametrize("by_signal", [True, False])
def test_a_session_keeps_its_rules_and_a_new_one_has_the_new_ones(tmp_path: Path, by_signal: bool) -> None:
    with running(tmp_path, LIMITED, workers=2) as service:
        old = service.connect()
        assert offered_size(old) == "1024000"
        change(service, "1000KB", "2000KB")
        if by_signal:
            assert service.process is not None
            service.process.send_signal(signal.SIGHUP)
            until(lambda: service.events("settings_applied"), "the event")
        else:
            assert reload(service)["applied"] == ["servers.default.messages.size_limit"]
        assert offered_size(old) == "1024000"
        for _ in range(6):  # whichever worker takes it
            with service.connect() as new:
                assert offered_size(new) == "2048000"
        old.sendmail("a@local.test", "b@local.test", "Subject: x\r\n\r\nx\r\n")
        old.quit()
        until(service.dropped, "the old session's message")


def test_a_faulty_file_changes_nothing_and_every_problem_is_said_with_its_path(tmp_path: Path) -> None:
    with running(tmp_path, LIMITED) as service:
        change(service, "1000KB", "soon")
        change(service, 'type = "default"', 'type = "mine"')
        assert service.process is not None
        service.process.send_signal(signal.SIGHUP)
        paths = ["servers.default.messages.size_limit", 'servers.default.domains."local.test".type']
        until(lambda: service.events("settings_refused"), "the event")
        answer = service.run("settings", "reload", check=False)
        assert answer.returncode == 1
        for path in paths:
            until(lambda path=path: path in service.errors(), "the problem on standard error")
            assert path in service.events("settings_refused")[0]["problems"]
            assert path in answer.stderr
        with service.connect() as client:
            assert offered_size(client) == "1024000"


def test_bindings_are_opened_and_closed_live(tmp_path: Path) -> None:
    with running(tmp_path, workers=2) as service:
        session = service.connect()
        before, after = service.port, free_port()
        change(service, f'["127.0.0.1:{before}"]', f'["127.0.0.1:{after}", "[::1]:{after}"]')
        assert reload(service)["applied"] == ["servers.default.general.bindings"]
        assert not is_open(before)
        service.port = after
        service.send()
        with socket.create_connection(("::1", after), 120) as client:
            assert client.recv(10).startswith(b"220 ")
        assert session.noop()[0] == 250
        session.close()
        assert service.ask("server", "list")[0]["bindings"] == [f"127.0.0.1:{after}", f"[::1]:{after}"]


def test_a_binding_may_widen_and_narrow_on_its_port(tmp_path: Path) -> None:
    with running(tmp_path, workers=2) as service:
        port = service.port
        for old, new in (("127.0.0.1", "0.0.0.0"), ("0.0.0.0", "127.0.0.1")):
            change(service, f'["{old}:{port}"]', f'["{new}:{port}"]')
            reload(service)
            for _ in range(6):
                assert is_open(port)
                service.send()
        assert not is_open(port, "127.0.0.2")
        with pytest.raises(OSError, match="in use"):
            socket.create_server(("127.0.0.1", port)).close()
        until(lambda: len(service.dropped()) == 12, "all messages")


def test_a_binding_may_go_over_to_another_server(tmp_path: Path) -> None:
    two = free_port()
    more = f'\n[servers.two]\nhome = "Two"\ngeneral.banner = "The second"\ngeneral.bindings = ["127.0.0.1:{two}"]\n'
    with running(tmp_path, more) as service:
        one = service.port
        change(service, f'["127.0.0.1:{one}"]', '["127.0.0.1:SPARE"]')
        change(service, f'["127.0.0.1:{two}"]', f'["127.0.0.1:{one}"]')
        change(service, "SPARE", str(two))
        reload(service)
        assert b"The second" in banner(one)
        assert b"The second" not in banner(two)


def banner(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 120) as client:
        return client.recv(200)


def test_a_binding_that_is_taken_leaves_everything_as_it_was(tmp_path: Path) -> None:
    with running(tmp_path, LIMITED, workers=2) as service, socket.create_server(("127.0.0.1", 0)) as other:
        taken, free = other.getsockname()[1], free_port()
        change(service, "1000KB", "2000KB")
        change(service, f'["127.0.0.1:{service.port}"]', f'["127.0.0.1:{free}", "127.0.0.1:{taken}"]')
        answer = service.run("settings", "reload", check=False)
        assert answer.returncode == 1
        assert f"cannot listen on 127.0.0.1:{taken}: Address already in use" in answer.stderr
        assert not is_open(free)
        with service.connect() as client:
            assert offered_size(client) == "1024000"


def test_a_folder_that_cannot_be_prepared_leaves_everything_as_it_was(tmp_path: Path) -> None:
    with running(tmp_path, LIMITED, workers=2) as service:
        (tmp_path / "file").write_text("")
        change(service, "1000KB", "2000KB")
        change(service, 'type = "default"', f'type = "default"\ndrop = "{tmp_path}/file/Drop"')
        answer = service.run("settings", "reload", check=False)
        assert answer.returncode == 1
        assert f"{tmp_path}/file/Drop" in answer.stderr
        with service.connect() as client:
            assert offered_size(client) == "1024000"
        change(service, f"{tmp_path}/file/Drop", f"{tmp_path}/new/Drop")
        reload(service)
        service.send()
        until(lambda: list((tmp_path / "new" / "Drop").glob("*.eml")), "the message in the new folder")


def test_the_badmail_folder_and_pickup_change_at_once(tmp_path: Path) -> None:
    more = '\n[servers.default.messages]\nbadmail = "Bad1"\n[servers.default.pickup]\nenabled = false\n'
    with running(tmp_path, more) as service:
        change(service, "Bad1", "Bad2")
        change(service, "enabled = false", "enabled = true")
        reload(service)
        (service.home / "Pickup").mkdir(exist_ok=True)
        (service.home / "Pickup" / "bad.eml").write_bytes(b"\r\nno header\r\n")
        until(lambda: list((tmp_path / "Bad2").glob("*.BAD")), "the bad file in the new folder")


def test_what_needs_a_restart_is_said_and_left_as_it_is(tmp_path: Path) -> None:
    two = free_port()
    more = f'\n[servers.two]\nhome = "Two"\ngeneral.bindings = ["127.0.0.1:{two}"]\n'
    with running(tmp_path, more) as service:
        change(service, "workers = 1", 'workers = 3\nrun_as = "root"\nevents = "Elsewhere"')
        change(service, 'home = "Mailroot"', 'home = "Moved"\nstart = "manual"')
        change(service, "[servers.two]", "[servers.three]")
        answer = reload(service)
        assert answer["applied"] == ["servers.default.start"]
        assert set(answer["needs_restart"]) == {
            "servers.three",
            "servers.two",
            "service.workers",
            "service.run_as",
            "service.events",
            "servers.default.home",
            "servers.default.messages.badmail",
            'servers.default.domains."local.test".drop',
        }
        service.send()
        until(service.dropped, "the message in the old home's Drop")
        assert not (tmp_path / "Moved").exists()
        assert is_open(two)
        assert len(service.workers()) == 1
        assert [row["state"] for row in service.ask("server", "list")] == ["started", "started"]


def test_a_worker_that_is_replaced_has_the_new_settings_and_sockets(tmp_path: Path) -> None:
    with running(tmp_path, LIMITED, workers=2) as service:
        after = free_port()
        change(service, "1000KB", "2000KB")
        change(service, f'["127.0.0.1:{service.port}"]', f'["127.0.0.1:{after}"]')
        reload(service)
        former = service.workers()
        for pid in former:
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(set(service.workers()) - set(former)) == 2, "two new workers")
        assert not is_open(service.port)
        service.port = after
        with service.connect() as client:
            assert offered_size(client) == "2048000"


def test_workers_that_die_while_settings_change_are_never_left_behind(tmp_path: Path) -> None:
    """A worker may die before, between and after the steps of a reload; its successor has what counts then."""
    with running(tmp_path, LIMITED, workers=2) as service:
        size = 1000
        for round_number in range(6):
            change(service, f"{size}KB", f"{size + 1}KB")
            size += 1
            assert service.process is not None
            victims = service.workers()
            service.process.send_signal(signal.SIGHUP)
            if victims:
                os.kill(victims[round_number % len(victims)], signal.SIGKILL)
            until(lambda size=size: service.ask("status")["revision"] == size - 999, "the new revision")
        until(lambda: len(service.ask("status")["workers"]) == 2, "both workers")
        for _ in range(10):
            with service.connect() as client:
                assert offered_size(client) == str(size * 1024)


def test_set_keeps_comments_is_applied_live_and_says_so(tmp_path: Path) -> None:
    with running(tmp_path, "\n# about partners\n") as service:
        said = service.run("set", 'servers.default.domains."partner.example".relay', "true").stdout
        assert "Applied: " in said
        assert 'servers.default.domains."partner.example".relay' in said
        assert "# about partners" in service.file.read_text()
        assert service.run("get", 'servers.default.domains."partner.example".relay').stdout == "true\n"
        with service.connect() as client:
            client.ehlo()
            client.mail("a@local.test")
            assert client.rcpt("x@partner.example")[0] == 250
        answer = service.ask("set", "service.workers", "2")
        assert answer["needs_restart"] == ["service.workers"]


def test_set_of_what_the_service_cannot_apply_changes_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as service, socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        ended = service.run("set", "servers.default.general.bindings", f'["127.0.0.1:{taken}"]', check=False)
        assert ended.returncode == 2  # the settings are wrong, as far as this machine goes
        assert "was not changed" in ended.stderr
        assert "Address already in use" in ended.stderr
        assert service.file.read_text() == service.settings
        service.send()
