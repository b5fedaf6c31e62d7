"""Held mail: it waits, and goes when the domain's own server asks for it, by ETRN, ATRN or TURN."""

import base64
import contextlib
import os
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.outside import outside, relaying, reports, settings
from tests.live.rawclient import RawClient
from tests.live.running import Service, running, until
from tests.peers.smtp import Peer

HELD = '\n[servers.default.domains."{name}"]\nhold = true\nroute = "[127.0.0.1]:{port}"\natrn_accounts = {accounts}\n'
SIGN_IN = "\n[servers.default.access]\nbasic = true\nbasic_requires_tls = false\n"
TLS = ssl._create_unverified_context()  # the certificate is the server's own


def held(name: str, port: int, *accounts: str) -> str:
    return HELD.format(name=name, port=port, accounts=str(list(accounts)).replace("'", '"'))


def waiting(service: Service) -> list[dict]:
    return service.ask("queue", "list")


def send_held(service: Service, *recipients: str) -> None:
    before = len(waiting(service))
    for recipient in recipients:
        service.send(recipient, f"Subject: for {recipient}\r\n\r\nHello.\r\n")
    until(
        lambda: sum("asks for its mail" in row["last"] for row in waiting(service)) >= before + len(recipients), "hold"
    )


def turned(service: Service, **known: object) -> dict:
    """The event of a connection that was turned round, with these values."""
    wanted = known.items()
    return until(
        lambda: [one for one in service.events("connection_turned") if wanted <= one.items()], f"the event of {known}"
    )[0]


def worker_of(service: Service) -> int:
    """The worker of the only session."""
    (row,) = until(lambda: len(rows := service.ask("session", "list")) == 1 and rows, "one session alone")
    return row["worker"]


def send_to_every_worker(service: Service, recipient: str) -> None:
    """One message into the queue of each worker; the others stand still meanwhile, so that it accepts."""
    before = len(waiting(service))
    pids = service.workers()
    for pid in pids:
        others = [one for one in pids if one != pid]
        try:
            for other in others:
                os.kill(other, signal.SIGSTOP)
            service.send(recipient)
        finally:
            for other in others:
                os.kill(other, signal.SIGCONT)

    def all_wait() -> bool:
        rows = waiting(service)
        return len(rows) == before + len(pids) and all("asks for its mail" in row["last"] for row in rows)

    until(all_wait, "hold")


def account(service: Service, name: str) -> None:
    service.run("account", "add", name, typed=f"secret of {name}\n")


class Customer(RawClient):
    """The client of ATRN: it asks, and is the server then."""

    def sign_in(self, name: str) -> "Customer":
        word = base64.b64encode(f"\0{name}\0secret of {name}".encode())
        assert self.say(b"AUTH PLAIN " + word + b"\r\n").startswith(b"235")
        return self

    def secure(self) -> "Customer":
        assert self.say(b"STARTTLS\r\n").startswith(b"220")
        self.socket = TLS.wrap_socket(self.socket)
        self._lines = self.socket.makefile("rb")
        assert self.say(b"EHLO customer.test\r\n").startswith(b"250")
        return self

    def command(self, verb: bytes, reply: bytes) -> bytes:
        """The next command of the server, which is a client now, and our reply to it."""
        line = self._lines.readline()
        assert line.startswith(verb), line
        self.send(reply)
        return line

    def serve(
        self, most: int = 1000, final: bytes = b"250 2.0.0 taken\r\n", greetings: int = 1, only: int = 1000
    ) -> list[bytes]:
        """Be the server until it says QUIT; the messages. Each worker introduces itself; 0: however many these are.

        The connection is left after `most` messages, before the next one is acknowledged, and with the greeting of the
        worker after so many as `only`.
        """
        self.send(b"220 customer.test ready\r\n")
        self.command(b"EHLO mail.local.test", b"250-customer.test\r\n250 8BITMIME\r\n")
        messages, greeted = [], 1
        while (line := self._lines.readline()) != b"QUIT\r\n":
            assert line, "the server closed without QUIT"
            if line == b"DATA\r\n":
                messages.append(self._message())
                if len(messages) > most:
                    return messages
                self.send(final)
                continue
            greeted += line.startswith(b"EHLO")
            if greeted > only:
                return messages
            self.send(b"250 2.0.0 OK\r\n")
        assert greetings in (0, greeted)
        self.send(b"221 bye\r\n")
        assert self._lines.readline() == b""
        return messages

    def _message(self) -> bytes:
        self.send(b"354 go on\r\n")
        message = b""
        while not message.endswith(b"\r\n.\r\n"):
            message += self._lines.readline()
        return message


