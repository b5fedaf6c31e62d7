"""Mail on its way out through a whole service: which server gets it, and in which form."""

import asyncio
import contextlib
import dataclasses
import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.outside import Outside, fields, outside, relaying, report, text
from tests.live.running import Service, free_port, running, until
from tests.peers.dns import Names
from tests.peers.smtp import EXTENSIONS, Peer

PLAIN = tuple(one for one in EXTENSIONS if one not in ("8BITMIME", "SMTPUTF8", "CHUNKING"))
FIRST, SECOND, THIRD = "127.0.0.2", "127.0.0.3", "127.0.0.4"
ZONE = {
    ("first.example", "A"): [FIRST],
    ("second.example", "A"): [SECOND],
    ("nobody.example", "A"): ["127.0.0.99"],
    ("later.example", "A"): [THIRD],
    ("six.example", "AAAA"): ["::1"],
    ("ourselves.example", "A"): ["127.0.0.1"],
    ("ordered.example", "MX"): ["20 second.example.", "10 first.example."],
    ("dead.example", "MX"): ["10 nobody.example.", "20 second.example."],
    ("greylist.example", "MX"): ["10 later.example.", "20 second.example."],
    ("plainhost.example", "A"): [FIRST],
    ("null.example", "MX"): ["0 ."],
    ("ipv6.example", "MX"): ["10 six.example."],
    ("itself.example", "MX"): ["10 MAIL.local.test."],
    ("mail.local.test", "A"): ["127.0.0.77"],
    ("circle.example", "MX"): ["10 ourselves.example."],
    ("backup.example", "MX"): ["10 nobody.example."],
    ("routed.example", "MX"): ["10 nobody.example."],
}


@dataclasses.dataclass
class Site:
    """A service that finds its way by DNS, and the servers that it finds."""

    service: Service
    first: Peer
    second: Peer
    later: Peer
    six: Peer
    seven_bit: Peer
    binary: Peer
    world: Outside

    def send(self, recipient: str, body: bytes = b"Subject: hello\r\n\r\nHello.\r\n", *options: str) -> None:
        with self.service.connect() as client:
            client.sendmail("sender@local.test", recipient, body, mail_options=list(options))

    def binary_mail(self, recipient: str, body: bytes) -> None:
        with self.service.connect() as client:
            client.ehlo()
            client.docmd("MAIL FROM:<sender@local.test> BODY=BINARYMIME")
            client.docmd(f"RCPT TO:<{recipient}>")
            client.send(b"BDAT %d LAST\r\n" % len(body) + body)
            assert client.getreply()[0] == 250


def at(peer: Peer, recipient: str, having: bytes = b"") -> list[bytes]:
    """The messages with these octets, one at least, on connections of a peer on which a recipient was named.

    A connection may have carried other messages before: the octets tell that it is the one that is meant.
    """

    def found() -> list[bytes]:
        named = [one for one in peer.connections if f"RCPT TO:<{recipient}>" in " ".join(one.commands)]
        return [message for one in named for message in one.messages if having in message]

    messages: list[bytes] = until(found, f"a message to {recipient}")
    return messages


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with contextlib.ExitStack() as stack:
        world = stack.enter_context(outside())
        names = world.enter(Names(ZONE))
        port = free_port()
        first = world.enter(Peer(address=FIRST, port=port))
        second = world.enter(Peer(address=SECOND, port=port))
        later = world.enter(Peer({"RCPT": "451 4.7.1 come again"}, address=THIRD, port=port))
        six = world.enter(Peer(address="::1", port=port))
        seven_bit = world.enter(Peer(extensions=("PIPELINING", "SIZE 300000")))
        binary = world.enter(Peer(extensions=(*EXTENSIONS, "BINARYMIME")))
        routes = "".join(
            f'[servers.default.domains."{name}"]\ntype = "remote"\nroute = "[127.0.0.1]:{peer.port}"\n{more}'
            for name, peer, more in (
                ("routed.example", seven_bit, ""),
                ("helo.example", seven_bit, "use_helo = true\n"),
                ("binary.example", binary, ""),
            )
        )
        delivery = f'dns = ["127.0.0.1:{names.port}"]\nprivate_exchangers = true\nport = {port}\n'
        folder = tmp_path_factory.mktemp("site")
        service = stack.enter_context(relaying(folder, delivery, routes))
        yield Site(service, first, second, later, six, seven_bit, binary, world)


def test_L20_the_best_exchanger_gets_the_mail(site: Site) -> None:
    site.send("a@ordered.example")
    assert at(site.first, "a@ordered.example")
    assert "a@ordered.example" not in " ".join(site.second.commands)


