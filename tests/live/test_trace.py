"""Trace and explain on a real service: while it runs, after a crash, and once it has ended."""

import json
from pathlib import Path
from typing import Any

from tests.live.running import Service, running, until

MORE = """
[servers.default.domains."also.test"]
type = "alias"
[servers.default.domains."far.example"]
route = "[127.0.0.1]:9"
"""


def traced(service: Service, name: str) -> list[dict[str, Any]]:
    result = service.run("trace", name, "--json", check=False)
    assert result.returncode in (0, 1), result.stderr
    return list(json.loads(result.stdout)["messages"])


def test_a_message_is_found_while_the_service_runs_and_after_a_crash(tmp_path: Path) -> None:
    with running(tmp_path, MORE, workers=2) as service:
        service.send("Bob@also.test", body="Message-ID: <One@X>\r\n\r\nHi.\r\n")
        [story] = until(lambda: [one for one in traced(service, "one@x") if one["fate"] == "delivered"], "its delivery")
        assert story["to"] == ["Bob@also.test"]
        names = [event["event"] for event in story["events"]]
        assert names[0] == "accepted" and "delivered" in names and "disconnected" in names
        assert story["events"][0]["cause"] == "also.test is a local domain"
        service.send("x@far.example", body="Message-ID: <two@x>\r\n\r\nHi.\r\n")
        until(lambda: traced(service, "<two@x>"), "the second message in the trace")
        service.kill()
    assert traced(service, story["entry"])[0]["message_id"] == "<One@X>"
    [waiting] = traced(service, "x@FAR.example")
    assert waiting["fate"].startswith("waits until ")
    assert [one["entry"] for one in traced(service, "[127.0.0.1]:9")] == [waiting["entry"]]
    assert traced(service, "nobody@x") == []


def test_explain_weighs_a_message_of_the_past_and_settings_of_the_future(tmp_path: Path) -> None:
    with running(tmp_path, MORE) as service:
        service.send("x@far.example", body="Message-ID: <two@x>\r\n\r\nHi.\r\n")
        service.send("ann@local.test")
        service.send("Bob@also.test")
        until(lambda: len(service.ask("trace")["messages"]) == 3, "three messages in the trace")
        explained = service.ask("explain", "--message", "two@x")
        assert explained["same_as_running"] is True
        assert explained["then"]["message_id"] == "<two@x>"
        assert explained["recipients"][0]["fate"] == "to [127.0.0.1]:9, TLS opportunistic, anonymous"
        new = tmp_path / "new.toml"
        new.write_text(service.settings.replace('list = ["127.0.0.1"]', "list = []"))
        new.chmod(0o600)
        compared = service.ask("explain", "--against", str(new))
        assert (compared["messages"], len(compared["changed"])) == (3, 1)
        assert compared["changed"][0]["to"] == "x@far.example"
        assert compared["changed"][0]["after"] == "refused: 550 5.7.1 Unable to relay for x@far.example"
        new.write_text(service.settings.replace('type = "alias"', "relay = true"))
        [changed] = service.ask("explain", "--against", str(new))["changed"]
        assert changed["to"] == "Bob@also.test"
        assert changed["after"].startswith("to also.test, ")
        assert service.run("explain", "--message", "nobody@x", check=False).returncode == 2


def test_the_last_lines_of_a_service_that_ends_in_good_order_are_kept(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        service.send()
        service.stop()
    assert service.run("trace", "ann@local.test").returncode == 0
