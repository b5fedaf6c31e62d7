"""Messages that operators open, and folders that they look into, on a running service."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from mailroot.edge.control import Refused, ask
from tests.live.outside import outside
from tests.live.running import Service, free_port, running, until
from tests.live.test_operations import WAITING
from tests.live.test_queue_operations import tried
from tests.peers.smtp import Peer

LETTER = (
    "From: =?utf-8?q?J=C3=B6rg?= <a@local.test>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nHello.\r\n--b\r\n'
    "Content-Type: text/html\r\n\r\n<script>x</script>\r\n--b--\r\n"
)


def pieces(service: Service, operation: str, limit: int, **arguments: Any) -> bytes:
    """A message, read piece after piece."""
    found, after = b"", "0"
    while after:
        piece = ask(service.file, operation, {**arguments, "after": after, "limit": limit})
        assert piece["offset"] == len(found)
        found += base64.b64decode(piece["data"])
        after = piece["next"]
    return found


def test_a_message_of_the_queue_is_opened(tmp_path: Path) -> None:
    with running(tmp_path, WAITING, workers=2) as service:
        service.send("r@waiting.test", LETTER)
        service.send(
            "large@waiting.test", "Subject: large\r\n\r\n" + "x" * 70 * 1000 + "\r\n" + "y" * 900 + "\r\n" * 200_000
        )
        rows = until(lambda: len(found := service.ask("queue", "list")) == 2 and found, "the entries")
        small, large = sorted(rows, key=lambda row: row["size"])
        shown = service.ask("message", "show", small["key"])
        message = shown["message"]
        assert (shown["sender"], shown["recipients"]) == ("sender@local.test", ["r@waiting.test"])
        assert message["subject"] == "Gr\xfc\xdfe" and message["from"] == "J\xf6rg <a@local.test>"
        assert message["text"].strip() == "Hello." and "<script>" in message["html"]
        assert [part["type"] for part in message["parts"]] == ["text/plain", "text/html"]
        whole = pieces(service, "message.raw", 100, key=small["key"])
        assert len(whole) == small["size"] and whole.endswith(b"--b--\r\n")
        assert large["size"] > 128 * 1024, "its content is a file"
        assert len(pieces(service, "message.raw", 300_000, key=large["key"])) == large["size"]
        assert service.ask("message", "show", large["key"])["message"]["subject"] == "large"
        saved = service.run("message", "raw", small["key"])
        assert saved.stdout.replace("\n", "\r\n").encode() == whole or saved.stdout.encode() == whole
        with pytest.raises(Refused, match="no entry"):
            ask(service.file, "message.show", {"key": "nothing"})


def test_drop_is_looked_into(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        for number in range(3):
            service.send(f"ann{number}@local.test", LETTER)
        until(lambda: len(service.dropped()) == 3, "the messages")
        first = ask(service.file, "drop.list", {"limit": 2})
        assert len(first["rows"]) == 2 and first["total"] == 3 and first["total_exact"] is True
        second = ask(service.file, "drop.list", {"limit": 2, "after": first["next"]})
        rows = [*first["rows"], *second["rows"]]
        assert sorted(row["recipients"][0] for row in rows) == [f"ann{number}@local.test" for number in range(3)]
        assert {row["sender"] for row in rows} == {"sender@local.test"} and second["next"] == ""
        name = rows[0]["name"]
        assert service.ask("drop", "show", name)["message"]["subject"] == "Gr\xfc\xdfe"
        assert pieces(service, "drop.raw", 200, name=name) == (service.drop / name).read_bytes()
        assert service.ask("drop", "folders") == [
            {"server": "default", "domain": "local.test", "folder": str(service.drop)}
        ]
        (service.drop / "link.eml").symlink_to(service.file)
        for outside in ("../../mailroot.toml", str(service.file), "link.eml", "", ".."):
            for operation in ("drop.show", "drop.raw", "badmail.show", "badmail.raw"):
                with pytest.raises(Refused):
                    ask(service.file, operation, {"name": outside})


def bad(service: Service) -> list[dict[str, Any]]:
    """What is in Badmail."""
    rows: list[dict[str, Any]] = service.ask("badmail", "list")
    return rows


def test_badmail_is_looked_into_and_put_back(tmp_path: Path) -> None:
    """A message without a sender fails for good: nobody can be told."""
    with running(tmp_path, WAITING) as service:
        with service.connect() as client:
            client.sendmail("", "lost@waiting.test", "Subject: lost\r\n\r\n.dot\r\n..two\r\n")
        row = until(lambda: service.ask("queue", "list"), "the entry")[0]
        until(lambda: service.run("queue", "bounce", row["key"], check=False).returncode == 0, "the end of an attempt")
        (kept,) = until(lambda: bad(service), "the message in Badmail")
        assert kept["recipients"] == ["lost@waiting.test"] and kept["sender"] == "" and kept["reason"]
        shown = service.ask("badmail", "show", kept["name"])
        assert shown["message"]["subject"] == "lost" and "could not be delivered" in shown["report"]
        assert b".dot" in pieces(service, "badmail.raw", 50, name=kept["name"])
        service.run("badmail", "resubmit", kept["name"])
        again = until(lambda: service.ask("queue", "list"), "the message in the queue again")
        assert [(one["recipient"], one["sender"]) for one in again] == [("lost@waiting.test", "")]
        assert bad(service) == []
        text = pieces(service, "message.raw", 1000, key=again[0]["key"])
        assert text.endswith(b"\r\n\r\n.dot\r\n..two\r\n") and text.count(b"Subject: lost") == 1
        assert b"x-receiver" not in text and b"Return-Path" not in text
        until(lambda: service.events("badmail_resubmitted"), "the event")


def test_what_the_client_said_of_reports_is_put_back_too(tmp_path: Path) -> None:
    port = free_port()
    peer = Peer(port=port)
    with outside() as world, running(tmp_path, WAITING.replace(":1", f":{port}")) as service:
        with service.connect() as client:
            client.ehlo()
            client.mail("", ["RET=HDRS", "ENVID=QQ+2B31"])
            client.rcpt("ann@waiting.test", ["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;first+2Bann@waiting.test"])
            client.rcpt("bob@waiting.test", ["NOTIFY=NEVER"])
            client.rcpt("eve@waiting.test")
            client.data("Subject: lost\r\n\r\nx\r\n")
        gone = until(lambda: len(rows := service.ask("queue", "list")) == 3 and rows, "the entry")[0]["key"]
        assert len(tried(service)) == 3
        service.run("queue", "bounce", "--all")
        (kept,) = until(lambda: bad(service), "the message in Badmail")
        envelope = service.ask("badmail", "show", kept["name"])["envelope"]
        assert (envelope["ret"], envelope["envid"], envelope["key"]) == ("HDRS", "QQ+2B31", gone)
        said = [(one.get("notify"), one.get("orcpt")) for one in envelope["recipients"]]
        assert said == [
            ("SUCCESS,DELAY", "rfc822;first+2Bann@waiting.test"),
            ("NEVER", None),
            (None, None),
        ]
        world.enter(peer)
        service.run("badmail", "resubmit", kept["name"])
        # A retry makes the service forget that nobody answered there.
        until(lambda: service.run("queue", "retry", "--all", check=False) and peer.messages, "the message there")
        (mail,) = [line for line in peer.commands if line.startswith("MAIL")]
        assert "FROM:<>" in mail and "RET=HDRS" in mail and "ENVID=QQ+2B31" in mail
        assert [line for line in peer.commands if line.startswith("RCPT")] == [
            "RCPT TO:<ann@waiting.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;first+2Bann@waiting.test",
            "RCPT TO:<bob@waiting.test> NOTIFY=NEVER",
            "RCPT TO:<eve@waiting.test>",
        ]


@pytest.mark.parametrize("notify", [None, 7, "SOMETIMES", "NEVER\r\nx-receiver: c@d"])
def test_an_older_or_changed_file_of_properties_is_put_back_without_what_it_does_not_say(
    tmp_path: Path, notify: object
) -> None:
    with running(tmp_path, WAITING) as service:
        folder = service.home / "Badmail"
        row = {"address": "old@waiting.test", "waiting": True, **({} if notify is None else {"notify": notify})}
        (folder / "1-0.BDP").write_text(json.dumps({"key": "1", "sender": "a@local.test", "recipients": [row]}))
        (folder / "1-0.BAD").write_bytes(b"Subject: old\r\n\r\nx\r\n")
        service.run("badmail", "resubmit", "1-0")
        (entry,) = until(lambda: service.ask("queue", "list"), "the message in the queue")
        shown = service.ask("queue", "show", entry["key"])["recipients"]
        assert [(one["recipient"], one["notify"], one["orcpt"]) for one in shown] == [("old@waiting.test", "", "")]


def test_badmail_is_removed(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        for number in range(3):
            (service.home / "Pickup" / f"{number}.eml").write_text("nonsense")
        rows = until(lambda: len(found := bad(service)) == 3 and found, "the messages in Badmail")
        assert {row["state"] for row in rows} == {""}
        assert service.ask("badmail", "remove", rows[0]["name"]) == {"removed": 1}
        gone = service.run("badmail", "remove", rows[0]["name"], check=False)
        assert gone.returncode == 1 and json.loads(service.run("badmail", "remove", "--all", "--json").stdout) == {
            "removed": 2
        }
        assert bad(service) == [] and list((service.home / "Badmail").glob("*.B*")) == []
        until(lambda: len(service.events("badmail_removed")) == 3, "the events")


def test_all_sessions_are_ended(tmp_path: Path) -> None:
    with running(tmp_path, workers=2) as service:
        clients = [service.connect() for _ in range(3)]
        assert len(service.ask("session", "list")) == 3
        assert service.ask("session", "end", "--all", "--server", "default") == {"ended": 3}
        assert service.ask("session", "end", "--all") == {"ended": 0}
        assert service.run("session", "end", check=False).returncode == 1
        for client in clients:
            assert client.sock is not None and client.sock.recv(100).startswith(b"421 ")
            client.close()