def test_L20_the_next_exchanger_gets_it_where_nobody_listens_at_the_best(site: Site) -> None:
    site.send("a@dead.example")
    assert at(site.second, "a@dead.example")


def test_L20_the_next_exchanger_gets_it_where_the_best_says_later(site: Site) -> None:
    site.send("a@greylist.example")
    assert at(site.second, "a@greylist.example")
    assert "a@greylist.example" in " ".join(site.later.commands)


def test_a_domain_without_exchangers_is_its_own(site: Site) -> None:
    site.send("a@plainhost.example")
    assert at(site.first, "a@plainhost.example")


def test_an_exchanger_is_reached_by_ipv6(site: Site) -> None:
    site.send("a@ipv6.example")
    assert at(site.six, "a@ipv6.example")


@pytest.mark.parametrize(
    ("recipient", "status", "words"),
    [
        ("a@null.example", "5.1.10", "takes no mail"),
        ("a@nowhere.invalid", "5.1.2", "does not exist"),
        ("a@itself.example", "5.4.6", "is this server"),
    ],
)
def test_mail_that_can_never_arrive_comes_back_at_once(site: Site, recipient: str, status: str, words: str) -> None:
    site.send(recipient)
    told = report(site.service, recipient)
    assert fields(told)["status"] == status
    assert words in " ".join(text(told).split())


def test_a_domain_with_a_route_of_its_own_takes_it(site: Site) -> None:
    site.send("a@routed.example")
    assert at(site.seven_bit, "a@routed.example")


def test_an_old_server_is_greeted_with_helo(site: Site) -> None:
    site.send("a@helo.example")
    assert at(site.seven_bit, "a@helo.example")
    heard = next(c for c in site.seven_bit.connections if "a@helo.example" in " ".join(c.commands))
    assert heard.commands[:2] == ["HELO mail.local.test", "MAIL FROM:<sender@local.test>"]


def test_a_message_beyond_the_size_of_the_server_is_not_even_begun(site: Site) -> None:
    site.send("size@routed.example", b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 5000)
    told = report(site.service, "size@routed.example")
    assert fields(told)["status"] == "5.3.4" and "300000" in text(told)
    assert "size@routed.example" not in " ".join(site.seven_bit.commands)


def test_eight_bit_text_is_converted_for_a_server_that_takes_seven(site: Site) -> None:
    body = (
        b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: 8bit\r\n\r\n" + "Grüße\r\n".encode()
    )
    site.send("eight@routed.example", body, "BODY=8BITMIME")
    (message,) = at(site.seven_bit, "eight@routed.example", having=b"quoted-printable")
    assert message.isascii() and b"Gr=C3=BC=C3=9Fe" in message


def test_binary_mail_goes_as_it_is_to_a_server_that_takes_it_and_encoded_to_others(site: Site) -> None:
    header = b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
    body = header + b"Content-Transfer-Encoding: binary\r\n\r\n" + bytes(range(256))
    site.binary_mail("a@binary.example", body)
    site.binary_mail("binary@routed.example", body)
    (message,) = at(site.binary, "a@binary.example")
    assert message.endswith(bytes(range(256)))
    assert any(one.isascii() for one in at(site.seven_bit, "binary@routed.example", having=b"base64"))


def test_an_international_address_waits_for_no_server_that_does_not_know_them(site: Site) -> None:
    with site.service.connect() as client:
        client.ehlo()
        client.docmd("MAIL FROM:<sender@local.test> SMTPUTF8")
        client.send("RCPT TO:<jürgen@routed.example>\r\nRCPT TO:<jürgen@ordered.example>\r\n".encode())
        assert [client.getreply()[0] for _ in range(2)] == [250, 250]
        assert client.data(b"Subject: x\r\n\r\nHello.\r\n")[0] == 250
    assert at(site.first, "jürgen@ordered.example")
    failed = until(lambda: [e for e in site.service.events("failed") if "rgen" in e["recipient"]], "the failure")
    assert [event["status"] for event in failed] == ["5.6.7"]


def test_mail_never_goes_to_a_listener_of_its_own(tmp_path: Path) -> None:
    with outside() as world:
        names = world.enter(Names(ZONE))
        delivery = f'dns = ["127.0.0.1:{names.port}"]\nprivate_exchangers = true\nport = {{port}}\n'
        with relaying(tmp_path, delivery) as service:
            service.send("a@circle.example")
            assert fields(report(service, "a@circle.example"))["status"] == "5.4.6"
            assert not [event for event in service.events("accepted") if event["recipients"] == 1][2:]


