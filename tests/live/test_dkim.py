"""A key that is made while the service runs signs the next message; its successor takes over."""

import json
import re
from pathlib import Path

import dkim

from tests.live.outside import outside, relaying
from tests.live.running import until
from tests.peers.smtp import Peer


def record(line: str) -> bytes:
    return "".join(re.findall(r'"([^"]*)"', line)).encode()


def test_a_new_key_signs_at_once_and_reports_too(tmp_path: Path) -> None:
    with outside() as world:
        peer = world.enter(Peer())
        with relaying(tmp_path, f'smart_host = "[127.0.0.1]:{peer.port}"\n') as service:
            records: dict[bytes, bytes] = {}

            def look_up(name: bytes, timeout: int = 5) -> bytes:
                return records[name.split(b".")[0]]

            def sent(count: int) -> bytes:
                service.send("far@far.example", "From: app@local.test\r\nSubject: x\r\n\r\nHello.\r\n")
                until(lambda: len(peer.messages) == count, "the message")
                return peer.messages[-1]

            assert b"DKIM-Signature" not in sent(1)
            for count, algorithm in ((2, "rsa"), (3, "ed25519")):
                new = service.run("dkim", "new", "local.test", "--algorithm", algorithm, "--json")
                facts = json.loads(new.stdout)
                assert facts["running"] and "PRIVATE" not in new.stdout
                records[facts["selector"].encode()] = record(facts["record"])
                message = sent(count)
                checker = dkim.DKIM(message)
                found = message.count(b"DKIM-Signature:")
                assert found == count - 1
                assert all(checker.verify(number, dnsfunc=look_up) for number in range(found))
            (row,) = [row for row in service.ask("dkim", "list") if row["algorithm"] == "rsa"]
            assert (row["state"], row["domain"]) == ("signs", "local.test")
            until(lambda: len(service.events("attempt")) == 3, "the events")
            marks = [event.get("dkim", "") for event in service.events("attempt")]
            assert marks[0] == "" and marks[1].startswith("local.test/r20")

            peer.answers["RCPT"] = ["550 5.1.1 nobody"]
            with service.connect() as client:  # its report goes out, signed in our name
                client.sendmail("them@far.example", "no@far.example", "From: them@far.example\r\n\r\nx\r\n")
            made = until(lambda: [one for one in peer.messages if b"multipart/report" in one], "the report")
            assert b"d=local.test;" in made[0]
            checker = dkim.DKIM(made[0])
            assert checker.verify(0, dnsfunc=look_up) and checker.verify(1, dnsfunc=look_up)
