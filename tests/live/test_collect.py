"""Collecting from servers that hold our mail: by ETRN, by ATRN, on a schedule and by command."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.outside import outside, relaying, settings
from tests.live.running import Service, running, until
from tests.live.test_held_mail import SIGN_IN, account, held, send_held, waiting
from tests.peers.signing import Door
from tests.peers.smtp import Peer

COLLECT = """
[servers.default.collect.provider]
host = "[127.0.0.1]:{port}"
method = "{method}"
domains = {domains}
interval = "{interval}"

[servers.default.collect.provider.security]
tls = "{tls}"
{sign_in}
"""
IMPATIENT = '[servers.default.general]\nconnection_timeout = "1s"'
AS_BRANCH = 'authentication = "basic"\nusername = "branch"\npassword = "secret of branch"\npassword_without_tls = true'


def collect(
    port: int, method: str = "atrn", domains: str = "[]", interval: str = "", tls: str = "off", sign_in: str = AS_BRANCH
) -> str:
    return COLLECT.format(port=port, method=method, domains=domains, interval=interval, tls=tls, sign_in=sign_in)


def branch(folder: Path, more: str, workers: int = 1) -> Any:
    """A service whose domain is held elsewhere; it may be relayed through by nobody."""
    text = settings(more=more).replace("local.test", "branch.test").replace('list = ["127.0.0.1"]', "list = []")
    return running(folder, settings=text, workers=workers)


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Service]:
    """A service that holds mail for branch.test and its neighbour, to whom it gives it by ATRN."""
    more = SIGN_IN + held("branch.test", 1, "branch") + held("other.test", 1, "branch")
    with relaying(tmp_path / "provider", more=more) as service:
        account(service, "branch")
        yield service


@pytest.mark.parametrize("tls", ["off", "require"])
def test_atrn_brings_our_mail_on_our_own_connection(provider: Service, tmp_path: Path, tls: str) -> None:
    names = [f"n{number}@branch.test" for number in range(3)]
    send_held(provider, *names)
    with branch(tmp_path / "branch", collect(provider.port, tls=tls), workers=2) as service:
        found = service.ask("collect", "provider")
        assert (found["state"], found["messages"], found["cause"]) == ("done", 3, "")
        assert "now reversing" in found["said"]
        dropped = until(lambda: len(service.dropped()) == 3 and service.dropped(), "the mail")
        received = [path.read_text() for path in dropped]
        assert all(any(f"x-receiver: {name}" in text for text in received) for name in names)
        until(lambda: not waiting(provider), "the settlement")
        again = service.ask("collect", "provider")
        assert (again["state"], again["messages"]) == ("done", 0)
        assert again["said"] == "453 4.2.0 You have no mail"
        until(lambda: len(service.events("collected")) == 2, "the events")


def test_who_delivers_on_our_connection_may_not_relay(provider: Service, tmp_path: Path) -> None:
    """Not even where its address is in the list: mail for others is not what we asked for."""
    send_held(provider, "a@branch.test", "b@other.test")
    text = settings(more=collect(provider.port)).replace("local.test", "branch.test")
    with running(tmp_path / "branch", settings=text) as service:
        found = service.ask("collect", "provider")
        assert found["messages"] == 1
        until(service.dropped, "our own message")
    until(lambda: not waiting(provider), "the end")
    (failed,) = until(lambda: provider.events("failed"), "the refusal")
    assert (failed["recipient"], failed["status"]) == ("b@other.test", "5.7.1")


def test_mail_is_collected_on_a_schedule(provider: Service, tmp_path: Path) -> None:
    with branch(tmp_path / "branch", collect(provider.port, interval="1s"), workers=2) as service:
        for number in range(2):
            provider.send(f"n{number}@branch.test")  # held, and collected perhaps before anybody looks
            until(lambda number=number: len(service.dropped()) == number + 1, "the mail")
        # A schedule follows the settings.
        service.run("set", "servers.default.collect.provider.interval", "9999d")
        until(lambda: len(service.events("collected")) >= 2, "the rounds")


def test_more_than_a_session_may_bring_is_collected(provider: Service, tmp_path: Path) -> None:
    more = collect(provider.port) + '\n[servers.default.messages]\nsize_limit = "2KB"\nsession_limit = "2KB"\n'
    send_held(provider, *[f"n{number}@branch.test" for number in range(6)])
    with branch(tmp_path / "branch", more) as service:
        assert service.ask("collect", "provider")["messages"] == 6


@pytest.mark.parametrize("workers", [1, 2])
def test_a_crash_in_the_middle_loses_nothing(provider: Service, tmp_path: Path, workers: int) -> None:
    count = 40
    send_held(provider, *[f"n{number}@branch.test" for number in range(count)])
    with branch(tmp_path / "branch", collect(provider.port, interval="1s"), workers=workers) as service:
        until(service.dropped, "the first of the mail")
        service.kill()
        service.start()
        until(lambda: not waiting(provider), "the rest of the mail", 60.0)
        wanted = {f"n{number}@branch.test" for number in range(count)}

        def arrived() -> bool:
            texts = [path.read_text() for path in service.dropped()]
            return all(any(f"x-receiver: {name}\n" in text for text in texts) for name in wanted)

        until(arrived, "every message", 60.0)


# -- peers that are no Mailroot


def test_etrn_asks_for_each_of_our_domains(tmp_path: Path) -> None:
    with outside() as world:
        peer = world.enter(Peer({"ETRN": lambda line: "459 not yours" if "also" in line else "250 OK"}))
        more = collect(peer.port, "etrn", sign_in="") + '\n[servers.default.domains."also.test"]\ntype = "alias"\n'
        with branch(tmp_path, more) as service:
            found = service.ask("collect", "provider")
            assert found["state"] == "failed"
            assert (found["said"], found["cause"]) == (
                "branch.test: 250 OK; also.test: 459 not yours",
                "also.test: 459 not yours",
            )
            assert [one for one in peer.commands if "ETRN" in one] == ["ETRN branch.test", "ETRN also.test"]
            assert peer.commands[-1] == "QUIT"
            service.run("set", "servers.default.collect.provider.domains", '["branch.test"]')
            assert service.ask("collect", "provider")["state"] == "done"


@pytest.mark.parametrize(
    ("answers", "cause"),
    [
        ({"ATRN": "450 4.7.1 not yours"}, "450 4.7.1 not yours"),
        ({"ATRN": "502 what"}, "502 what"),
        ({"ATRN": None}, "dropped"),
        ({"AUTH": "535 5.7.8 wrong"}, "535 5.7.8 wrong"),
        ({"GREETING": "554 go away"}, "554 go away"),
        ({"ATRN": b"250 OK\r\nEHLO provider\r\n"}, "no SMTP reply"),
        ({"ATRN": b"250 OK\r\n250 OK\r\n"}, "lost"),
    ],
)
def test_what_goes_wrong_is_said(tmp_path: Path, answers: dict[str, Any], cause: str) -> None:
    with outside() as world:
        door = Door({"branch": "secret of branch"}, ("PLAIN",))
        peer = world.enter(Peer(answers, door=door))
        with branch(tmp_path, collect(peer.port, domains='["branch.test", "also.test"]')) as service:
            found = service.ask("collect", "provider")
            assert found["state"] == "failed"
            assert cause in found["cause"]
            atrn = [one for one in peer.commands if one.startswith("ATRN")]
            assert atrn == ["ATRN branch.test,also.test"] or "ATRN" not in answers


def test_one_that_says_yes_and_then_nothing_of_use_is_left_alone(tmp_path: Path) -> None:
    with outside() as world:
        door = Door({"branch": "secret of branch"}, ("PLAIN",))
        peer = world.enter(Peer({"ATRN": "250 OK"}, door=door))
        with branch(tmp_path, collect(peer.port)) as service:
            assert service.ask("collect", "provider")["messages"] == 0
            until(lambda: any(one.startswith("220 ") for one in peer.commands), "our greeting")
            until(lambda: not service.ask("session", "list"), "the end of the session")


def test_one_that_turns_round_and_falls_silent_is_not_waited_for(tmp_path: Path) -> None:
    with outside() as world:
        door = Door({"branch": "secret of branch"}, ("PLAIN",))
        peer = world.enter(Peer({"ATRN": "250 OK", "220": b""}, door=door))
        text = settings(more=collect(peer.port)).replace("[servers.default.general]", IMPATIENT)
        with running(tmp_path, settings=text) as service:
            found = service.ask("collect", "provider")
            assert (found["state"], found["cause"]) == ("failed", "timed out")
            until(lambda: not service.ask("session", "list"), "the end of the session")


def test_who_is_not_there_is_told_with_those_who_are(tmp_path: Path) -> None:
    with branch(tmp_path, collect(1)) as service:
        ended = service.run("collect", "nobody", check=False)
        assert ended.returncode == 1
        assert "there are: provider" in ended.stderr
        found = service.ask("collect", "provider")
        assert "cannot be reached" in found["cause"]
