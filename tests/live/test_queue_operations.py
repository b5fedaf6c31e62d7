"""What operators do to the queue of a running service, by any filter."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.live.outside import outside, report
from tests.live.running import Service, running, until
from tests.live.test_operations import WAITING, fill
from tests.peers.smtp import Peer

SLOW = '\n[servers.default.domains."slow.test"]\ntype = "remote"\nroute = "[127.0.0.1]:1"\nrelay = true\n'


def tried(service: Service) -> list[dict[str, Any]]:
    """The rows of the queue once every recipient was tried."""

    def all_tried() -> Any:
        rows = service.ask("queue", "list")
        return rows and all(row["attempts"] and row["due"] for row in rows) and rows

    rows: list[dict[str, Any]] = until(all_tried, "the first attempts")
    return rows


def test_filters_choose_among_all_that_waits(tmp_path: Path) -> None:
    with running(tmp_path, WAITING + SLOW, workers=2) as service:
        fill(service, messages=2, recipients=5)
        service.send("big@slow.test", "Subject: x\r\n\r\n" + "x" * 70 * 1000 + "\r\n")
        rows = tried(service)
        assert len(rows) == 41

        def chosen(*words: str) -> int:
            return len(service.ask("queue", "list", *words))

        assert chosen("--recipient", "r0-*@waiting.test") == 10
        assert chosen("--domain", "SLOW.test") == chosen("--domain", "*.test", "--larger", "50KB") == 1
        assert chosen("--sender", "a@*") == 40
        assert chosen("--sender", "<>") == chosen("--older", "1h") == chosen("--frozen") == 0
        assert chosen("--status", "4.4.*") == chosen("--server", "default") == 41
        assert chosen(rows[0]["key"]) in (1, 5)
        assert chosen("no-such-key") == 0
        wrong = service.run("queue", "list", "--older", "soon", check=False)
        assert wrong.returncode == 1 and "older: a duration such as" in wrong.stderr
        assert service.ask("queue", "remove", "--domain", "slow.test") == {"recipients": 1, "in_delivery": 0}
        assert service.ask("queue", "remove", "--all")["recipients"] == 40
        assert service.ask("queue", "list") == []


def test_frozen_mail_waits_until_it_is_thawed(tmp_path: Path) -> None:
    with running(tmp_path, WAITING) as service:
        fill(service, messages=2, recipients=2, sessions=1)
        tried(service)
        assert service.ask("queue", "freeze", "--recipient", "r0-0-*") == {"recipients": 2, "in_delivery": 0}
        (frozen, other) = (
            [row for row in service.ask("queue", "list") if bool(row["held"]) is held] for held in (True, False)
        )
        assert {row["held"] for row in frozen} == {"operator"} and len(other) == 2
        assert service.ask("queue", "retry", "--all")["recipients"] == 2
        shown = service.ask("queue", "show", frozen[0]["key"])["recipients"][0]
        assert shown["coming"] == [] and shown["due"] == shown["delay_notice"] < shown["expires"]
        until(lambda: sorted(row["attempts"] for row in tried(service)) == [1, 1, 2, 2], "the second attempts")
        service.stop()
        service.start()
        assert sum(row["held"] == "operator" for row in service.ask("queue", "list")) == 2, "over a restart"
        assert service.ask("queue", "thaw", "--frozen")["recipients"] == 2
        until(lambda: all(row["attempts"] >= 2 for row in tried(service)), "their attempts")
        told = {"freeze", "retry", "thaw"}
        until(lambda: {one["operation"] for one in service.events("queue_changed")} == told, "the events")


def test_the_coming_attempts_are_shown(tmp_path: Path) -> None:
    with running(tmp_path, WAITING) as service:
        fill(service, messages=1, recipients=1, sessions=1)
        (row,) = tried(service)
        (shown,) = service.ask("queue", "show", row["key"])["recipients"]
        assert shown["coming"][0] == row["due"] == shown["due"]
        assert len(shown["coming"]) > 3 and shown["coming"] == sorted(shown["coming"])
        assert row["due"] < shown["delay_notice"] < shown["expires"]


def test_mail_is_rerouted_to_another_host_and_back(tmp_path: Path) -> None:
    with outside() as world, running(tmp_path, WAITING) as service:
        peer = world.enter(Peer())
        fill(service, messages=1, recipients=3, sessions=1)
        tried(service)
        wrong = service.run("queue", "reroute", "--all", "--to", "[192.0.2.1", check=False)
        assert wrong.returncode == 1 and "to: " in wrong.stderr
        way = f"[127.0.0.1]:{peer.port}"
        assert service.ask("queue", "reroute", "--recipient", "r0-0-0@*", "--to", "[127.0.0.1]:2")["recipients"] == 1
        assert [row["via"] for row in service.ask("queue", "list")] == ["[127.0.0.1]:2", "", ""]
        assert service.ask("queue", "reroute", "--recipient", "r0-0-0@*", "--to", "")["recipients"] == 1
        assert service.ask("queue", "reroute", "--recipient", "r0-0-1@*", "--to", way)["recipients"] == 1
        until(lambda: peer.messages, "the message")
        until(lambda: len(service.ask("queue", "list")) == 2, "the others alone")
        assert [line for line in peer.commands if line.startswith("RCPT")] == ["RCPT TO:<r0-0-1@waiting.test>"]


def test_a_bounce_tells_the_sender_what_the_operator_says(tmp_path: Path) -> None:
    with running(tmp_path, WAITING) as service:
        fill(service, messages=1, recipients=2, sessions=1)
        tried(service)
        wrong = service.run("queue", "bounce", "--all", "--words", "two\nlines", check=False)
        assert wrong.returncode == 1
        said = service.ask("queue", "bounce", "--recipient", "r0-0-0@*", "--words", "Their server was closed down.")
        assert said == {"recipients": 1, "in_delivery": 0}
        told = report(service, "r0-0-0@waiting.test")
        assert told["Subject"] == "Delivery Status Notification (Failure)"
        text = " ".join(told.get_payload()[0].get_payload(decode=True).decode().split())
        assert "An operator of this mail server returned the message: Their server was closed down." in text
        assert "r0-0-1" not in text
        until(
            lambda: [row["recipient"] for row in service.ask("queue", "list")] == ["r0-0-1@waiting.test"], "the other"
        )


@pytest.mark.parametrize("large", [False, True])
def test_messages_are_exported_while_the_service_runs(tmp_path: Path, large: bool) -> None:
    with running(tmp_path, WAITING) as service:
        body = "Subject: x\r\n\r\n" + ("Grüße " * 10 + "\r\n") * (5_000 if large else 1)
        with service.connect() as client:
            client.sendmail("a@local.test", ["r@waiting.test", "s@waiting.test"], body.encode(), ["BODY=8BITMIME"])
        (row, _) = tried(service)
        folder = tmp_path / "export"
        missing = service.run("queue", "export", "--all", "--to", str(folder), check=False)
        assert missing.returncode == 1 and str(folder) in missing.stderr
        folder.mkdir()
        assert service.ask("queue", "export", "--recipient", "r@*", "--to", "export")["recipients"] == 1
        files = sorted(folder.iterdir())
        assert [file.name for file in files] == [f"{row['key']}.eml", f"{row['key']}.json"]
        assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
        assert files[0].read_bytes().endswith(body.encode().partition(b"\r\n\r\n")[2])
        facts = json.loads(files[1].read_text())
        assert facts["sender"] == "a@local.test" and facts["body"] == "8BITMIME"
        assert [one["recipient"] for one in facts["recipients"]] == ["r@waiting.test", "s@waiting.test"]
        assert service.ask("queue", "export", "--all", "--to", "export")["recipients"] == 2, (
            "once more, over the old files"
        )
        assert len(service.ask("queue", "list")) == 2
