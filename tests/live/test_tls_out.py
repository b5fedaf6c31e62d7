"""TLS and sign-in outwards through a whole service: what senders read, what the log has, what nobody sees."""

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.outside import Outside, fields, outside, relaying, report, text
from tests.live.running import Service, until
from tests.peers.authority import DAY, Authority, self_signed
from tests.peers.dns import Names
from tests.peers.signing import Door
from tests.peers.smtp import Peer
from tests.peers.tokens import Endpoint

SECRET = "s3cret-pass-word"
USER = "app@there.example"
# Each host: its certificate, and the words about it that must be in the report.
FAULTS = {
    "expired": "its certificate expired on ",
    "early": "its certificate is not valid before ",
    "otherhost": "its certificate is not for otherhost.there.example but for somebody.else.example",
    "selfsigned": "its certificate is self-signed",
    "stranger": "the issuer of its certificate, CN=Strange Authority, is not known here",
    "plain": "does not offer TLS, which is demanded here",
}
RETRIES = 'retry_intervals = ["1s"]\nretry_attempts = 1\n'


@dataclasses.dataclass
class Site:
    """A service whose domains lead to hosts, each with a flaw of its own; and what waits for nobody."""

    service: Service
    world: Outside
    hosts: dict[str, Peer]
    door: Door
    endpoint: Endpoint

    def send(self, recipient: str) -> None:
        with self.service.connect() as client:
            client.sendmail("sender@local.test", recipient, "Subject: hello\r\n\r\nHello.\r\n")


def contexts(authority: Authority, folder: Path) -> dict[str, object]:
    host = "{}.there.example".format
    return {
        "good": authority.serving(host("good")),
        "expired": authority.serving(host("expired"), begins=-9 * DAY, ends=-DAY),
        "early": authority.serving(host("early"), begins=DAY),
        "otherhost": authority.serving("somebody.else.example"),
        "selfsigned": self_signed(folder, host("selfsigned")),
        "stranger": Authority(folder, "Strange Authority").serving(host("stranger")),
        "plain": None,
    }


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    authority = Authority(folder)
    with contextlib.ExitStack() as stack:
        world = stack.enter_context(outside())
        hosts = {name: world.enter(Peer(tls=context)) for name, context in contexts(authority, folder).items()}
        door = Door({USER: SECRET}, ("PLAIN", "XOAUTH2"), tokens={"token-one"}, in_clear=False)
        for name in ("basic", "token"):
            hosts[name] = world.enter(Peer(tls=authority.serving(f"{name}.there.example"), door=door))
        endpoint = world.enter(Endpoint([(200, {"access_token": "token-one", "expires_in": 3600})]))
        names = world.enter(Names({(f"{name}.there.example", "A"): ["127.0.0.1"] for name in hosts}))
        (folder / "password").write_text(f"{SECRET}\n")
        (folder / "password").chmod(0o600)
        sign_in = {
            "basic": f'authentication = "basic"\nusername = "{USER}"\npassword_file = "{folder}/password"\n',
            "token": f'authentication = "oauth2"\nusername = "{USER}"\n'
            f'oauth2 = {{ token_url = "{endpoint.url}", client_id = "us", client_secret = "{SECRET}" }}\n',
        }
        routes = "".join(
            f'[servers.default.domains."{name}.example"]\ntype = "remote"\n'
            f'route = "{name}.there.example:{peer.port}"\n'
            f'[servers.default.domains."{name}.example".security]\ntls = "verify"\nca_file = "{authority.file}"\n'
            + sign_in.get(name, "")
            for name, peer in hosts.items()
        ).replace("{", "{{").replace("}", "}}")  # fmt: skip
        delivery = f'{RETRIES}dns = ["127.0.0.1:{names.port}"]\nprivate_exchangers = true\n'
        service = stack.enter_context(relaying(folder / "service", delivery, routes))
        yield Site(service, world, hosts, door, endpoint)


