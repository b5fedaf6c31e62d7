"""A service whose administration listens, and clients of it."""

import contextlib
import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.live.running import Service, free_port, service, until

PASSWORD = "a long enough password"


@dataclass
class Administered:
    """A service, the port of its administration, and a token of an administrator."""

    service: Service
    port: int
    token: str = ""

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Status, JSON (or octets) and headers of an answer."""
        given = {"Authorization": f"Bearer {self.token if token is None else token}"} if self.token or token else {}
        content = b"" if body is None else json.dumps(body).encode()
        kind = {"Content-Type": "application/json"} if content else {}
        connection = self.connection()
        try:
            connection.request(method, path, content, {**given, **kind, **(headers or {})})
            answer = connection.getresponse()
            octets = answer.read()
        finally:
            connection.close()
        shown = json.loads(octets) if "json" in answer.headers.get("Content-Type", "") else octets
        return answer.status, shown, answer.headers  # type: ignore[return-value]

    def connection(self) -> http.client.HTTPConnection:
        """A new connection."""
        if "certificate" in self.service.settings:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=context)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def answers(self) -> bool:
        """Whether it answers by now."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.ask("GET", "/health", token="")[0] == 200
        return False

    def awake(self) -> "Administered":
        """Wait until it answers."""
        until(self.answers, "the administration to answer", 60)
        return self

    def administrator(self) -> "Administered":
        """With a token of an administrator."""
        made = self.service.ask("token", "create", "tests", "--role", "administrator")
        self.token = made["token"]
        return self


def administered(folder: Path, more: str = "", admin: str = "", workers: int = 1) -> Administered:
    """A service that is not started yet."""
    port = free_port()
    made = service(folder, more, workers)
    made.settings = made.settings.replace('listen = ""', f'listen = "127.0.0.1:{port}"\n{admin}')
    return Administered(made, port)


@contextlib.contextmanager
def administering(folder: Path, more: str = "", admin: str = "", workers: int = 1) -> Iterator[Administered]:
    """One that runs while the block does, and answers."""
    made = administered(folder, more, admin, workers)
    try:
        made.service.start()
        yield made.awake().administrator()
    finally:
        if made.service.process is not None:
            made.service.stop()
