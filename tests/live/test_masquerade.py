"""Under which names other servers and senders know us: the masquerade domain, and the fully-qualified domain name."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.outside import fields, outside, relaying, report
from tests.live.running import Service, until
from tests.peers.smtp import Peer

LETTER = "Subject: hello\r\n\r\nHello.\r\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Peer]]:
    with contextlib.ExitStack() as stack:
        world = stack.enter_context(outside())
        peer = world.enter(Peer({"RCPT TO:<nobody@away.example>": "550 5.1.1 No such user here"}))
        delivery = f'masquerade_domain = "public.example"\nsmart_host = "[127.0.0.1]:{peer.port}"'
        folder: Path = tmp_path_factory.mktemp("site")
        yield stack.enter_context(relaying(folder, delivery)), peer


def commands(site: tuple[Service, Peer], sender: str, recipient: str, letter: str = LETTER) -> list[str]:
    """What the other server heard of one message."""
    service, peer = site
    before = len(peer.commands)
    with service.connect() as client:
        client.sendmail(sender, recipient, letter)
    until(lambda: any(recipient in line for line in peer.commands[before:]), "the recipient at the other server")
    return peer.commands[before:]


def test_the_first_hop_wears_the_masquerade_in_mail_from_alone(site: tuple[Service, Peer]) -> None:
    heard = commands(site, "app@local.test", "a@away.example", f"From: app@local.test\r\n{LETTER}")
    assert [line.split()[1] for line in heard if line.startswith("MAIL")] == ["FROM:<app@public.example>"]
    message = until(lambda: site[1].messages, "the message")[-1]
    assert b"From: app@local.test\r\n" in message
    assert message.split(b"\r\n")[0].endswith(b"by mail.local.test with Mailroot SMTPSVC(0.1.0);")
    assert "EHLO mail.local.test" in site[1].commands


def test_what_was_relayed_to_us_keeps_its_sender(site: tuple[Service, Peer]) -> None:
    letter = f"Received: from a by b; Thu, 1 Jan 2026 00:00:00 +0000\r\n{LETTER}"
    heard = commands(site, "app@local.test", "b@away.example", letter)
    assert [line.split()[1] for line in heard if line.startswith("MAIL")] == ["FROM:<app@local.test>"]


def test_reports_come_from_the_masquerade_and_name_the_server(site: tuple[Service, Peer]) -> None:
    service, _ = site
    commands(site, "app@local.test", "nobody@away.example")
    told = report(service, "nobody@away.example")
    assert told["From"] == "postmaster@public.example" and told["To"] == "app@local.test"
    assert fields(told)["reporting-mta"] == "dns;mail.local.test"
    with service.connect() as client:
        assert client.ehlo("client.example")[1].startswith(b"mail.local.test ")
