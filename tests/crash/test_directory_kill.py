"""A worker is killed while groups are expanded: every member gets the mail, whenever that is."""

import contextlib
import smtplib
import time
from collections.abc import Callable
from pathlib import Path

from tests.live.running import Service, running, until
from tests.live.test_directory import DOMAIN, dropped, routing
from tests.peers.directory import group, person, slapd

_MEMBERS = 150
_MESSAGES = 4


def test_every_member_gets_the_mail_of_a_service_that_is_killed(program: Callable[[str], str], tmp_path: Path) -> None:
    names = [f"m{number:03}" for number in range(_MEMBERS)]
    ldif = "".join(person(name, f"{name}@{DOMAIN}") for name in names)
    ldif += group("all", f"all@{DOMAIN}", ["half", *names[: _MEMBERS // 2]])
    ldif += group("half", f"half@{DOMAIN}", ["all", *names[_MEMBERS // 2 :]])
    with slapd(program, ldif) as made, running(tmp_path, routing(made, 'cache = "0s"\n')) as service:
        for number in range(_MESSAGES):
            with smtplib.SMTP("127.0.0.1", service.port, timeout=120) as client:
                client.sendmail("app@sender.test", [f"all@{DOMAIN}"], f"Subject: {number}\r\n\r\nbody\r\n")
            time.sleep(0.05 * number)  # into the expansion, into the settlement, into the deliveries
            service.kill()
            service.start()
        until(lambda: _waiting(service) == 0 and len(set(dropped(service))) == _MEMBERS, "every member", 300)
        for number in range(_MESSAGES):
            assert _receivers(service, number) == [f"{name}@{DOMAIN}" for name in names]


def _waiting(service: Service) -> int:
    with contextlib.suppress(Exception):
        return int(service.ask("status")["servers"][0]["waiting"])
    return -1


def _receivers(service: Service, number: int) -> list[str]:
    """Who got a message, each once: a repetition after a kill finds the file that is there."""
    found = []
    for path in service.drop.glob("*.eml"):
        lines = path.read_text().splitlines()
        if f"Subject: {number}" in lines:
            found += [line[12:] for line in lines if line.startswith("x-receiver: ")]
    return sorted(found)
