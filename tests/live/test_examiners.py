"""Examiners that others wrote: nmap looks for an open relay, testssl.sh at our TLS."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.outside import outside
from tests.live.running import SETTINGS, Service, running, until
from tests.peers.authority import DAY, Authority
from tests.peers.dns import Names

NOBODY = SETTINGS.replace('list = ["127.0.0.1"]', "list = []")
# Every way in that a list opens for others than the examiner, and a domain that is relayed for everybody.
OTHERS = SETTINGS.replace('list = ["127.0.0.1"]', 'list = ["192.0.2.0/24", "partner.example"]').replace(
    'fqdn = "mail.local.test"', 'fqdn = "mail.local.test"\ndns = ["127.0.0.1:DNS"]\nreverse_dns = true'
)
RELAYED = '[servers.default.domains."*.relayed.test"]\ntype = "remote"\nrelay = true\n'
EVERYBODY = SETTINGS.replace('list = ["127.0.0.1"]', 'mode = "all-except"')

Examine = Callable[[Service, str], str]


@pytest.fixture
def examine(program: Callable[[str], str]) -> Examine:
    """What nmap's script says of a service."""
    nmap = program("nmap")

    def run(service: Service, script: str) -> str:
        options = ["-Pn", "-n", "-sT", "-v", "-v", "--script", f"+{script}", "-p", str(service.port)]
        done = subprocess.run(
            [nmap, *options, "127.0.0.1"], capture_output=True, text=True, timeout=300, check=False, cwd=service.folder
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(params=[NOBODY, OTHERS + RELAYED], ids=["nobody relays", "others relay"])
def closed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    with outside() as world:
        names = world.enter(Names({("1.0.0.127.in-addr.arpa", "PTR"): ["mail.partner.example."]}))  # not confirmed
        with running(tmp_path, settings=request.param.replace(":DNS", f":{names.port}")) as service:
            yield service


def test_F04_F06_F09_F10_nmap_finds_no_open_relay(closed: Service, examine: Examine) -> None:
    said = examine(closed, "smtp-open-relay")
    assert "Server doesn't seem to be an open relay, all tests failed" in said
    until(lambda: len(closed.events("refused")) >= 14, "the refusals")
    assert not closed.events("accepted")


def test_nmap_would_find_an_open_relay(tmp_path: Path, examine: Examine) -> None:
    with running(tmp_path, settings=EVERYBODY) as service:
        assert "Server is an open relay" in examine(service, "smtp-open-relay")


def test_nmap_is_told_what_every_client_is_told(tmp_path: Path, examine: Examine) -> None:
    with running(tmp_path) as service:
        said = examine(service, "smtp-commands")
    assert "smtp-commands: mail.local.test Hello [127.0.0.1]" in said
    for keyword in ("SIZE 2097152", "PIPELINING", "8bitmime", "CHUNKING", "DSN", "ENHANCEDSTATUSCODES"):
        assert keyword in said


# What testssl.sh holds against the certificate that the test made, or says of itself.
_NOT_OURS = {"cert_revocation", "DNS_CAArecord", "engine_problem", "sessionresumption_ID"}
# Ciphers with CBC, for clients without any better: offered by OpenSSL's own list, last.
_KNOWN = {"cipherlist_AVERAGE", "LUCKY13"}


@pytest.mark.timeout(900)
def test_testssl_finds_nothing_of_weight(tmp_path: Path, program: Callable[[str], str]) -> None:
    authority = Authority(tmp_path)
    certificate = authority.issue("localhost", ends=90 * DAY)
    found = tmp_path / "found.json"
    tests = ["--protocols", "--std", "--pfs", "--server-defaults", "--server-preference", "--vulnerable"]
    options = ["--quiet", "--color", "0", "--warnings", "off", "--ip", "127.0.0.1", "--add-ca", str(authority.file)]
    with running(tmp_path, f'[servers.default.access]\ncertificate = "{certificate}"\n') as service:
        command = [program("testssl"), *options, *tests, "--starttls", "smtp", "--jsonfile", str(found)]
        said = subprocess.run(
            [*command, f"localhost:{service.port}"], capture_output=True, text=True, timeout=800, check=False
        ).stdout
    findings = json.loads(found.read_text())
    told = {one["id"]: (one["severity"], one["finding"]) for one in findings}
    assert told["TLS1_3"][0] == told["TLS1_2"][0] == "OK", said
    held_against = {name for name, (severity, _) in told.items() if severity not in ("OK", "INFO")}
    assert held_against <= _NOT_OURS | _KNOWN, [told[name] for name in held_against]
    assert told["cert_chain_of_trust"] == ("OK", "passed.")
