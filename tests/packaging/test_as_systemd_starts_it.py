"""The service as its unit runs it: under its own account from the start, without rights, with sockets given to it."""

import contextlib
import os
import pwd
import signal
import smtplib
import socket
import stat
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.running import PATIENCE, SETTINGS, Service, free_port, service, until

ACCOUNT = "daemon"


class Systemd:
    """What systemd does for a service: it opens the port, and hears how the service is."""

    def __init__(self, folder: Path, port: int) -> None:
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(folder / "notify"))
        (folder / "notify").chmod(0o777)
        self.notify.setblocking(False)
        self.told: list[str] = []

    def command(self, *before: str) -> list[str]:
        """What stands before a command that is to be started so."""
        number = self.listener.fileno()
        os.set_inheritable(number, True)
        script = (
            f"exec 3<&{number} {number}<&-; export LISTEN_FDS=1 LISTEN_PID=$$ WATCHDOG_USEC=1000000 "
            f"NOTIFY_SOCKET={self.notify.getsockname()}; exec " + " ".join((*before, '"$@"'))
        )
        return ["bash", "-c", script, "bash"]

    def heard(self, word: str) -> bool:
        """Whether a word has been told so far."""
        while True:
            try:
                self.told += self.notify.recv(4096).decode().split("\n")
            except BlockingIOError:
                return any(line.startswith(word) for line in self.told)

    def close(self) -> None:
        self.listener.close()
        self.notify.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    made = Systemd(tmp_path, free_port())
    yield made
    made.close()


def given(made: Service, systemd: Systemd, *before: str) -> Service:
    """The service with the port that systemd has opened."""
    made.settings = made.settings.replace(f"127.0.0.1:{made.port}", f"127.0.0.1:{systemd.port}")
    made.port = systemd.port
    made.wrapper = systemd.command(*before)
    made.inherits = (systemd.listener.fileno(),)
    return made


def test_it_says_how_it_is_and_uses_the_socket_that_it_was_given(tmp_path: Path, systemd: Systemd) -> None:
    made = given(service(tmp_path / "service", workers=2), systemd).start()
    try:
        until(lambda: systemd.heard("READY=1"), "that it is ready")
        assert systemd.heard("STATUS=1 virtual server(s), 2 worker(s)")
        made.send()
        until(made.dropped, "the message in Drop")
        until(lambda: systemd.heard("WATCHDOG=1"), "that it is alive")
        systemd.told.clear()
        assert made.process is not None
        made.process.send_signal(signal.SIGHUP)
        until(lambda: systemd.heard("RELOADING=1"), "that it reads its settings again")
        until(lambda: systemd.heard("READY=1"), "that it has")
    finally:
        assert made.stop() == 0
    assert systemd.heard("STOPPING=1")


def refused(port: int) -> bool:
    """Whether a client is turned away, as where nobody listens."""
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
            return client.recv(100) == b""
    except ConnectionError:
        return True


def test_a_stopped_virtual_server_refuses_clients_and_has_its_socket_again(tmp_path: Path, systemd: Systemd) -> None:
    made = given(service(tmp_path / "service"), systemd).start()
    try:
        made.run("server", "stop", "default")
        until(lambda: refused(made.port), "a refusal")
        made.run("server", "start", "default")
        made.send()
        until(made.dropped, "the message in Drop")
    finally:
        made.stop()


def test_clients_that_come_during_a_restart_wait_for_the_next_service(tmp_path: Path, systemd: Systemd) -> None:
    made = given(service(tmp_path / "service"), systemd).start()
    made.stop()
    with socket.create_connection(("127.0.0.1", made.port), PATIENCE) as client:
        made.start()
        try:
            assert client.recv(100).startswith(b"220 ")
        finally:
            made.stop()


def test_a_socket_that_no_binding_names_is_told_of(tmp_path: Path, systemd: Systemd) -> None:
    made = service(tmp_path / "service")
    port = made.port
    given(made, systemd)
    made.settings = made.settings.replace(f":{systemd.port}", f":{port}")
    made.port = port
    made.start()
    try:
        until(lambda: f"127.0.0.1:{systemd.port} was opened for us, and no binding names it" in made.errors(), "it")
        assert refused(systemd.port)
        made.send()
    finally:
        made.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts programs under another account and opens low ports")
def test_a_port_below_1024_needs_no_right_and_nothing_is_roots(tmp_path: Path, program: Callable[[str], str]) -> None:
    for parent in (tmp_path, *tmp_path.parents[:3]):
        parent.chmod(0o755)
    low = next(port for port in range(1000, 1023) if _is_free(port))
    systemd = Systemd(tmp_path, low)
    before = (
        program("setpriv"), f"--reuid={ACCOUNT}", f"--regid={ACCOUNT}", "--clear-groups", "--no-new-privs",
        "--bounding-set=-all", "--inh-caps=-all",
    )  # fmt: skip
    admin = free_port()
    settings = SETTINGS.replace('listen = ""', f'listen = "127.0.0.1:{admin}"')
    made = given(service(tmp_path / "service", settings=settings, workers=2), systemd, *before)
    owner = pwd.getpwnam(ACCOUNT)
    os.chown(made.folder, owner.pw_uid, owner.pw_gid)
    made.file.write_text(made.settings)
    os.chown(made.file, owner.pw_uid, owner.pw_gid)
    try:
        made.start()
        with smtplib.SMTP("127.0.0.1", low, timeout=PATIENCE) as client:
            client.starttls()  # the first start made a certificate
            client.sendmail("a@local.test", "b@local.test", "Subject: x\r\n\r\nx\r\n")
        until(made.dropped, "the message in Drop")
        until(lambda: made.events("delivered"), "the event")
        made.run("set", "servers.default.general.connection_limit", "50")
        made.run("operator", "add", "ann", "--role", "administrator", typed="a long password\n")
        until(lambda: healthy(admin), "the administration")
        assert made.process is not None
        processes = (made.process.pid, *made.workers())  # supervisor, workers, administration
        assert len(processes) == 4
        for pid in processes:
            fields = Path(f"/proc/{pid}/status").read_text()
            assert f"\nUid:\t{owner.pw_uid}\t{owner.pw_uid}\t{owner.pw_uid}\t{owner.pw_uid}\n" in fields
            assert "\nCapPrm:\t0000000000000000" in fields and "\nCapBnd:\t0000000000000000" in fields
    finally:
        made.stop()
        systemd.close()
    # Root changes settings and accounts while nothing runs: they stay readable for the account.
    made.run("set", "servers.default.general.connection_limit", "60")
    made.run("account", "add", "bob", typed="sesame\n")
    made.run("dkim", "new", "local.test")
    made.run("certificate", "new", "mail.local.test")
    made.run("account", "list")
    ours = {path.name for path in (made.folder / "out", made.folder / "err")}  # which the test itself writes
    for path in made.folder.rglob("*"):
        if path.name not in ours:
            assert path.stat().st_uid == owner.pw_uid, path
            assert not stat.S_IMODE(path.stat().st_mode) & 0o002, path


def healthy(port: int) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
        return bool(answer.status == 200)
    return False


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