def customer(service: Service, source: str = "127.0.0.1") -> Customer:
    made = Customer(service.port, source)
    made.greeted(b"EHLO customer.test\r\n")
    return made


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Peer]]:
    """Two domains that hold, with all below the one; another account for what is below it at one place."""
    with outside() as world, contextlib.ExitStack() as stack:
        peer = world.enter(Peer())
        more = (
            SIGN_IN
            + held("held.test", peer.port, "Anna")
            + held("*.held.test", peer.port, "anna")
            + held("bobs.held.test", peer.port, "bob")
            + held("other.test", peer.port, "anna", "bob")
            + '\n[servers.default.domains."free.test"]\nroute = "[127.0.0.1]:1"\n'
        )
        service = stack.enter_context(relaying(tmp_path_factory.mktemp("site"), more=more))
        account(service, "anna")
        account(service, "bob")
        account(service, "carl")
        yield service, peer


def test_what_is_held_is_not_tried_and_tells_why(site: tuple[Service, Peer]) -> None:
    service, peer = site
    send_held(service, "a@waiting.held.test")
    (row,) = [row for row in waiting(service) if row["recipient"] == "a@waiting.held.test"]
    assert row["attempts"] == 0
    assert not any("waiting.held.test" in command for command in peer.commands)
    with customer(service) as client:
        assert client.say(b"ETRN waiting.held.test\r\n") == b"250 2.0.0 Queuing for waiting.held.test started\r\n"
    until(lambda: "RCPT TO:<a@waiting.held.test>" in " ".join(peer.commands), "the message")


def test_etrn_has_a_domains_mail_sent_on_connections_of_our_own(site: tuple[Service, Peer]) -> None:
    service, peer = site
    send_held(service, "a@etrn.held.test", "b@etrn.held.test", "c@etrn2.held.test")
    with customer(service) as client:
        assert client.say(b"ETRN etrn.held.test\r\n") == b"250 2.0.0 Queuing for etrn.held.test started\r\n"
        # The same again is not begun again.
        again = b"252 2.0.0 OK, pending messages for etrn.held.test started\r\n"
        assert client.say(b"ETRN etrn.held.test\r\n") == again
        until(lambda: sum("@etrn.held.test" in command for command in peer.commands) == 2, "the mail of the domain")
        until(lambda: not [row for row in waiting(service) if "@etrn.held" in row["recipient"]], "the end of the wait")
        assert "c@etrn2.held.test" not in " ".join(peer.commands)
        # All below a domain.
        assert client.say(b"ETRN @held.test\r\n").startswith(b"250 2.0.0 Queuing for @held.test started")
        until(lambda: "c@etrn2.held.test" in " ".join(peer.commands), "the mail below the domain")
    (told, *_) = until(lambda: service.events("queue_asked_for"), "the event")
    assert told["address"] == "127.0.0.1"


def test_etrn_is_told_what_there_is_and_no_stranger_how_much(site: tuple[Service, Peer]) -> None:
    service, _ = site
    send_held(service, "a@much.held.test", "b@much.held.test")
    with customer(service, "127.0.0.2") as client:
        assert client.say(b"ETRN none.held.test\r\n") == b"251 2.0.0 OK, no messages waiting for none.held.test\r\n"
        refused = b"459 4.7.1 Node free.test not allowed: no mail is held for it\r\n"
        assert client.say(b"ETRN free.test\r\n") == refused
        assert client.say(b"ETRN local.test\r\n").startswith(b"459 ")
        assert client.say(b"ETRN nowhere.test\r\n").startswith(b"459 ")
        assert client.say(b"ETRN #nowhere.test\r\n").startswith(b"459 ")
        client.sign_in("anna")
        counted = b"253 2.0.0 OK, 2 pending messages for much.held.test started\r\n"
        assert client.say(b"ETRN much.held.test\r\n") == counted