def test_direct_delivery_comes_before_the_smart_host_where_it_is_asked_for(tmp_path: Path) -> None:
    with outside() as world:
        port = free_port()
        names, smart = world.enter(Names(ZONE)), world.enter(Peer())
        first = world.enter(Peer(address=FIRST, port=port))
        delivery = (
            f'dns = ["127.0.0.1:{names.port}"]\nprivate_exchangers = true\nport = {port}\n'
            f'smart_host = "[127.0.0.1]:{smart.port}"\ndirect_first = true\n'
        )
        with relaying(tmp_path, delivery) as service:
            service.send("a@plainhost.example")
            service.send("a@backup.example")
            until(lambda: first.messages and smart.messages, "both messages")
        assert "a@plainhost.example" in " ".join(first.commands)
        assert "a@backup.example" in " ".join(smart.commands)


def test_L23_connections_serve_twenty_messages_and_stay_within_the_limit_over_all_workers(tmp_path: Path) -> None:
    with outside() as world:
        more_than_one = asyncio.Event()

        def on_mail(_line: str) -> str:
            if peer.now_open > 1:
                more_than_one.set()
            return "250 2.0.0 ok"

        # It acknowledges nothing before a second connection is there, as a server that takes its time would.
        peer = world.enter(Peer({"MAIL": on_mail}, gate=more_than_one))
        delivery = f'smart_host = "[127.0.0.1]:{peer.port}"\nconnection_limit_per_domain = 4\n'
        with relaying(tmp_path, delivery, workers=2) as service:
            clients = [service.connect() for _ in range(20)]
            for number in range(300):
                clients[number % 20].sendmail("sender@local.test", f"a{number}@far.example", "Subject: x\r\n\r\nx\r\n")
            for client in clients:
                client.quit()
            until(lambda: len(peer.messages) >= 300, "all messages", 300)
        served = [len(connection.messages) for connection in peer.connections]
        assert sum(served) == 300 and max(served) == 20
        assert 1 < peer.most_at_once <= 4
        recipients = [line for line in peer.commands if line.startswith("RCPT")]
        assert len(recipients) == len(set(recipients)) == 300


def test_a_large_message_is_relayed_without_being_held_in_memory(tmp_path: Path) -> None:
    line = b"x" * 76 + b"\r\n"
    body = b"Subject: large\r\n\r\n" + line * 800_000
    with outside() as world:
        peer = world.enter(Peer(extensions=tuple(one for one in EXTENSIONS if not one.startswith("SIZE"))))
        unlimited = '[servers.default.messages]\nsize_limit = "100MB"\nsession_limit = "200MB"\n'
        delivery = f'smart_host = "[127.0.0.1]:{peer.port}"\n'
        with relaying(tmp_path, delivery, unlimited) as service:
            service.send("warm@far.example")
            until(lambda: peer.messages, "the first message")
            before = peak(service.workers()[0])
            with service.connect(timeout=120) as client:
                client.sendmail("sender@local.test", "a@far.example", body)
            until(lambda: len(peer.messages) == 2, "the large message", 300)
            grown = peak(service.workers()[0]) - before
        assert peer.messages[1].endswith(line * 800_000)
        assert grown < 24_000, f"{grown} kB more memory for a message of {len(body) // 1000} kB"


def peak(pid: int) -> int:
    """The most memory that a process has had, in kB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def test_J10_two_servers_that_point_at_each_other_do_not_play_for_ever(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        here, there = free_port(), free_port()
        for name, port, other in (("here", here, there), ("there", there, here)):
            text = settings_of(name, port, other)
            stack.enter_context(running(tmp_path / name, settings=text))
        with smtplib.SMTP("127.0.0.1", here, timeout=120) as client:
            client.sendmail("sender@here.test", "a@far.example", "Subject: round\r\n\r\nx\r\n")
        drop = tmp_path / "here" / "Mailroot" / "Drop"
        (path,) = until(lambda: list(drop.glob("*.eml")), "the report")
    told = " ".join(path.read_text().split())
    assert "Status: 5.4.6" in told and "mail loop" in told
    assert told.count("Received: from") > 10


def settings_of(name: str, port: int, other: int) -> str:
    return f"""\
[servers.default]
home = "Mailroot"
[servers.default.general]
bindings = ["127.0.0.1:{port}"]
[servers.default.access.relay]
list = ["127.0.0.1"]
[servers.default.delivery]
fqdn = "{name}.test"
smart_host = "[127.0.0.1]:{other}"
[servers.default.domains."{name}.test"]
type = "default"
"""
