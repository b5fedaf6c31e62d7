"""Programs that others wrote, at both ends: Postfix, its smtp-sink, and swaks."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.load import Load, Sink, send, tool
from bench.servers import Postfix
from tests.live.outside import fields, relaying, report
from tests.live.running import Service, free_port, until

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="Postfix can only be started by root")


@contextlib.contextmanager
def sink(*options: str) -> Iterator[int]:
    """Postfix's smtp-sink with options of its own; its port."""
    port = free_port()
    account = [] if os.geteuid() else ["-u", "nobody"]
    process = subprocess.Popen([tool("smtp-sink"), *options, *account, f"127.0.0.1:{port}", "1000"])
    try:
        until(lambda: listens(port), "smtp-sink to listen")
        yield port
    finally:
        process.terminate()
        process.wait(120)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def delivered(service: Service) -> int:
    return len(service.events("delivered"))


def test_mail_is_relayed_to_smtp_sink_one_for_one(tmp_path: Path) -> None:
    port = free_port()
    counting = Sink(port)
    try:
        until(lambda: listens(port), "smtp-sink to listen")
        with relaying(tmp_path, f'smart_host = "[127.0.0.1]:{port}"\n') as service:
            send(Load(1000, sessions=20, recipient="r@far.example"), service.port)
            until(lambda: counting.messages >= 1000, "all messages", 300)
            until(lambda: not service.ask("queue", "list"), "an empty queue")
            until(lambda: delivered(service) >= 1000, "all events")
            assert delivered(service) == 1000
        assert counting.messages == 1000
    finally:
        counting.close()


@pytest.mark.parametrize(
    "options", [("-e",), ("-p",), ("-8",), ("-w", "1")], ids=["HELO", "one-by-one", "7bit", "slow"]
)
def test_smtp_sink_in_all_its_moods_takes_the_mail(tmp_path: Path, options: tuple[str, ...]) -> None:
    with sink(*options) as port, relaying(tmp_path, f'smart_host = "[127.0.0.1]:{port}"\n') as service:
        for _ in range(3):
            service.send("a@far.example")
        until(lambda: delivered(service) == 3, "all messages")


@pytest.mark.parametrize(("options", "status"), [(("-f", "RCPT"), "5.3.0"), (("-f", "."), "5.3.0")])
def test_what_smtp_sink_refuses_comes_back(tmp_path: Path, options: tuple[str, ...], status: str) -> None:
    with sink(*options) as port, relaying(tmp_path, f'smart_host = "[127.0.0.1]:{port}"\n') as service:
        service.send("a@far.example")
        told = fields(report(service, "a@far.example"))
    assert (told["action"], told["status"]) == ("failed", status)


@pytest.mark.parametrize("options", [("-r", "RCPT"), ("-r", "."), ("-q", "DATA"), ("-q", "."), ("-Q", "MAIL")])
def test_what_smtp_sink_puts_off_or_cuts_off_waits(tmp_path: Path, options: tuple[str, ...]) -> None:
    with sink(*options) as port, relaying(tmp_path, f'smart_host = "[127.0.0.1]:{port}"\n') as service:
        service.send("a@far.example")
        until(lambda: service.events("deferred"), "the mail to wait")
        (row,) = until(lambda: [one for one in service.ask("queue", "list") if one["attempts"]], "its settlement")
        assert row["attempts"] == 1 and row["recipient"] == "a@far.example"


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that other accounts can reach."""
    folder = Path(tempfile.mkdtemp(prefix="postfix-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@as_root
def test_mail_goes_to_postfix_and_comes_from_it(tmp_path: Path, public_folder: Path) -> None:
    there = free_port()
    settings = f'smart_host = "[127.0.0.1]:{there}"\n'
    with relaying(tmp_path, settings) as service:
        postfix = Postfix(public_folder / "server", service.port)
        service.stop()
        service.settings = service.settings.replace(f":{there}", f":{postfix.port}")
        service.start()
        postfix.start()
        try:
            for _ in range(30):
                service.send("user@drop.example")
            until(lambda: postfix.delivered() == 30, "the mail at Postfix", 200)
            taken = next(postfix.drop().iterdir()).read_text()
            assert "by mail.local.test" in taken and "Return-Path: <sender@local.test>" in taken

            swaks(postfix.port, "ann@local.test")
            (path,) = until(service.dropped, "the mail from Postfix in Drop", 200)
            assert b"by postfix.example (Postfix)" in path.read_bytes()
            assert path.read_bytes().count(b"Received: from") == 2

            with service.connect() as client:
                client.sendmail(
                    "sender@local.test", "sure@drop.example", "Subject: x\r\n\r\nx\r\n", (), ["NOTIFY=SUCCESS"]
                )
            confirmed = report(service, "sure@drop.example", 200)
            assert fields(confirmed)["action"] == "delivered" and "Postfix" in confirmed.as_string()
        finally:
            postfix.close()


def swaks(port: int, recipient: str, *options: str) -> None:
    command = ["swaks", "--server", "127.0.0.1", "--port", str(port), "--from", "s@source.example", "--to", recipient]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout


def test_swaks_brings_mail_that_is_relayed_with_its_attachment(tmp_path: Path) -> None:
    attachment = tmp_path / "report.bin"
    attachment.write_bytes(os.urandom(300_000))
    with sink() as port, relaying(tmp_path / "service", f'smart_host = "[127.0.0.1]:{port}"\n') as service:
        swaks(service.port, "a@far.example", "--attach", f"@{attachment}", "--pipeline")
        until(lambda: delivered(service) == 1, "the delivery")