def test_etrn_of_one_client_is_not_obeyed_without_end(site: tuple[Service, Peer]) -> None:
    service, _ = site
    with customer(service, "127.0.0.3") as client:
        replies = [client.say(b"ETRN n%d.held.test\r\n" % number)[:3] for number in range(22)]
    assert replies == [b"251"] * 20 + [b"458"] * 2


def test_ehlo_offers_what_is_there(site: tuple[Service, Peer], tmp_path: Path) -> None:
    service, _ = site
    with RawClient(service.port) as client:
        client.reply()
        offered = client.say(b"EHLO x\r\n")
    assert b"250-TURN\r\n250-ATRN\r\n250-SIZE" in offered
    assert b"250-ETRN\r\n250-PIPELINING" in offered
    with running(tmp_path) as plain, RawClient(plain.port) as client:
        client.reply()
        offered = client.say(b"EHLO x\r\n")
        assert b"ETRN" not in offered and b"TRN" not in offered and b"TURN" not in offered
        for word in (b"ETRN held.test", b"ATRN held.test", b"TURN"):
            assert client.say(word + b"\r\n") == b"502 5.5.1 Command not implemented\r\n"


def test_atrn_is_for_those_who_sign_in_and_are_listed(site: tuple[Service, Peer]) -> None:
    service, _ = site
    send_held(service, "a@mine.held.test")
    with customer(service) as client:
        assert client.say(b"ATRN mine.held.test\r\n") == b"530 5.7.0 Authentication required\r\n"
        assert client.say(b"TURN\r\n") == b"530 5.7.0 Authentication required\r\n"
    for name, wanted in (
        ("carl", b""),
        ("carl", b" mine.held.test"),
        ("bob", b" mine.held.test"),
        ("bob", b" other.test,held.test"),
        ("anna", b" bobs.held.test"),
        ("anna", b" free.test"),
        ("anna", b" local.test"),
    ):
        with customer(service) as client:
            client.sign_in(name)
            assert client.say(b"ATRN" + wanted + b"\r\n") == b"450 4.7.1 ATRN request refused\r\n", (name, wanted)
    with customer(service) as client:
        client.sign_in("anna")
        assert client.say(b"ATRN none.held.test\r\n") == b"453 4.2.0 You have no mail\r\n"
        assert client.say(b"NOOP\r\n").startswith(b"250")


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("verb", [b"ATRN", b"ATRN turned.held.test,other.test", b"TURN"])
def test_the_connection_turns_round_and_brings_all_that_is_the_accounts(
    site: tuple[Service, Peer], verb: bytes, tls: bool
) -> None:
    service, peer = site
    mine = ["a@turned.held.test", "b@turned.held.test", "c@other.test"]
    send_held(service, *mine, "d@bobs.held.test")
    seen = len(peer.connections)
    with customer(service) as client:
        if tls:
            client.secure()
        client.sign_in("anna")
        assert client.say(verb + b"\r\n") == b"250 2.0.0 OK now reversing the connection\r\n"
        messages = client.serve()
    whole = b"".join(messages)
    assert all(f"Subject: for {name}".encode() in whole for name in mine)
    assert b"bobs.held.test" not in whole
    assert len(peer.connections) == seen
    until(lambda: not {row["recipient"] for row in waiting(service)} & set(mine), "an empty queue")
    until(lambda: not service.ask("session", "list"), "the end of the session")
    assert turned(service, user="anna", cause="")["recipients"] >= 3
    with customer(service) as client:
        client.sign_in("bob")
        assert client.say(b"ATRN bobs.held.test\r\n").startswith(b"250")
        assert b"d@bobs.held.test" in b"".join(client.serve())


