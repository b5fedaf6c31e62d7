"""Programs that send mail, as they come with Debian, through a real service: every octet arrives, refusals are told."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.live.running import Service, running, until
from tests.peers.authority import Authority
from tests.peers.clients import CLIENTS, Errand, missing, send

BODY = (
    "A first line.\r\n.\r\n..two dots\r\n.a dot first\r\n\r\n\tGr\u00fc\u00dfe, \u20ac\r\n" + "long " * 190 + "\r\n\r\n"
    "QUIT\r\n.\r\nMAIL FROM:<x@y.test>\r\nthe end\r\n"
).encode()
HEAD = b"From: a@client.test\r\nTo: ann@local.test\r\nSubject: a client\r\nMessage-ID: <%s@client.test>\r\n\r\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    # A limit of 64 KB, and no right to relay.
    more = '[servers.default.messages]\nsize_limit = "64KB"\nsession_limit = "64KB"\n'
    with running(tmp_path_factory.mktemp("clients"), more) as started:
        started.stop()
        started.settings = started.settings.replace('list = ["127.0.0.1"]', "list = []")
        yield started.start()


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Path]]:
    """A service that asks for TLS, and the file of the authority that vouches for it."""
    folder = tmp_path_factory.mktemp("secured")
    authority = Authority(folder)
    more = f'[servers.default.access]\ntls = "require"\ncertificate = "{authority.issue("localhost")}"\n'
    with running(folder, more) as started:
        yield started, authority.file


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    lacking = missing(name)
    if lacking:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{lacking} is not installed")
    return name


def errand(service: Service, folder: Path, recipients: list[str], body: bytes = BODY) -> Errand:
    file = folder / "message"
    file.write_bytes(HEAD % os.urandom(4).hex().encode() + body)
    return Errand(service.port, file, "sender@client.test", recipients)


def test_every_octet_of_a_message_arrives(client: str, service: Service, tmp_path: Path) -> None:
    content = arrived(client, service, errand(service, tmp_path, ["ann@local.test", "bob@local.test"]))
    assert b"x-receiver: ann@local.test\r\nx-receiver: bob@local.test\r\n" in content
    # swaks puts a line end behind the content, though it has one.
    assert content.partition(b"\r\n\r\n")[2] == BODY + (b"\r\n" if client == "swaks" else b"")


def mark_of(asked: Errand) -> bytes:
    """The Message-ID of a message."""
    return asked.file.read_bytes().partition(b"Message-ID: ")[2].partition(b"\r\n")[0]


def arrived(client: str, service: Service, asked: Errand) -> bytes:
    """The file in Drop, once the client has sent the message."""
    mark = mark_of(asked)
    done = send(client, asked)
    assert done.returncode == 0, done.stdout + done.stderr
    found = until(lambda: [one for one in service.dropped() if mark in one.read_bytes()], "the message in Drop")
    (path,) = found
    return path.read_bytes()


def test_a_client_is_told_that_it_may_not_relay(client: str, service: Service, tmp_path: Path) -> None:
    done = send(client, errand(service, tmp_path, ["x@far.test"]))
    assert done.returncode != 0
    assert "Unable to relay for x@far.test" in done.stdout + done.stderr


def test_a_client_is_told_that_its_message_is_too_large(client: str, service: Service, tmp_path: Path) -> None:
    done = send(client, errand(service, tmp_path, ["ann@local.test"], b"large\r\n" * 20_000))
    assert done.returncode != 0
    assert "Message size exceeds fixed maximum message size" in done.stdout + done.stderr


def test_a_client_sends_through_tls_with_a_certificate_that_it_believes(
    client: str, secured: tuple[Service, Path], tmp_path: Path
) -> None:
    service, authority = secured
    asked = replace(errand(service, tmp_path, ["ann@local.test"]), trusted=str(authority))
    assert b" over TLS secured channel with Mailroot SMTPSVC" in arrived(client, service, asked)


def test_a_client_without_tls_is_told_to_use_it(client: str, secured: tuple[Service, Path], tmp_path: Path) -> None:
    done = send(client, errand(secured[0], tmp_path, ["ann@local.test"]))
    assert done.returncode != 0
    assert "530" in done.stdout + done.stderr or "STARTTLS" in done.stdout + done.stderr


def test_a_client_does_not_send_to_a_certificate_of_somebody_elses(
    client: str, secured: tuple[Service, Path], tmp_path: Path
) -> None:
    service, _ = secured
    asked = replace(errand(service, tmp_path, ["ann@local.test"]), trusted=str(Authority(tmp_path).file))
    assert send(client, asked).returncode != 0
    with service.connect() as after:
        after.starttls()
        after.sendmail("a@client.test", "ann@local.test", f"Message-ID: <after-{client}@x>\r\n\r\nx\r\n")
    accepted = until(lambda: accepted_by(service, f"<after-{client}@x>"), "the message after it in the log")
    assert mark_of(asked).decode() not in accepted


def accepted_by(service: Service, last: str) -> list[str]:
    """The Message-IDs that were accepted, once the last one is among them."""
    found = [str(event["message_id"]) for event in service.events("accepted")]
    return found if last in found else []
