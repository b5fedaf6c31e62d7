"""When mail that could not be delivered is tried again, told of, given up; and what a restart leaves of that."""

import asyncio
import time
from datetime import datetime
from pathlib import Path

from tests.live.outside import black_hole, fields, outside, relaying, report, reports, text
from tests.live.running import free_port, until
from tests.peers.smtp import Peer


class Attempts:
    """A server that says "later" to every recipient, and notes when it was asked."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self, _line: str) -> str:
        self.times.append(time.time())
        return "451 4.7.1 Greylisted, come again"


def test_attempts_follow_the_intervals_then_the_sender_is_warned_and_told_the_end(tmp_path: Path) -> None:
    later = Attempts()
    with outside() as world:
        peer = world.enter(Peer({"RCPT": later}))
        delivery = (
            f'smart_host = "[127.0.0.1]:{peer.port}"\nretry_intervals = ["1s", "2s"]\n'
            'delay_notification = "3s"\nexpiration = "12s"\n'
        )
        with relaying(tmp_path, delivery) as service:
            began = time.time()
            service.send("a@far.example")
            notice = report(service, "a@far.example")
            assert fields(notice)["action"] == "delayed" and fields(notice)["status"] == "4.7.1"
            assert "will-retry-until" in fields(notice)
            assert "YOU DO NOT NEED TO RESEND" in text(notice) and "Greylisted, come again" in text(notice)
            until(lambda: len(reports(service, "a@far.example")) == 2, "the end")
            failure = reports(service, "a@far.example")[1]
            assert fields(failure)["action"] == "failed" and fields(failure)["status"] == "4.4.7"
            assert "Greylisted, come again" in text(failure)
            assert "within the time that is allowed" in " ".join(text(failure).split())
            until(lambda: not service.ask("queue", "list"), "an empty queue")
    *waits, last = (after - before for before, after in zip(later.times, later.times[1:], strict=False))
    # Never before its time, the last interval again and again; a busy machine may be late.
    assert len(waits) >= 2 and waits[0] >= 1 and min(waits[1:]) >= 2, waits
    assert last <= max(waits) + 1 and later.times[-1] - began >= 12, "the last attempt comes with the end of the time"


def test_a_server_that_was_never_reached_is_named_as_the_reason(tmp_path: Path) -> None:
    delivery = f'smart_host = "[127.0.0.1]:{free_port()}"\nretry_intervals = ["1s"]\nretry_attempts = 2\n'
    with relaying(tmp_path, delivery) as service:
        service.send("a@far.example")
        said = text(report(service, "a@far.example"))
    assert "unable to connect successfully to the destination mail server." in " ".join(said.split())
    assert "connection refused" in said


def test_a_number_of_attempts_ends_trying(tmp_path: Path) -> None:
    later = Attempts()
    with outside() as world:
        peer = world.enter(Peer({"RCPT": later}))
        delivery = f'smart_host = "[127.0.0.1]:{peer.port}"\nretry_intervals = ["1s"]\nretry_attempts = 3\n'
        with relaying(tmp_path, delivery) as service:
            service.send("a@far.example")
            assert fields(report(service, "a@far.example"))["status"] == "4.4.7"
    assert len(later.times) == 3


def test_a_destination_that_comes_back_gets_its_mail(tmp_path: Path) -> None:
    port = free_port()
    with outside() as world:
        delivery = f'smart_host = "[127.0.0.1]:{port}"\nretry_intervals = ["1s"]\n'
        with relaying(tmp_path, delivery) as service:
            for number in range(20):
                service.send(f"a{number}@far.example")
            until(lambda: len(service.events("deferred")) >= 20, "all to wait")
            peer = world.enter(Peer(port=port))
            until(lambda: len(peer.messages) == 20, "all the mail")
            until(lambda: not service.ask("queue", "list"), "an empty queue")


def test_a_restart_keeps_when_mail_is_due_and_an_operator_can_make_it_due_now(tmp_path: Path) -> None:
    port = free_port()
    with outside() as world:
        delivery = f'smart_host = "[127.0.0.1]:{port}"\nretry_intervals = ["1h"]\n'
        with relaying(tmp_path, delivery) as service:
            service.send("a@far.example")
            (deferred,) = until(lambda: service.events("deferred"), "the first attempt")
            (before,) = until(lambda: [one for one in service.ask("queue", "list") if one["due"]], "its settlement")
            service.kill()
            service.start()
            (after,) = service.ask("queue", "list")
            assert {name: after[name] for name in before} == before
            assert after["attempts"] == 1
            assert datetime.fromisoformat(deferred["due"]) <= datetime.fromisoformat(after["due"])
            peer = world.enter(Peer(port=port))
            service.run("queue", "retry", after["key"])
            until(lambda: peer.messages, "the mail after `queue retry`")
            until(lambda: not service.ask("queue", "list"), "an empty queue")


def test_an_operator_who_mended_the_other_side_gets_a_real_attempt_at_once(tmp_path: Path) -> None:
    port = free_port()
    with outside() as world:
        delivery = f'smart_host = "[127.0.0.1]:{port}"\nretry_intervals = ["1h"]\n'
        with relaying(tmp_path, delivery) as service:
            service.send("a@far.example")
            until(lambda: [one for one in service.ask("queue", "list") if one["due"]], "the end of the first attempt")
            peer = world.enter(Peer(port=port))
            service.run("queue", "retry", "--all")
            until(lambda: peer.messages, "the mail after `queue retry`")


def test_local_mail_waits_for_a_drop_folder_and_is_given_up_by_the_local_time(tmp_path: Path) -> None:
    with outside() as world:
        peer = world.enter(Peer())
        delivery = (
            f'smart_host = "[127.0.0.1]:{peer.port}"\nretry_intervals = ["1s"]\n'
            'local_delay_notification = "1h"\nlocal_expiration = "12s"\n'
        )
        with relaying(tmp_path, delivery) as service:
            service.send("first@local.test")
            until(service.dropped, "the first message")
            service.drop.rename(service.home / "Elsewhere")
            service.drop.write_text("no folder any more")
            with service.connect() as client:
                client.sendmail("me@far.example", "lost@local.test", "Subject: x\r\n\r\nx\r\n")
            (told,) = until(lambda: peer.messages, "the report")
            service.drop.unlink()
            (service.home / "Elsewhere").rename(service.drop)
            service.send("again@local.test")
            until(lambda: len(service.dropped()) == 2, "mail in Drop again")
            assert len([event for event in service.events("deferred") if event["recipient"] == "lost@local.test"]) >= 2
    assert b"Final-Recipient: rfc822;lost@local.test" in told and b"Status: 4.4.7" in told


def test_mail_under_way_and_mail_that_waits_for_an_answer_outlive_a_reload(tmp_path: Path) -> None:
    with outside() as world, black_hole() as silent:
        slow = world.enter(Peer(gate=asyncio.Event()))
        delivery = f'smart_host = "[127.0.0.1]:{slow.port}"\nretry_intervals = ["1h"]\nconnection_timeout = "10s"\n'
        route = f'[servers.default.domains."silent.example"]\ntype = "remote"\nroute = "[127.0.0.1]:{silent}"\n'
        with relaying(tmp_path, delivery, route) as service:
            service.send("a@far.example")
            service.send("a@silent.example")
            until(lambda: slow.messages, "the message at the slow server")
            service.run("set", "servers.default.delivery.retry_intervals", '["1s"]')
            world.soon(slow.gate.set)
            until(lambda: service.events("delivered"), "the delivery")
            (deferred,) = until(lambda: service.events("deferred"), "the end of the wait for a greeting")
            assert "no answer within 10 seconds" in deferred["reason"]
            until(lambda: len(service.events("deferred")) > 1, "the next attempt by the new settings")
        assert len(slow.messages) == 1