def test_what_the_customer_refuses_comes_back_and_what_it_delays_stays_held(site: tuple[Service, Peer]) -> None:
    service, _ = site
    send_held(service, "no@refused.held.test")
    with customer(service) as client:
        client.sign_in("anna")
        assert client.say(b"ATRN refused.held.test\r\n").startswith(b"250")
        client.send(b"220 customer.test\r\n")
        client.command(b"EHLO", b"250 customer.test\r\n")
        client.command(b"MAIL", b"250 OK\r\n")
        client.command(b"RCPT", b"550 5.1.1 nobody of this name\r\n")
        client.command(b"QUIT", b"221 bye\r\n")
    until(lambda: reports(service, "no@refused.held.test"), "the report")
    send_held(service, "later@delayed.held.test")
    with customer(service) as client:
        client.sign_in("anna")
        client.say(b"ATRN delayed.held.test\r\n")
        client.serve(final=b"451 4.3.0 disk full\r\n")
    rows = until(
        lambda: [row for row in waiting(service) if "delayed.held" in row["recipient"] and row["attempts"]], "the delay"
    )
    assert "disk full" in str(service.ask("queue", "show", rows[0]["key"])) or rows[0]["last"]
    with customer(service) as client:
        client.sign_in("anna")
        assert client.say(b"ATRN delayed.held.test\r\n").startswith(b"250")
        assert len(client.serve()) == 1


def test_a_customer_that_goes_away_in_the_middle_loses_nothing(site: tuple[Service, Peer]) -> None:
    service, _ = site
    names = [f"n{number}@cut.held.test" for number in range(5)]
    send_held(service, *names)
    with customer(service) as client:
        client.sign_in("anna")
        client.say(b"ATRN cut.held.test\r\n")
        got = client.serve(most=2)  # the third one is not acknowledged
    assert len(got) == 3
    until(lambda: not service.ask("session", "list"), "the end of the session")
    left = until(
        lambda: len([row for row in waiting(service) if "@cut.held.test" in row["recipient"]]) == 3, "the rest"
    )
    assert left
    with customer(service) as client:
        client.sign_in("anna")
        assert client.say(b"ATRN cut.held.test\r\n").startswith(b"250")
        rest = client.serve()
    assert len(rest) == 3


def test_a_customer_that_is_no_server_gets_nothing(site: tuple[Service, Peer]) -> None:
    service, _ = site
    send_held(service, "a@odd.held.test")
    for greeting in (b"554 go away\r\n", b"HELO customer\r\n", b"220 x\r\n220 y\r\n"):
        with customer(service) as client:
            client.sign_in("anna")
            assert client.say(b"ATRN odd.held.test\r\n").startswith(b"250")
            client.send(greeting)
            assert b"MAIL FROM" not in client.rest()
    with customer(service) as client:
        client.sign_in("anna")
        assert client.say(b"ATRN odd.held.test\r\n").startswith(b"250")
        assert len(client.serve()) == 1


def test_a_turned_session_is_seen_and_ended_like_any_other(site: tuple[Service, Peer]) -> None:
    service, _ = site
    send_held(service, "a@seen.held.test")
    with customer(service) as client:
        client.sign_in("anna")
        client.say(b"ATRN seen.held.test\r\n")
        (row,) = until(lambda: [r for r in service.ask("session", "list") if r["state"] == "turned"], "the session")
        assert row["user"] == "anna"
        service.run("session", "end", row["session"])
        assert client.rest() == b""
    until(lambda: not service.ask("session", "list"), "the end of the session")
    assert [row for row in waiting(service) if row["recipient"] == "a@seen.held.test"]


def test_the_protocol_log_tells_what_was_said_on_a_turned_connection(site: tuple[Service, Peer]) -> None:
    service, _ = site
    send_held(service, "a@logged.held.test")
    with customer(service) as client:
        client.sign_in("anna")
        assert client.say(b"ATRN logged.held.test\r\n").startswith(b"250")
        client.serve()

    def logged() -> list[str]:
        texts = [path.read_text() for path in (service.folder / "Logs").rglob("*.log")]
        return [line for text in texts for line in text.splitlines() if "logged.held.test" in line]

    until(lambda: any(" ATRN " in line for line in logged()), "what the client asked for")
    until(lambda: any("OutboundConnectionCommand" in line and "RCPT" in line for line in logged()), "what we said then")


