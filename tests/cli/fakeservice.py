"""A service that is only its control socket: answers as it is told and remembers what it was asked."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mailroot.edge.control import control_path, reachable

Answer = Callable[[str, dict[str, Any]], Any]


class FakeService:
    """`asked` are the requests so far, as (operation, arguments)."""

    def __init__(self, answer: Answer) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._answer = answer

    def serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, connection.makefile("rb") as lines:
                    connection.settimeout(60)
                    request = json.loads(lines.readline())
                    self.asked.append((request["operation"], request["arguments"]))
                    connection.sendall(self._line(request))

    def _line(self, request: dict[str, Any]) -> bytes:
        answer = self._answer(request["operation"], request["arguments"])
        if isinstance(answer, bytes):
            return answer
        whole = {"ok": False, "error": str(answer)} if isinstance(answer, Exception) else {"ok": True, "result": answer}
        return json.dumps(whole).encode() + b"\n"


@contextlib.contextmanager
def fake_service(file: Path, answer: Answer) -> Iterator[FakeService]:
    """Answer at the control socket of this settings file while the block runs."""
    service = FakeService(answer)
    with socket.socket(socket.AF_UNIX) as listener, reachable(control_path(file)) as name:
        listener.bind(name)
        listener.listen()
        thread = threading.Thread(target=service.serve, args=(listener,), daemon=True)
        thread.start()
        try:
            yield service
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(60)
            control_path(file).unlink()
