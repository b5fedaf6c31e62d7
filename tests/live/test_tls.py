"""TLS of a real service: resumption across workers, certificates that change, and one that it makes itself."""

import os
import signal
import smtplib
import socket
import ssl
import stat
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailroot.edge.tls.identity import key_pem, new_key, read_identity, self_signed
from tests.live.running import PATIENCE, SETTINGS, Service, free_port, running, until


def settings(access: str = "") -> tuple[str, int]:
    """The text of a settings file with a binding for TLS, and the port of that."""
    secured = free_port()
    bindings = '[servers.default.general]\nbindings = ["127.0.0.1:{port}"]\n'
    assert bindings in SETTINGS
    more = f'{bindings}tls_bindings = ["127.0.0.1:{secured}"]\n\n[servers.default.access]\n{access}\n'
    return SETTINGS.replace(bindings, more), secured


def client_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def write_identity(path: Path, *names: str) -> None:
    key = new_key()
    octets = key_pem(key) + self_signed(key, names, datetime.now(UTC))
    draft = path.with_suffix(".new")
    draft.touch(0o600)
    draft.write_bytes(octets)
    draft.replace(path)


def certificate(port: int, name: str = "mail.local.test") -> bytes:
    clear = socket.create_connection(("127.0.0.1", port), PATIENCE)
    with clear, client_tls().wrap_socket(clear, server_hostname=name) as client:
        return client.getpeercert(binary_form=True) or b""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[tuple[Service, int]]:
    text, secured = settings()
    with running(tmp_path, workers=2, settings=text) as started:
        yield started, secured


def test_the_first_start_makes_a_certificate_that_only_the_service_can_read(service: tuple[Service, int]) -> None:
    started, secured = service
    path = started.folder / "Certificates" / "default.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_identity(str(path)).names == ("mail.local.test",)
    assert started.listening() == [
        f"listening 127.0.0.1:{started.port} smtp Default SMTP Virtual Server",
        f"listening 127.0.0.1:{secured} smtps Default SMTP Virtual Server",
    ]
    before = certificate(secured)
    started.stop()
    started.start()
    assert certificate(secured) == before


def test_messages_come_by_both_ways_and_the_trace_tells(service: tuple[Service, int]) -> None:
    started, secured = service
    with smtplib.SMTP("127.0.0.1", started.port, timeout=PATIENCE) as client:
        client.starttls(context=client_tls())
        client.sendmail("app@local.test", ["ann@local.test"], "Subject: one\r\n\r\nx\r\n")
    with smtplib.SMTP_SSL("127.0.0.1", secured, timeout=PATIENCE, context=client_tls()) as client:
        client.sendmail("app@local.test", ["ann@local.test"], "Subject: two\r\n\r\nx\r\n")
        (row,) = until(lambda: len(rows := started.ask("session", "list")) == 1 and rows, "this session alone")
        assert row["tls"] == "TLSv1.3"
    files = until(lambda: len(started.dropped()) == 2 and started.dropped(), "two messages")
    assert all(b" over TLS secured channel" in file.read_bytes() for file in files)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_a_session_that_one_worker_began_is_resumed_by_the_others(
    service: tuple[Service, int], version: ssl.TLSVersion
) -> None:
    started, secured = service
    context = client_tls()
    context.maximum_version = version
    session = None
    for attempt, other in enumerate(started.workers()):
        os.kill(other, signal.SIGSTOP)  # the one that is left answers
        try:
            clear = socket.create_connection(("127.0.0.1", secured), PATIENCE)
            with clear, context.wrap_socket(clear, session=session) as client:
                replies = client.makefile("rb")
                assert replies.readline().startswith(b"220 ")
                client.sendall(b"QUIT\r\n")
                replies.read()
                assert client.session_reused == (attempt > 0)
                session = client.session
        finally:
            os.kill(other, signal.SIGCONT)
    until(lambda: {event["worker"] for event in started.events("disconnected")} == {"w0", "w1"}, "both workers' ends")


def _events(started: Service, name: str) -> list[dict[str, str]]:
    return until(lambda: started.events(name), f"the event {name}")


def test_a_new_certificate_counts_after_a_reload_and_open_sessions_go_on(tmp_path: Path) -> None:
    write_identity(tmp_path / "mail.pem", "mail.local.test")
    write_identity(tmp_path / "other.pem", "other.test")
    names = '[servers.default.access.names."other.test"]\ncertificate = "other.pem"'
    text, secured = settings(f'certificate = "mail.pem"\n{names}')
    with running(tmp_path, workers=2, settings=text) as started:
        assert b"other.test" in certificate(secured, "other.test")
        before = certificate(secured)
        with smtplib.SMTP_SSL("127.0.0.1", secured, timeout=PATIENCE, context=client_tls()) as client:
            write_identity(tmp_path / "mail.pem", "renewed.test")
            assert started.run("settings", "reload").returncode == 0
            for _ in range(8):  # all workers have it
                assert b"renewed.test" in certificate(secured)
            client.sendmail("app@local.test", ["ann@local.test"], "Subject: x\r\n\r\nx\r\n")
        assert certificate(secured) != before
        assert _events(started, "certificates_presented")[-1]["server"] == "default"


def test_a_certificate_that_cannot_be_used_changes_nothing(tmp_path: Path) -> None:
    write_identity(tmp_path / "mail.pem", "mail.local.test")
    text, secured = settings('certificate = "mail.pem"')
    with running(tmp_path, settings=text) as started:
        before = certificate(secured)
        (tmp_path / "mail.pem").write_text("nonsense")
        ended = started.run("settings", "reload", check=False)
        assert ended.returncode != 0
        assert "no certificate in PEM form" in ended.stderr + ended.stdout
        assert certificate(secured) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_workers_that_cannot_read_the_key_get_new_certificates_too() -> None:
    text, secured = settings('certificate = "mail.pem"')
    text = text.replace("[service]\n", '[service]\nrun_as = "nobody"\n')
    with tempfile.TemporaryDirectory() as folder:
        _check_under_another_account(Path(folder), text, secured)


def _check_under_another_account(folder: Path, text: str, secured: int) -> None:
    folder.chmod(0o755)
    write_identity(folder / "mail.pem", "mail.local.test")
    with running(folder, workers=2, settings=text) as started:
        assert b"mail.local.test" in certificate(secured)
        write_identity(folder / "mail.pem", "renewed.test")
        started.run("settings", "reload")
        assert b"renewed.test" in certificate(secured)
        os.kill(started.workers()[0], 9)
        until(lambda: len(started.workers()) == 2, "the successor")
        assert all(b"renewed.test" in certificate(secured) for _ in range(8))


def test_an_expiring_certificate_is_told(tmp_path: Path) -> None:
    key = new_key()
    old = self_signed(key, ("mail.local.test",), datetime.now(UTC) - timedelta(days=3640))
    (tmp_path / "mail.pem").touch(0o600)
    (tmp_path / "mail.pem").write_bytes(key_pem(key) + old)
    text, _ = settings('certificate = "mail.pem"')
    with running(tmp_path, settings=text) as started:
        assert _events(started, "certificate_expires")[0]["names"] == ["mail.local.test"]
