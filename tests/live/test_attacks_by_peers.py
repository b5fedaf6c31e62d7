"""What other servers, their names and their mail can do to a service that runs: loops, bounces, content on its way."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.rawclient import RawClient
from tests.live.running import Service, service, until
from tests.peers.dns import Names
from tests.peers.smtp import Peer

FQDN = 'fqdn = "mail.local.test"\n'
NOT_AT_ONCE = 'retry_intervals = ["1h"]\n'


@contextlib.contextmanager
def ending(*services: Service) -> Iterator[None]:
    """The services end with the block, however it ends."""
    try:
        yield
    finally:
        for one in services:
            if one.process is not None:
                one.kill()


def with_delivery(made: Service, text: str) -> Service:
    """The service with more settings in its delivery section."""
    made.settings = made.settings.replace(FQDN, FQDN + text)
    return made


async def eventually(true: object, what: str) -> object:
    """`until`, while peers in this process go on."""
    return await asyncio.to_thread(until, true, what)


async def test_A16_what_is_relayed_is_stuffed_again_and_arrives_octet_by_octet(tmp_path: Path) -> None:
    body = b".\r\n..\r\n.x\r\n...\r\n \r\n.\r\n\r\n" + b"y" * 3000 + b"\r\n..end\r\n"
    stuffed = b"Subject: x\r\n\r\n" + b"".join(
        b"." + line if line.startswith(b".") else line for line in body.splitlines(keepends=True)
    )
    async with Peer(extensions=("PIPELINING", "8BITMIME")) as peer:
        made = with_delivery(service(tmp_path), f'smart_host = "[127.0.0.1]:{peer.port}"\n')
        with ending(made):
            await asyncio.to_thread(made.start)
            await asyncio.to_thread(send, made, b"far@third.test", stuffed + b".\r\n")
            # A bare newline was mended when it came in: a line begins behind it, whatever it begins with.
            await asyncio.to_thread(send, made, b"far@third.test", stuffed + b"one\n.\ntwo\r\n.\r\n")
            await eventually(lambda: len(peer.messages) == 2, "both messages at the peer")
    bodies = {message.partition(b"\r\n\r\n")[2] for message in peer.messages}
    assert bodies == {body, body + b"one\r\n.\r\ntwo\r\n"}
    for connection in peer.connections:
        assert connection.raw.count(b"\n") == connection.raw.count(b"\r\n")


def send(made: Service, recipient: bytes, text: bytes, sender: bytes = b"sender@local.test") -> None:
    """Hand a message in, as it is."""
    with RawClient(made.port) as client:
        assert client.greeted().envelope(recipient, sender).say(text).startswith(b"250 ")


def test_J10_two_relays_that_point_at_each_other_end_in_one_report(tmp_path: Path) -> None:
    here, there = service(tmp_path / "here"), service(tmp_path / "there")
    with_delivery(here, f'smart_host = "[127.0.0.1]:{there.port}"\n')
    with_delivery(there, f'smart_host = "[127.0.0.1]:{here.port}"\n')
    there.settings = there.settings.replace("mail.local.test", "relay.local.test")

    def events(name: str) -> list[dict[str, object]]:
        return here.events(name) + there.events(name)

    with ending(here, there):
        here.start()
        there.start()
        here.send(recipient="nobody@third.test")
        (report,) = until(lambda: here.dropped() + there.dropped(), "the report in Drop")
        assert b"5.4.6" in report.read_bytes()
        to_sender = {"recipient": "sender@local.test"}
        until(lambda: [one for one in events("delivered") if to_sender.items() <= one.items()], "the last event")
        until(lambda: here.ask("queue", "list") == there.ask("queue", "list") == [], "two empty queues")
        until(lambda: events("reported"), "the event of the report")
        until(lambda: len(events("accepted")) >= 16, "the events of all hops")
        assert len(events("reported")) == 1
        assert len(events("accepted")) == 16  # delivery.hop_count is 15


def test_J01_a_report_that_cannot_be_delivered_is_in_badmail(tmp_path: Path) -> None:
    made = with_delivery(service(tmp_path), f'smart_host = "[127.0.0.1]:1"\nretry_attempts = 1\n{NOT_AT_ONCE}')
    with ending(made):
        made.start()
        send(made, b"nobody@third.test", b"Subject: a report\r\n\r\nx\r\n.\r\n", sender=b"")
        until(lambda: len(list(made.home.glob("Badmail/*.*"))) == 3, "message, reason and properties in Badmail")
        until(lambda: made.events("badmail"), "the event that tells of it")
        assert not made.events("reported")
        assert made.dropped() == []


@pytest.mark.parametrize(
    ("exchangers", "cause"),
    [
        pytest.param({("third.test", "MX"): ["0 ."]}, "5.1.10", id="L09_null_mx"),
        pytest.param(
            {("third.test", "MX"): ["10 mail.local.test."], ("mail.local.test", "A"): ["127.0.0.1"]},
            "5.4.6",
            id="J11_exchanger_is_ourselves",
        ),
        pytest.param(
            {
                ("third.test", "MX"): ["10 mail.local.test.", "20 backup.test."],
                ("mail.local.test", "A"): ["127.0.0.1"],
                ("backup.test", "A"): ["127.0.0.1"],
            },
            "5.4.6",
            id="J12_only_worse_exchangers_than_ourselves",
        ),
    ],
)
async def test_mail_that_can_go_nowhere_is_reported_at_once(
    tmp_path: Path, exchangers: dict[tuple[str, str], list[str]], cause: str
) -> None:
    async with Names(exchangers) as names:
        made = with_delivery(service(tmp_path), f'dns = ["127.0.0.1:{names.port}"]\n')
        with ending(made):
            await asyncio.to_thread(made.start)
            await asyncio.to_thread(made.send, "nobody@third.test")
            (event,) = await eventually(lambda: made.events("failed"), "the failure")
            (report,) = await eventually(made.dropped, "the report in Drop")
    assert event["status"] == cause
    assert f"Status: {cause}".encode() in report.read_bytes()
