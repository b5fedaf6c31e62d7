"""Sockets that were opened for us: used by the bindings that they belong to, given back, never in two hands."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from mailroot.edge.systemd.inherited import Inherited
from mailroot.mail.faults import Misconfigured
from tests.live.running import PATIENCE, ROOT, free_port


@pytest.fixture
def born() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", free_port())) as one:
        one.setblocking(False)
        yield one


def greeted(place: tuple[str, int]) -> bytes:
    try:
        with socket.create_connection(place, PATIENCE) as client:
            return client.recv(10)
    except ConnectionResetError:
        return b"reset"


async def test_a_binding_uses_the_socket_of_its_place_and_gives_it_back(born: socket.socket) -> None:
    place = born.getsockname()
    inherited = Inherited([born])
    assert inherited.unused == (f"127.0.0.1:{place[1]}",)
    lent = inherited.listen(*place)
    assert lent.getsockname() == place
    assert inherited.unused == ()
    with pytest.raises(Misconfigured, match="Address already in use"):
        inherited.listen(*place)
    lent.close()
    lent.close()
    again = inherited.listen(*place)
    client = socket.create_connection(place, PATIENCE)
    accepted, _ = await asyncio.get_running_loop().sock_accept(again)
    accepted.close()
    client.close()
    again.close()


async def test_who_comes_while_no_server_uses_it_is_turned_away_at_once(born: socket.socket) -> None:
    place = born.getsockname()
    inherited = Inherited([born])
    inherited.turn_away()
    assert await asyncio.to_thread(greeted, place) == b"reset"
    lent = inherited.listen(*place)
    waiting = socket.create_connection(place, PATIENCE)
    lent.close()
    assert await asyncio.to_thread(greeted, place) == b"reset"
    waiting.close()


async def test_once_the_end_has_begun_clients_wait_for_the_next_service(born: socket.socket) -> None:
    place = born.getsockname()
    inherited = Inherited([born])
    inherited.turn_away()
    lent = inherited.listen(*place)
    inherited.end()
    lent.close()
    with socket.create_connection(place, PATIENCE) as client:
        await asyncio.sleep(0.05)
        accepted, _ = await asyncio.get_running_loop().sock_accept(born)
        accepted.send(b"220 next")
        assert client.recv(10) == b"220 next"
        accepted.close()


async def test_another_place_is_opened_as_usual(born: socket.socket) -> None:
    port = free_port()
    with Inherited([born]).listen("127.0.0.1", port) as one:
        assert one.getsockname() == ("127.0.0.1", port)


def test_what_is_meant_for_another_process_is_left_alone() -> None:
    environment = {"LISTEN_FDS": "2", "LISTEN_PID": "1", "LISTEN_FDNAMES": "x:y", "A": "b"}
    assert Inherited.taken(environment).unused == ()
    assert environment == {"A": "b"}


BORN = """
import os, sys
from mailroot.edge.systemd.inherited import Inherited
from mailroot.mail.faults import Misconfigured
os.environ["LISTEN_PID"] = str(os.getpid())
try:
    taken = Inherited.taken(os.environ)
    print(*taken.unused, os.get_inheritable(3))
except Misconfigured as fault:
    print(fault)
"""


def said_of(one: socket.socket) -> str:
    """What a process says that was born with this socket as systemd hands it over."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "LISTEN_FDS": "1"}
    handed = f'exec {one.fileno()}<&{one.fileno()} 3<&{one.fileno()}; exec "$0" -c "$1"'
    command = ["bash", "-c", handed, sys.executable, BORN]
    done = subprocess.run(
        command, env=environment, pass_fds=[one.fileno()], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_sockets_of_the_environment_are_ours_and_no_childs(born: socket.socket) -> None:
    assert said_of(born) == f"127.0.0.1:{born.getsockname()[1]} False"


def test_other_kinds_of_sockets_are_refused_with_the_mend() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        assert "write ListenStream=ADDRESS:PORT" in said_of(datagrams)
    with socket.socket() as silent:
        assert "leave Accept=no" in said_of(silent)
