"""The pace of a destination over a whole service: all workers together, a worker's death, a change while it runs."""

import os
import signal
from pathlib import Path

from tests.live.outside import outside, relaying
from tests.live.running import Service, until
from tests.peers.smtp import Peer

PACE = '[servers.default.pace."[127.0.0.1]"]\ndaily = 4\n'
KEY = 'servers.default.pace."[127.0.0.1]".daily'


def waiting(service: Service) -> int:
    """How many recipients wait in the queue and are not worked on."""
    return len([one for one in service.ask("queue", "list") if one["due"]])


def test_a_daily_cap_holds_over_all_workers_and_their_deaths_and_is_changed_live(tmp_path: Path) -> None:
    with outside() as world:
        peer = world.enter(Peer())
        with relaying(tmp_path, f'smart_host = "[127.0.0.1]:{peer.port}"', PACE, workers=2) as service:
            for number in range(8):
                service.send(f"a{number}@far.example")
            until(lambda: len(peer.messages) == 4 and waiting(service) == 4, "four that went and four that wait")
            told = until(lambda: service.events("pace_reached"), "the event")  # a worker that is killed says no more
            assert {event["pace"] for event in told} == {"4 a day"}
            for victim in service.workers():
                os.kill(victim, signal.SIGKILL)
                until(lambda pid=victim: pid not in service.workers(), "the end of the worker")
            service.send("late@far.example")
            until(lambda: waiting(service) == 5, "the one that came late, waiting too")
            assert len(peer.messages) == 4

            service.run("set", KEY, "6")
            service.run("queue", "retry", "--all")
            until(lambda: len(peer.messages) == 6 and waiting(service) == 3, "two more")


def test_a_rate_lets_mail_wait_holds_up_no_other_and_a_new_one_counts_at_once(tmp_path: Path) -> None:
    with outside() as world:
        slow, other = world.enter(Peer()), world.enter(Peer(address="127.0.0.2"))
        pace = '[servers.default.pace."[127.0.0.1]"]\nrate = "1/h"\n'
        ways = "".join(
            f'[servers.default.domains."{name}"]\ntype = "remote"\nroute = "[{peer.address}]:{peer.port}"\n'
            for name, peer in (("slow.example", slow), ("other.example", other))
        )
        with relaying(tmp_path, more=pace + ways, workers=2) as service:
            service.send("a@slow.example")
            until(lambda: len(slow.messages) == 1, "the first one")
            for number in range(4):
                service.send(f"a{number}@slow.example")
                service.send(f"a{number}@other.example")
            until(lambda: len(other.messages) == 4 and waiting(service) == 4, "four that went and four that wait")
            assert len(slow.messages) == 1

            service.run("set", 'servers.default.pace."[127.0.0.1]".rate', "1000/s")
            service.run("queue", "retry", "--all")
            until(lambda: len(slow.messages) == 5 and not service.ask("queue", "list"), "all of it")


def test_surplus_recipients_of_a_message_go_in_further_transactions(tmp_path: Path) -> None:
    with outside() as world:
        peer = world.enter(Peer())
        delivery = f'smart_host = "[127.0.0.1]:{peer.port}"\nrecipients_per_transaction = 2'
        with relaying(tmp_path, delivery) as service:
            people = [f"a{number}@far.example" for number in range(5)]
            with service.connect() as client:
                client.sendmail("sender@local.test", people, "Subject: x\r\n\r\nx\r\n")
            until(lambda: len(peer.messages) == 3 and not service.ask("queue", "list"), "three transactions")
        told = [line for line in peer.commands if line.startswith("RCPT")]
        assert sorted(told) == [f"RCPT TO:<{one}>" for one in people]
