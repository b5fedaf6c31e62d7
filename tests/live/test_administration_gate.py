"""Connections to the administration that say nothing: one address has its share of them, and nobody else waits."""

import contextlib
import select
import socket
from collections.abc import Iterator

import pytest

from mailroot.admin.gate import MOST, SHARE
from tests.live.administering import Administered, administering
from tests.live.running import service, until

# More than there are places in all, so that each of them tells on others where they are not counted by address.
_SILENT = MOST + 88


@pytest.fixture(scope="module", params=["clear", "tls"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Administered]:
    folder = tmp_path_factory.mktemp("gate")
    admin = ""
    if request.param == "tls":
        plain = service(folder)
        plain.file.write_text(plain.settings)
        plain.run("certificate", "new", "mail.local.test")
        pem = next((folder / "Certificates").glob("*.pem"))
        admin = f'certificate = "{pem}"\n'
    with administering(folder, admin=admin) as made:
        yield made


@contextlib.contextmanager
def silent(site: Administered, address: str) -> Iterator[list[socket.socket]]:
    """Many connections of an address that begin nothing, neither TLS nor a request."""
    with contextlib.ExitStack() as stack:
        made = []
        for _ in range(_SILENT):
            one = stack.enter_context(socket.socket())
            one.bind((address, 0))
            one.settimeout(90)
            one.connect(("127.0.0.1", site.port))
            made.append(one)
        yield made


def ended(connections: list[socket.socket]) -> int:
    """How many of them the other side has closed."""
    poll = select.poll()
    for one in connections:
        poll.register(one, select.POLLIN | select.POLLRDHUP)
    return len(poll.poll(0))


@pytest.mark.parametrize("address", ["127.0.0.2", "127.0.0.1"])
def test_silent_connections_of_one_address_keep_nobody_out(site: Administered, address: str) -> None:
    with silent(site, address) as connections:
        status, answer, _ = site.ask("GET", "/health")
        assert (status, answer) == (200, {"status": "ok"})
        assert site.ask("GET", "/api/v1/server/list")[0] == 200
        until(lambda: ended(connections) >= _SILENT - SHARE, "all beyond the share of one address to be closed")


def test_a_silent_connection_is_closed(site: Administered) -> None:
    with socket.create_connection(("127.0.0.1", site.port), timeout=90) as one:
        assert one.recv(1) == b""


def test_one_that_is_kept_open_between_requests_gives_its_place_to_a_new_one(site: Administered) -> None:
    kept = [site.connection() for _ in range(SHARE + 8)]
    try:
        for one in kept:
            one.request("GET", "/health")
            answer = one.getresponse()
            assert answer.status == 200
            answer.read()
    finally:
        for one in kept:
            one.close()
