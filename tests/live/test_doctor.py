"""The doctor's command, on a service that runs and on one that does not."""

import json
from pathlib import Path
from typing import Any

from tests.live.running import SETTINGS, running, service

# What needs no world outside.
HERE = ("settings", "service", "ports", "certificates", "clock", "limits", "folders", "disk", "room", "relay", "queue")


def by_subject(answer: dict[str, Any], check: str) -> dict[str, dict[str, str]]:
    return {row["subject"]: row for row in answer["findings"] if row["check"] == check}


def test_a_sound_service_is_found_sound(tmp_path: Path) -> None:
    with running(tmp_path) as made:
        answer = json.loads(made.run("doctor", *HERE, "--json", check=False).stdout)
        # What the machine of the test stands on is its own affair.
        faults = [row for row in answer["findings"] if row["state"] == "fault" and row["check"] not in {"disk", "room"}]
        assert faults == []
        assert {row["check"] for row in answer["findings"]} == set(HERE)
        assert "it greets: 220" in by_subject(answer, "ports")[f"default 127.0.0.1:{made.port}"]["said"]
        relay = by_subject(answer, "relay")
        assert relay["default rules"]["state"] == "ok"
        assert (
            "are taken from this machine, which has the right to relay"
            in relay[f"default 127.0.0.1 port {made.port}"]["said"]
        )
        assert made.dropped() == []  # nothing was sent


def test_tricks_are_refused_by_the_running_listener(tmp_path: Path) -> None:
    with running(tmp_path, settings=SETTINGS.replace('list = ["127.0.0.1"]', "list = []")) as made:
        relay = by_subject(made.ask("doctor", "relay"), "relay")
        assert "tricks from this machine are all refused" in relay[f"default 127.0.0.1 port {made.port}"]["said"]


def test_an_open_relay_ends_with_1_and_its_mend(tmp_path: Path) -> None:
    made = service(tmp_path, settings=SETTINGS.replace('list = ["127.0.0.1"]', 'mode = "all-except"'))
    made.file.write_text(made.settings)
    made.file.chmod(0o600)
    ended = made.run("doctor", "relay", check=False)
    assert ended.returncode == 1
    assert ended.stdout.startswith("FAULT    relay         default rules: strangers may send to anybody")
    assert "To mend it: set servers.default.access.relay to mode" in ended.stdout
    assert ended.stdout.endswith("1 fault(s), 0 warning(s), 0 in order.\n")


def test_a_faulty_settings_file_is_a_finding(tmp_path: Path) -> None:
    made = service(tmp_path)
    made.file.write_text("[service]\nworkers = -1\nother = 1\n")
    ended = made.run("doctor", "--json", check=False)
    assert ended.returncode == 1
    answer = json.loads(ended.stdout)
    assert [row["check"] for row in answer["findings"]] == ["settings", "settings"]
    assert {row["state"] for row in answer["findings"]} == {"fault"}


def test_a_check_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    ended = service(tmp_path).run("doctor", "coffee", check=False)
    assert ended.returncode == 2
    assert "there is no check 'coffee'; there are: settings, service, ports" in ended.stderr
