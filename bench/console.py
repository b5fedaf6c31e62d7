"""What it costs that somebody looks: pages of the console are opened while mail comes in as fast as it can.

A browser asks for a page each second, and so does this; it signs in as an operator first.
"""

import contextlib
import http.client
import re
import statistics
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.load import Load
from bench.servers import CLEAR, ROOT, Door, Mailroot, Unfinished, free_port
from bench.workloads import Bench, Figures, Workload, measure_rounds

_NAME, _PASSWORD = "bench", "a password of the benchmark"
_PAGES = ("/", "/servers/default", "/servers/default/queue", "/servers/default/sessions", "/pictures")
_APART = 1.0
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_PATIENCE = 60.0


class Administered(Mailroot):
    """Mailroot with an operator who looks at it."""

    name = "Mailroot, looked at"

    def __init__(self, folder: Path, relay_port: int, door: Door = CLEAR) -> None:
        self.admin = free_port()
        super().__init__(folder, relay_port, door)

    def start(self) -> float:
        """Start the server, and let the operator in."""
        seconds = super().start()
        command = [str(ROOT / "mailroot"), "operator", "add", _NAME, "--role", "viewer", "--config", str(self.config)]
        subprocess.run(command, input=f"{_PASSWORD}\n".encode(), check=True, capture_output=True)
        return seconds

    def _settings(self) -> str:
        return re.sub(r'(?m)^listen = ".*"$', f'listen = "127.0.0.1:{self.admin}"', super()._settings(), count=1)


class Looker:
    """Opens a page each second, in turn, and notes how long each took in milliseconds."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.milliseconds: list[float] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more. Raises `Unfinished` where no page was ever shown."""
        self._over.set()
        self._thread.join(_PATIENCE)
        if not self.milliseconds:
            raise Unfinished("the console showed no page")

    def _look(self) -> None:
        cookie = ""
        while not cookie and not self._over.wait(_APART / 2):
            with contextlib.suppress(OSError, http.client.HTTPException):
                cookie = self._sign_in()
        pages = 0
        while cookie and not self._over.wait(_APART):
            page = _PAGES[pages % len(_PAGES)]
            pages += 1
            began = time.monotonic()
            with contextlib.suppress(OSError, http.client.HTTPException):
                status, _, octets = self._ask("GET", page, "", {"Cookie": cookie})
                if status == http.HTTPStatus.OK and b"</html>" in octets:
                    self.milliseconds.append((time.monotonic() - began) * 1000)

    def _sign_in(self) -> str:
        words = urllib.parse.urlencode({"name": _NAME, "password": _PASSWORD, "next": "/"})
        origin = {"Origin": f"http://127.0.0.1:{self._port}"}
        _, given, _ = self._ask("POST", "/login", words, _FORM | origin)
        return given.partition(";")[0]

    def _ask(self, method: str, path: str, body: str, headers: dict[str, str]) -> tuple[int, str, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers.get("Set-Cookie", ""), answer.read()
        finally:
            connection.close()


@contextmanager
def _looking(port: int) -> Iterator[Looker]:
    looker = Looker(port)
    try:
        yield looker
    finally:
        looker.close()


def looked_at(bench: Bench, load: Load) -> list[Figures]:
    """Measure the same load while nobody looks and while somebody does, in turn."""
    with replace(bench, kinds=(Mailroot, Administered)).servers(free_port()) as servers:
        watched = next(one for one in servers if isinstance(one, Administered))
        with _looking(watched.admin) as looker:
            figures = measure_rounds(bench, servers, load, lambda server: server.delivered())
    alone, shown = figures
    for before, after in zip(alone.rounds["msg/s"], shown.rounds["msg/s"], strict=True):
        shown.add("% slower", (1 - after / before) * 100)
    shown.add("ms a page, median", statistics.median(looker.milliseconds))
    shown.add("ms, 19 of 20", statistics.quantiles(looker.milliseconds, n=20)[-1])
    return figures


def console_workloads(bench: Bench) -> list[Workload]:
    """Return the one that measures the price of looking."""
    load = Load(bench.messages * 6, persistent=True)
    return [Workload("console", f"accept to Drop while pages are opened: {load}", lambda b: looked_at(b, load))]