def test_a_customer_that_falls_silent_is_not_waited_for_and_its_mail_stays_held(tmp_path: Path) -> None:
    more = SIGN_IN + held("held.test", 1, "anna")
    with relaying(tmp_path, 'connection_timeout = "4s"\n', more) as service:
        account(service, "anna")
        send_held(service, "a@held.test")
        for said in (b"", b"220 customer.test\r\n", b"220 customer.test\r\n250 customer.test\r\n"):
            with customer(service) as client:
                client.sign_in("anna")
                assert client.say(b"ATRN\r\n").startswith(b"250")
                for line in said.splitlines(keepends=True):
                    client.send(line)
                    assert client._lines.readline()[:4] in (b"EHLO", b"MAIL")
                assert client.rest() == b""
        assert turned(service, user="anna", recipients=0)["cause"]
        with customer(service) as client:
            client.sign_in("anna")
            assert client.say(b"ATRN\r\n").startswith(b"250")
            assert len(client.serve()) == 1


def test_mail_goes_its_way_once_its_domain_does_not_hold_it_any_more(tmp_path: Path) -> None:
    with outside() as world:
        peer = world.enter(Peer())
        with relaying(tmp_path, more=held("once.test", peer.port) + held("still.test", peer.port)) as service:
            send_held(service, "a@once.test", "b@still.test")
            service.run("domain", "set", "once.test", "hold=false")
            until(lambda: peer.messages, "the message")
            assert "b@still.test" not in " ".join(peer.commands)
            # So it is where the settings changed while nothing ran.
            service.stop()
            service.settings = service.file.read_text().replace("hold = true", "hold = false")
            service.start()
            until(lambda: "b@still.test" in " ".join(peer.commands), "the other message")


def test_whichever_worker_has_the_mail_it_goes(tmp_path: Path) -> None:
    with outside() as world:
        peer = world.enter(Peer())
        more = SIGN_IN + held("held.test", peer.port, "anna")
        with running(tmp_path, settings=settings(more=more), workers=3) as service:
            account(service, "anna")
            send_to_every_worker(service, "first@held.test")
            for secured in (False, True):
                count = len(waiting(service))
                with customer(service) as client:
                    if secured:
                        client.secure()
                    client.sign_in("anna")
                    assert client.say(b"ATRN\r\n").startswith(b"250")
                    assert len(client.serve(greetings=3)) == count
                until(lambda: not waiting(service), "an empty queue")
                turned(service, user="anna", cause="", recipients=count)
                send_to_every_worker(service, "second@held.test")
            with customer(service) as client:
                assert client.say(b"ETRN held.test\r\n").startswith(b"250")
            until(lambda: not waiting(service), "an empty queue")
            assert len(peer.messages) >= 3


def test_a_worker_that_dies_with_a_lent_connection_loses_nothing(tmp_path: Path) -> None:
    more = SIGN_IN + held("held.test", 1, "anna")
    with running(tmp_path, settings=settings(more=more), workers=2) as service:
        account(service, "anna")
        send_to_every_worker(service, "a@held.test")
        count = len(waiting(service))
        with customer(service) as client:
            client.sign_in("anna")
            ours = worker_of(service)
            assert client.say(b"ATRN\r\n").startswith(b"250")
            assert client.serve(only=1)
            (other,) = [one["pid"] for one in service.ask("status")["workers"] if one["number"] != ours]
            os.kill(other, signal.SIGKILL)
            assert client.rest() == b""
        left = until(lambda: [row for row in waiting(service) if row["last"]], "what the dead worker had")
        assert 0 < len(left) < count
        with customer(service) as client:
            client.sign_in("anna")
            assert client.say(b"ATRN\r\n").startswith(b"250")
            assert client.serve(greetings=0)
        until(lambda: not waiting(service), "an empty queue")


def test_held_mail_survives_a_crash_and_still_waits(tmp_path: Path) -> None:
    with outside() as world:
        peer = world.enter(Peer())
        with relaying(tmp_path, more=SIGN_IN + held("held.test", peer.port, "anna")) as service:
            account(service, "anna")
            send_held(service, *(f"n{number}@held.test" for number in range(3)))
            with customer(service) as client:
                client.sign_in("anna")
                client.say(b"ATRN held.test\r\n")
                client.serve(most=1)
                service.kill()
            service.start()
            until(lambda: len(waiting(service)) in (2, 3), "what was not acknowledged")
            assert not peer.commands
            with customer(service) as client:
                client.sign_in("anna")
                assert client.say(b"ATRN held.test\r\n").startswith(b"250")
                assert len(client.serve()) in (2, 3)
            until(lambda: not waiting(service), "the end")
