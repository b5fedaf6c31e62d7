"""The trap: mail is taken for everybody and reaches nobody but those who set it."""

from pathlib import Path

import pytest

from tests.live.outside import black_hole, outside, relaying
from tests.live.running import until
from tests.peers.smtp import Peer

STRANGER = 'list = ["127.0.0.1"]', "list = []"


def test_everything_is_captured_and_nothing_leaves(tmp_path: Path) -> None:
    with outside() as world:
        peer = world.enter(Peer())
        with relaying(tmp_path, f'smart_host = "[127.0.0.1]:{peer.port}"\ntrap = "capture"\n') as service:
            service.stop()
            service.settings = service.settings.replace(*STRANGER)
            service.start()
            with service.connect() as client:
                people = ["boss@far.example", "ann@local.test", "x@[192.0.2.1]"]
                assert client.sendmail("app@local.test", people, "Subject: x\r\n\r\nx\r\n") == {}
            (path,) = until(service.dropped, "the file in Drop")
            assert path.read_bytes().startswith(
                b"x-sender: app@local.test\r\nx-receiver: boss@far.example\r\nx-receiver: ann@local.test\r\n"
            )
            (row,) = service.ask("server", "list")
            assert row["trap"] == "capture"
            until(lambda: len(service.events("trap_set")) == 2, "a warning at each start")
            assert not service.ask("queue", "list")
        assert not peer.connections


@pytest.mark.parametrize("smtputf8", [False, True])
def test_one_address_has_everything_once_with_the_names_of_the_others(tmp_path: Path, smtputf8: bool) -> None:
    with outside() as world:
        peer = world.enter(Peer())
        delivery = f'smart_host = "[127.0.0.1]:{peer.port}"\ntrap = "dev@far.example"\n'
        with relaying(tmp_path, delivery) as service, service.connect() as client:
            client.ehlo()
            people = ["boss@far.example", "ann@local.test", *(["bücher@far.example"] if smtputf8 else [])]
            options = ["SMTPUTF8"] if smtputf8 else []
            wishes = ["NOTIFY=SUCCESS"]
            assert client.sendmail("app@local.test", people, "Subject: x\r\n\r\nx\r\n", options, wishes) == {}
            until(lambda: len(service.events("delivered")) >= len(people), "the delivery")
        commands = [command for command in peer.commands if command.startswith(("MAIL", "RCPT"))]
        assert commands[1] == "RCPT TO:<dev@far.example> NOTIFY=NEVER" and commands[0].startswith("MAIL FROM:<app@")
        fields = "".join(f"X-Original-To: {one}\r\n" for one in people).encode()
        assert peer.messages[0].startswith(fields + b"Received: ")
        # What is told of the success goes to the trap, too.
        assert all("<dev@far.example>" in command for command in commands if command.startswith("RCPT"))


def test_an_address_of_ours_has_it_in_its_drop(tmp_path: Path) -> None:
    with relaying(tmp_path, 'trap = "dev@local.test"\n') as service:
        service.send("boss@far.example")
        (path,) = until(service.dropped, "the file in Drop")
        envelope = b"x-sender: sender@local.test\r\nx-receiver: dev@local.test\r\n"
        assert path.read_bytes().startswith(envelope + b"X-Original-To: boss@far.example\r\n")


def test_what_waits_when_the_trap_is_set_is_caught_too(tmp_path: Path) -> None:
    with black_hole() as port:
        delivery = f'smart_host = "[127.0.0.1]:{port}"\nconnection_timeout = "1s"\nretry_intervals = ["1s"]\n'
        with relaying(tmp_path, delivery) as service:
            service.send("boss@far.example")
            until(lambda: service.events("deferred"), "a first attempt")
            service.run("queue", "reroute", service.ask("queue", "list")[0]["key"], f"[127.0.0.1]:{port}", check=False)
            service.run("set", "servers.default.delivery.trap", "capture")
            (path,) = until(service.dropped, "the file in Drop")
            assert b"x-receiver: boss@far.example" in path.read_bytes()
            until(lambda: service.events("trap_set"), "the warning")
            service.run("set", "servers.default.delivery.trap", "")
            service.send("boss@far.example")
            until(lambda: service.ask("queue", "list"), "mail that waits again")