def told_of(site: Site, name: str, **known: str) -> list[dict]:
    """The events of a kind with these fields, once there are any."""
    return until(
        lambda: [one for one in site.service.events(name) if known.items() <= one.items()], f"the event {name}"
    )


def test_mail_goes_to_a_host_that_proves_its_name(site: Site) -> None:
    site.send("a@good.example")
    until(lambda: site.hosts["good"].messages, "the message")
    assert site.hosts["good"].connections[0].tls
    assert told_of(site, "attempt", remote="good.there.example")[0]["tls"] == "TLSv1.3"


@pytest.mark.parametrize("host", FAULTS)
def test_the_report_says_what_was_wrong_with_which_certificate_of_which_host(site: Site, host: str) -> None:
    site.send(f"a@{host}.example")
    told = report(site.service, f"a@{host}.example")
    said = " ".join(text(told).split())
    assert FAULTS[host] in said and f"{host}.there.example (127.0.0.1, port " in said
    found = fields(told)
    assert found["status"].startswith("4.7.") or found["status"].startswith("5.7.") or found["status"] == "4.4.7"
    assert found["remote-mta"] == f"dns;{host}.there.example"
    (failed,) = told_of(site, "failed", recipient=f"a@{host}.example")
    assert FAULTS[host] in failed["reason"]
    assert FAULTS[host] in told_of(site, "destination_down", remote=f"{host}.there.example")[0]["cause"]
    assert not site.hosts[host].messages
    assert not any("MAIL" in command for command in site.hosts[host].commands)


def test_a_password_from_a_file_signs_in(site: Site) -> None:
    site.send("a@basic.example")
    until(lambda: site.hosts["basic"].messages, "the message")
    assert site.door.seen[0][0] == "PLAIN" and site.hosts["basic"].connections[0].signed_in


def test_a_token_signs_in_for_many_messages(site: Site) -> None:
    for number in range(3):
        site.send(f"a{number}@token.example")
    until(lambda: len(site.hosts["token"].messages) == 3, "the messages")
    assert len(site.endpoint.asked) == 1


def test_no_secret_is_in_logs_or_command_lines_or_in_what_commands_show(site: Site) -> None:
    site.send("a@basic.example")
    until(lambda: len(site.hosts["basic"].messages) >= 1, "the message")
    shown = "".join(
        site.service.run(*words, check=False).stdout
        for words in (
            ("get", "servers.default.domains"),
            ("get", "servers.default.domains", "--json"),
            ("status", "--json"),
            ("queue", "list", "--json"),
            ("check-config",),
        )
    )
    logged = json.dumps(site.service.events()) + site.service.errors() + (site.service.folder / "out").read_text()
    for pid in (site.service.process.pid, *site.service.workers()):  # type: ignore[union-attr]
        logged += Path(f"/proc/{pid}/cmdline").read_bytes().decode()
    for secret in (SECRET, "token-one"):
        assert secret not in shown and secret not in logged
    assert "***" in shown


def test_a_settings_file_with_a_secret_that_others_can_read_is_refused(site: Site) -> None:
    site.service.file.chmod(0o644)
    try:
        refused = site.service.run("check-config", str(site.service.file), check=False)
        assert refused.returncode == 2 and f"run: chmod 600 {site.service.file}" in refused.stderr
        assert SECRET not in refused.stderr
    finally:
        site.service.file.chmod(0o600)


def test_waiting_mail_goes_once_the_demand_can_be_met(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with outside() as world:
        peer = world.enter(Peer())
        security = f'[servers.default.delivery.security]\ntls = "verify"\nca_file = "{authority.file}"\n'
        delivery = f'retry_intervals = ["1s"]\nsmart_host = "[127.0.0.1]:{peer.port}"\n{security}'
        with relaying(tmp_path / "service", delivery) as service:
            service.send("a@elsewhere.example")
            until(lambda: service.events("deferred"), "the delay")
            peer.tls = authority.serving("127.0.0.1")
            until(lambda: peer.messages, "the message")
            assert all(connection.tls for connection in peer.connections if connection.messages)
