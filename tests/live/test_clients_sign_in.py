"""Programs that send mail sign in to a real service, by every mechanism that they speak, and relay by their account."""

import itertools
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.live.outside import settings
from tests.live.running import Service, running, until
from tests.peers.authority import Authority
from tests.peers.clients import SPOKEN, Errand, SignIn, missing, send

PASSWORD = 'a long pass-word, with blanks %41 & "quotes"'
# Nobody relays by address. Mail for elsewhere waits: its smart host takes no connections.
ACCESS = """
[servers.default.access]
anonymous = false
basic = true
basic_requires_tls = {tls}
integrated = true
cram_md5 = true
certificate = "{certificate}"
guesses_per_address = 0
guesses_per_account = 0
"""
SPEAKING = [(client, mechanism) for client, mechanisms in SPOKEN.items() for mechanism in mechanisms]
each_way = pytest.mark.parametrize(("client", "mechanism"), SPEAKING, indirect=["client"], ids=lambda word: word)


class Server:
    """A service with the account `ann`, and the file of the authority that vouches for it."""

    def __init__(self, service: Service, trusted: Path) -> None:
        self.service, self.trusted = service, trusted
        self._numbers = itertools.count()

    def errand(self, mechanism: str, password: str = PASSWORD) -> tuple[Errand, str]:
        """A message in another's name for somebody elsewhere, and its Message-ID."""
        number = next(self._numbers)
        file, mark = self.service.folder / f"message{number}", f"<{number}@client.test>"
        file.write_text(f"Subject: x\r\nMessage-ID: {mark}\r\n\r\nHello.\r\n")
        sign_in = SignIn(mechanism, "ann", password)
        return Errand(self.service.port, file, "other@client.test", ["x@far.test"], sign_in), mark

    def accepted(self, mark: str) -> dict[str, Any]:
        """The event of a message, once it is there."""
        found: list[dict[str, Any]] = until(
            lambda: [one for one in self.service.events("accepted") if one["message_id"] == mark], "the message"
        )
        return found[0]


def serving(folder: Path, tls: bool) -> Iterator[Server]:
    authority = Authority(folder)
    access = ACCESS.format(tls=str(tls).lower(), certificate=authority.issue("localhost"))
    text = settings('smart_host = "[127.0.0.1]:9"', access).replace('list = ["127.0.0.1"]', "list = []")
    with running(folder, settings=text) as service:
        service.run("account", "add", "ann", typed=PASSWORD + "\n")
        yield Server(service, authority.file)


@pytest.fixture(scope="module")
def clear(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from serving(tmp_path_factory.mktemp("clear"), tls=False)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from serving(tmp_path_factory.mktemp("secured"), tls=True)


@pytest.fixture
def client(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    lacking = missing(name)
    if lacking:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{lacking} is not installed")
    return name


@each_way
def test_a_client_signs_in_and_relays_in_any_name_and_the_log_tells_who(
    client: str, mechanism: str, clear: Server
) -> None:
    errand, mark = clear.errand(mechanism)
    done = send(client, errand)
    assert done.returncode == 0, done.stdout + done.stderr
    accepted = clear.accepted(mark)
    assert accepted["sender"] == "other@client.test"
    (signed,) = [one for one in clear.service.events("signed_in") if one["session"] == accepted["session"]]
    assert (signed["user"], signed["mechanism"]) == ("ann", mechanism)


@each_way
def test_a_client_signs_in_inside_tls(client: str, mechanism: str, secured: Server) -> None:
    errand, mark = secured.errand(mechanism)
    done = send(client, replace(errand, trusted=str(secured.trusted)))
    assert done.returncode == 0, done.stdout + done.stderr
    secured.accepted(mark)


def test_a_wrong_password_sends_nothing(clear: Server) -> None:
    here = [(client, mechanism) for client, mechanism in SPEAKING if not missing(client)]
    wrong = [(client, *clear.errand(mechanism, "wrong")) for client, mechanism in here]
    with ThreadPoolExecutor(len(wrong)) as pool:  # each failure takes its time, so all come at once
        done = list(pool.map(lambda one: send(one[0], one[1]), wrong))
    assert [client for (client, _, _), said in zip(wrong, done, strict=True) if said.returncode == 0] == []
    errand, right = clear.errand("")
    with clear.service.connect() as client:
        client.login("ann", PASSWORD)
        client.sendmail(errand.sender, errand.recipients, errand.file.read_bytes())
    clear.accepted(right)
    assert {mark for _, _, mark in wrong}.isdisjoint(one["message_id"] for one in clear.service.events("accepted"))
    failed = {one["mechanism"] for one in clear.service.events("sign_in_failed")}
    assert failed == {mechanism for _, mechanism in here}


@pytest.mark.parametrize("client", SPOKEN, indirect=True)
def test_D08_no_client_is_offered_to_send_its_password_in_clear(client: str, secured: Server) -> None:
    errand, _ = secured.errand("PLAIN")
    assert send(client, errand).returncode != 0


def test_O06_no_password_is_in_any_log_or_file(clear: Server, secured: Server) -> None:
    for server in (clear, secured):
        files = [path for path in server.service.folder.rglob("*") if path.is_file()]
        assert [path for path in files if PASSWORD.encode() in path.read_bytes()] == []
