"""The doctor asks resolvers no more than it must, and says in a few words that they are silent."""

import time
from pathlib import Path

import pytest

from mailroot.service.doctor import lookups
from mailroot.service.doctor.examination import examine
from mailroot.service.doctor.finding import Finding, State
from tests.peers.dns import Names
from tests.peers.smtp import Peer
from tests.service.test_doctor import free_port, patient, settings, with_dns

CHECKS = ("names", "dns", "smart hosts", "reach")
SERVER = """\
[servers.{key}]
home = "{key}"
[servers.{key}.general]
bindings = ["127.0.0.1:{port}"]
[servers.{key}.delivery]
fqdn = "mail.{key}.test"
{delivery}
[servers.{key}.domains."{key}.test"]
type = "default"
[servers.{key}.domains."there.test"]
type = "remote"
route = "hub.test"
"""


def servers(delivery: str) -> str:
    return "".join(SERVER.format(key=key, port=free_port(), delivery=delivery) for key in ("one", "two", "three"))


async def examined(folder: Path, delivery: str) -> list[tuple[str, Finding]]:
    told: list[tuple[str, Finding]] = []
    made = settings(folder, delivery, servers(delivery))
    await examine(patient(made), CHECKS, lambda *said: told.append(said))
    return told


async def test_silent_resolvers_are_asked_each_question_once_and_told_of_in_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "_LIFETIME", 0.3)
    begun = time.monotonic()
    async with Names({}, silent={"MX", "A", "AAAA"}) as names:
        told = await examined(tmp_path, with_dns(names))
    assert len(names.asked) == len(set(names.asked)) == 12
    assert len(told) == 4 + 4 + 3 + 4
    assert State.OK not in {finding.state for _, finding in told}
    assert {finding.mend for check, finding in told if check == "reach"} == {"see the check `dns`"}
    for check, finding in told:
        assert len(finding.said) < 160
        assert finding.said.count("no answer within 0.3 seconds") == (check != "reach")
    # Three rounds of look-ups; one after the other they would take 0.3 seconds for each finding.
    assert time.monotonic() - begun < 0.3 * len(told)


async def test_servers_that_go_the_same_way_share_what_was_found(tmp_path: Path) -> None:
    zone = {("gmail.com", "MX"): ["5 mx.test."], ("mx.test", "A"): ["127.0.0.1"]}
    async with Names(zone) as names, Peer() as peer:
        told = await examined(tmp_path, f"{with_dns(names)}\nport = {peer.port}")
    reached = [finding for check, finding in told if check == "reach"]
    assert len(reached) == 4
    assert {finding.state for finding in reached} == {State.OK}
    assert len(peer.connections) == 1
