"""A service elsewhere whose answers are not what they should be: read to a limit, and told as a fault."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from mailroot.edge import remoteservice
from mailroot.edge.control import Refused
from mailroot.edge.remoteservice import RemoteService
from mailroot.mail.faults import Unavailable


class Peer(BaseHTTPRequestHandler):
    """Answers as its path says."""

    def do_GET(self) -> None:
        kind = self.path.partition("?")[0].rpartition("/")[2]
        getattr(self, f"_{kind}")()

    def do_POST(self) -> None:
        given = self.rfile.read(int(self.headers["Content-Length"]))
        self._say(200, given)

    def _say(self, status: int, octets: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)

    def _told(self) -> None:
        self._say(200, json.dumps([self.path, self.headers["Authorization"]]).encode())

    def _missing(self) -> None:
        self._say(404, b'{"detail": "there is none"}')

    def _broken(self) -> None:
        self._say(200, b"<html>")

    def _endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(b" " * 4096)
        except OSError:
            pass

    def log_message(self, format: str, *given: Any) -> None:
        """Nothing is logged."""


@pytest.fixture(scope="module")
def peer() -> Iterator[RemoteService]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Peer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield RemoteService(f"http://127.0.0.1:{server.server_port}", "the-token")
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_is_asked_and_what_is_changed_comes_back(peer: RemoteService) -> None:
    assert peer.ask("told", {"all": True}, changes=False) == ["/api/v1/told?all=true", "Bearer the-token"]
    assert peer.ask("told", {"a": [1]}, changes=True) == {"a": [1]}


def test_a_refusal_is_the_services_own(peer: RemoteService) -> None:
    with pytest.raises(Refused, match="there is none"):
        peer.ask("missing", {}, changes=False)


def test_what_is_no_answer_of_ours_is_told(peer: RemoteService) -> None:
    with pytest.raises(Unavailable, match="none of Mailroot"):
        peer.ask("broken", {}, changes=False)


def test_an_answer_without_end_is_read_to_the_limit_only(peer: RemoteService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remoteservice, "_LARGEST_ANSWER", 1 << 20)
    with pytest.raises(Unavailable, match="longer than"):
        peer.ask("endless", {}, changes=False)
    assert peer.ask("told", {}, changes=False)


def test_an_answer_that_trickles_is_not_waited_for_without_end(
    peer: RemoteService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remoteservice, "_SECONDS", -1.0)
    with pytest.raises(Unavailable, match="no whole answer"):
        peer.ask("endless", {}, changes=False)
