"""A running service tells a syslog of what happens, with the predecessor's ids."""

import socket
from pathlib import Path

from tests.live.running import SETTINGS, Service, running, until

MORE = """
[service.events_to]
syslog = "{path}"
syslog_form = "rfc3164"
"""


class Log:
    """The machine's syslog."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self.lines: list[str] = []

    def has(self, *words: str) -> bool:
        """Whether a line with all these words has come."""
        while True:
            try:
                self.lines.append(self.socket.recv(65536).decode())
            except BlockingIOError:
                return any(all(word in line for word in words) for line in self.lines)


def settings_with(path: Path) -> str:
    return SETTINGS.replace("[servers.default]\n", MORE.format(path=path).lstrip() + "\n[servers.default]\n")


def test_service_and_delivery_events_reach_syslog(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    with running(tmp_path / "service", workers=2, settings=settings_with(tmp_path / "log")) as service:
        service.run("set", "servers.default.delivery.smart_host", "[127.0.0.1]:1")
        service.send()
        service.send("b@elsewhere.example")
        until(lambda: log.has("mailroot[", "delivered server=default"), "the delivery in syslog")
        until(lambda: log.has("SMTPSVC 4006: Message delivery to the host '127.0.0.1' failed"), "event 4006")
        until(lambda: log.has("SMTPSVC 4000: Message delivery to the remote domain '[127.0.0.1]:1'"), "event 4000")
    assert log.has("service_started") and log.has("service_stopped")
    log.socket.close()


def test_a_port_that_is_taken_is_event_115(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = settings_with(tmp_path / "log").format(port=port, workers=1)
        (tmp_path / "service").mkdir()
        service = Service(tmp_path / "service", settings, port)
        service.start(ready=False)
        assert service.process is not None and service.process.wait(120) == 1
    assert log.has("SMTPSVC 115: The service could not bind instance default to 127.0.0.1:")
    log.socket.close()


def test_the_limit_of_connections_is_event_402_once(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    settings = settings_with(tmp_path / "log").replace(
        "[servers.default.general]\n", "[servers.default.general]\nconnection_limit = 1\n"
    )
    with running(tmp_path / "service", settings=settings) as service:
        held = service.connect()
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", service.port), 120) as refused:
                assert refused.recv(1000).startswith(b"421")
        held.quit()
        until(lambda: log.has("connection_refused"), "the refusal in syslog")
    assert log.has("SMTPSVC 402: The maximum number of allowed inbound connections is reached by default")
    assert len([line for line in log.lines if "SMTPSVC 402" in line]) == 1
    log.socket.close()
