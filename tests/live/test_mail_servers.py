"""Postfix, Exim and OpenSMTPD as neighbours: we relay to them and they to us, by all that they and we speak."""

import contextlib
import os
import shutil
import smtplib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.outside import fields, relaying, report
from tests.live.running import Service, free_port, until
from tests.peers.authority import Authority
from tests.peers.mailservers import MailServer, OfExim, OfOpenSmtpd, OfPostfix, missing

PATIENCE = 200.0
pytestmark = pytest.mark.timeout(900)
BODY = ".\r\n..\r\n.dots\r\nGrüße \r\n" + "x" * 900 + "\r\nFrom here\r\n"
KINDS = {"Postfix": OfPostfix, "Exim": OfExim, "OpenSMTPD": OfOpenSmtpd}
each = pytest.mark.parametrize("name", KINDS)


@contextlib.contextmanager
def neighbours(name: str, tmp_path: Path) -> Iterator[tuple[Service, MailServer]]:
    """Our service and such a server, each the other's way to the world."""
    kind = KINDS[name]
    why = missing(kind)
    if why:
        (pytest.fail if os.environ.get("CI") and not os.geteuid() else pytest.skip)(why)
    public = Path(tempfile.mkdtemp(prefix="neighbour-"))  # where the server's accounts can enter
    public.chmod(0o755)
    try:
        certificate = Authority(tmp_path).issue("127.0.0.1")
        with relaying(tmp_path / "service", f'smart_host = "[127.0.0.1]:{free_port()}"\n') as service:
            server = kind(public / "server", service.port, certificate)
            service.stop()
            service.settings = service.settings.replace(
                service.settings.partition('smart_host = "')[2].partition('"')[0], f"[127.0.0.1]:{server.port}"
            )
            service.start()
            server.start()
            try:
                yield service, server
            finally:
                server.close()
    finally:
        shutil.rmtree(public, ignore_errors=True)


def message(subject: str) -> bytes:
    header = f"From: a@local.test\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n"
    kind = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
    return f"{header}{kind}\r\n{BODY}".encode()


def body_of(octets: bytes) -> bytes:
    """The body with LF, which is what these servers keep."""
    return octets.replace(b"\r\n", b"\n").partition(b"\n\n")[2]


@each
def test_mail_goes_there_whole_inside_tls_and_its_success_is_told(name: str, tmp_path: Path) -> None:
    with neighbours(name, tmp_path) as (service, server):
        with service.connect() as client:
            client.ehlo()
            client.sendmail("a@local.test", "user@drop.example", message("one"), ["BODY=8BITMIME"], ["NOTIFY=SUCCESS"])
        (kept,) = until(server.kept, "the message at the other server", PATIENCE)
        assert body_of(kept) == body_of(message("one"))
        assert b"by mail.local.test" in kept and b"Subject: one" in kept
        (attempt,) = until(lambda: service.events("attempt"), "the event")
        if "STARTTLS" in server.extensions:
            assert attempt["tls"].startswith("TLSv1.")
        else:  # what is opportunistic goes in clear text then, and the log says why
            assert "tls" not in attempt and until(lambda: service.events("tls_fallback"), "the warning")
        (told,) = until(service.dropped, "what tells of the success", PATIENCE)
        assert b"Action: delivered" in told.read_bytes() or b"Action: relayed" in told.read_bytes()
        assert b"user@drop.example" in told.read_bytes().partition(b"Final-Recipient:")[2]


@each
def test_many_messages_go_there_on_few_connections(name: str, tmp_path: Path) -> None:
    with neighbours(name, tmp_path) as (service, server):
        with service.connect() as client:
            for number in range(30):
                client.sendmail("a@local.test", "user@drop.example", message(str(number)))
        until(lambda: len(server.kept()) == 30, "all of them", PATIENCE)
        subjects = sorted(int(kept.partition(b"\nSubject: ")[2].split(b"\n")[0]) for kept in server.kept())
        assert subjects == [*range(30)]
        until(lambda: not service.ask("queue", "list"), "an empty queue")


@each
def test_mail_comes_from_there_whole_and_inside_tls(name: str, tmp_path: Path) -> None:
    with neighbours(name, tmp_path) as (service, server):
        with smtplib.SMTP("127.0.0.1", server.port, timeout=120) as client:
            client.ehlo()
            client.sendmail("a@source.example", "ann@local.test", message("back"), ["BODY=8BITMIME"])
        (path,) = until(service.dropped, "the message in Drop", PATIENCE)
        octets = path.read_bytes()
        assert body_of(octets) == body_of(message("back"))
        assert b" over TLS secured channel with Mailroot SMTPSVC" in octets


@pytest.mark.parametrize("name", ["Exim", "OpenSMTPD"])
def test_who_is_nobody_there_comes_back_as_a_report(name: str, tmp_path: Path) -> None:
    with neighbours(name, tmp_path) as (service, _):
        service.send("nobody@drop.example")
        told = fields(report(service, "nobody@drop.example", PATIENCE))
        assert told["action"] == "failed" and told["status"].startswith("5.")


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if "SMTPUTF8" in kind.extensions])
def test_international_addresses_pass_both_ways(name: str, tmp_path: Path) -> None:
    with neighbours(name, tmp_path) as (service, server):
        with service.connect() as client:
            client.ehlo()
            client.sendmail("ä@local.test", "user@drop.example", message("ü"), ["SMTPUTF8", "BODY=8BITMIME"])
        (kept,) = until(server.kept, "the message at the other server", PATIENCE)
        assert "Subject: ü".encode() in kept
        with smtplib.SMTP("127.0.0.1", server.port, timeout=120) as client:
            client.ehlo()
            client.sendmail("a@source.example", "ö@local.test", message("ö"), ["SMTPUTF8", "BODY=8BITMIME"])
        (path,) = until(service.dropped, "the message in Drop", PATIENCE)
        assert "x-receiver: ö@local.test".encode() in path.read_bytes()


def test_what_a_server_does_not_speak_is_told_to_the_sender(tmp_path: Path) -> None:
    with neighbours("OpenSMTPD", tmp_path) as (service, server):
        with service.connect() as client:
            client.ehlo()
            client.sendmail("a@local.test", "ü@drop.example", message("x"), ["SMTPUTF8"])
        (failed,) = until(lambda: service.events("failed"), "the failure", PATIENCE)
        assert failed["status"] == "5.6.7"
        assert server.kept() == []
