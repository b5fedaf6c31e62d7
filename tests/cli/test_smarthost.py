"""The trial of a smart host: every link, the broken one with its mend; no message, no secret."""

import contextlib
import json
from pathlib import Path

import pytest

from mailroot.cli.main import main
from tests.live.outside import Outside, outside
from tests.live.running import free_port
from tests.peers.authority import DAY, Authority
from tests.peers.dns import Names
from tests.peers.signing import Door
from tests.peers.smtp import Peer
from tests.peers.tokens import Endpoint

HOST = "relay.there.example"
ZONE = {(HOST, "A"): ["127.0.0.1"], ("d.example", "MX"): ["10 mx.d.example."], ("mx.d.example", "A"): ["127.0.0.1"]}
BASIC = 'authentication = "basic"\nusername = "app@there.example"\npassword = "s3cret"\ntls = "verify"\n'


class Site:
    """A settings file, and the world that it leads to."""

    def __init__(self, world: Outside, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.world = world
        self.folder = folder
        self.file = folder / "mailroot.toml"
        self.authority = Authority(folder)
        self.names = world.enter(Names(dict(ZONE)))
        self._capsys = capsys

    def peer(self, *names: str, **more: object) -> Peer:
        ends = more.pop("ends", 10 * DAY)
        tls = self.authority.serving(*(names or (HOST,)), begins=-9 * DAY, ends=ends)
        given = {"tls": tls, "door": Door({"app@there.example": "s3cret"})} | more
        return self.world.enter(Peer(**given))

    def write(self, port: int, security: str = BASIC, more: str = "", host: str = HOST) -> None:
        self.file.write_text(
            f'[servers.default.delivery]\nsmart_host = "{host}:{port}"\nport = {port}\nfqdn = "here.example"\n'
            f'dns = ["127.0.0.1:{self.names.port}"]\nprivate_exchangers = true\n'
            f'[servers.default.delivery.security]\nca_file = "{self.authority.file}"\n{security}\n'
            f'[servers.default.domains."local.example"]\ntype = "default"\n{more}'
        )
        self.file.chmod(0o600)

    def test(self, *words: str) -> tuple[int, str]:
        code = main(["smarthost", "test", *words, "--config", str(self.file)])
        shown = self._capsys.readouterr()
        return code, shown.out + shown.err

    def facts(self, *words: str) -> dict:
        code, shown = self.test(*(words or ("default",)), "--json")
        facts = json.loads(shown)
        assert code == (0 if facts["holds"] else 1)
        assert "s3cret" not in shown
        return facts


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with contextlib.ExitStack() as stack:
        yield Site(stack.enter_context(outside()), tmp_path, capsys)


def test_every_link_is_shown_and_no_message_is_sent(site: Site) -> None:
    peer = site.peer()
    site.write(peer.port)
    code, shown = site.test("default")
    assert code == 0, shown
    lines = shown.splitlines()
    assert lines[0] == (
        f"Mail for other domains leaves the server default for {HOST}:{peer.port}: "
        'tls = "verify", authentication = "basic" as app@there.example.'
    )
    assert [line.split()[:2] for line in lines if line.startswith("ok")] == [
        ["ok", link] for link in ("DNS", "connection", "greeting", "TLS", "sign-in", "transaction")
    ]
    assert "TLSv1.3" in shown and "the certificate was checked" in shown
    assert "app@there.example by PLAIN" in shown
    assert lines[-1] == "Mail would go out." and "s3cret" not in shown
    assert not any(command.startswith("DATA") for command in peer.commands)
    assert peer.commands[-4:] == [
        "MAIL FROM:<app@there.example> SIZE=1000", "RCPT TO:<app@there.example>", "RSET", "QUIT",
    ]  # fmt: skip


def test_a_server_is_known_by_its_display_name_too(site: Site) -> None:
    site.write(site.peer().port)
    assert site.facts("Default SMTP Virtual Server")["holds"]


def test_a_name_that_dns_does_not_know(site: Site) -> None:
    site.write(25, host="nobody.there.example")
    facts = site.facts()
    assert facts["broken"] == "DNS" and "delivery.dns" in facts["mend"]


def test_a_port_where_nobody_listens(site: Site) -> None:
    site.write(free_port())
    facts = site.facts()
    assert facts["broken"] == "connection" and "firewall" in facts["mend"]
    assert "refused" in facts["steps"][-1]["said"]


def test_a_greeting_that_refuses(site: Site) -> None:
    site.write(site.peer(answers={"GREETING": "554 5.7.1 go away"}).port)
    facts = site.facts()
    assert facts["broken"] == "greeting" and facts["steps"][-1]["reply"] == "554 5.7.1 go away"


def test_a_host_without_tls(site: Site) -> None:
    site.write(site.peer(tls=None).port)
    facts = site.facts()
    assert facts["broken"] == "TLS" and "587 or 465" in facts["mend"]


@pytest.mark.parametrize(
    ("names", "more", "words"),
    [(("other.there.example",), {}, "but for other.there.example"), ((), {"ends": -DAY}, "expired on")],
)
def test_a_certificate_that_is_not_believed(site: Site, names, more, words) -> None:
    site.write(site.peer(*names, **more).port)
    facts = site.facts()
    assert facts["broken"] == "TLS" and words in facts["steps"][-1]["said"]
    assert "certificate" in facts["mend"]


@pytest.mark.parametrize(
    ("reply", "mend"),
    [
        ("535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for x.", "Set-CASMailbox"),
        ("535 5.7.3 Authentication unsuccessful", "SMTP.SendAsApp"),
        ("534-5.7.9 Application-specific password required. See\r\n534 5.7.9 https://x.example", "app password"),
        ("535-5.7.8 Username and Password not accepted. Learn more\r\n535 5.7.8 at https://x.example", "app password"),
    ],
)  # fmt: skip
def test_a_refused_sign_in_has_the_providers_mend(site: Site, reply: str, mend: str) -> None:
    site.write(site.peer(door=Door(bad=reply)).port)
    facts = site.facts()
    assert facts["broken"] == "sign-in" and mend in facts["mend"]


@pytest.mark.parametrize(
    ("answers", "said", "mend"),
    [
        ({"MAIL": "530 5.7.57 Client not authenticated to send mail."}, "MAIL FROM", "oauth2"),
        ({"MAIL": "550 5.7.60 SMTP; Client does not have permissions to send as this sender"}, "MAIL FROM", "SendAs"),
        ({"RCPT": "550 5.7.708 Service unavailable. Access denied, traffic not accepted"}, "RCPT", "support"),
        ({"RCPT": "550 5.1.1 No such user"}, "RCPT TO:<app@there.example>", "ask the administrator"),
    ],
)  # fmt: skip
def test_a_refused_transaction_names_command_and_mend(site: Site, answers, said: str, mend: str) -> None:
    site.write(site.peer(answers=answers).port)
    facts = site.facts()
    assert facts["broken"] == "transaction" and said in facts["steps"][-1]["said"] and mend in facts["mend"]


def oauth2(endpoint: Endpoint) -> str:
    return (
        'authentication = "oauth2"\nusername = "app@there.example"\ntls = "require"\n'
        f'[servers.default.delivery.security.oauth2]\ntoken_url = "{endpoint.url}"\nclient_id = "us"\n'
        'client_secret = "s3cret"'
    )


def test_a_token_is_fetched_and_shown_to_nobody(site: Site) -> None:
    endpoint = site.world.enter(Endpoint([(200, {"access_token": "s3cret-token", "expires_in": 3600})]))
    door = Door(offers=("XOAUTH2",), tokens={"s3cret-token"})
    site.write(site.peer(door=door).port, oauth2(endpoint))
    assert site.facts()["holds"]
    assert [name for name, _ in door.seen] == ["XOAUTH2"]


def test_an_endpoint_that_refuses_has_its_mend(site: Site) -> None:
    refusal = {
        "error": "invalid_client",
        "error_description": "AADSTS7000222: The provided client secret keys are expired.",
    }
    endpoint = site.world.enter(Endpoint([(401, refusal)]))
    site.write(site.peer(door=Door(offers=("XOAUTH2",))).port, oauth2(endpoint))
    facts = site.facts()
    assert facts["broken"] == "sign-in" and "make a new one under Certificates & secrets" in facts["mend"]


def test_a_domain_is_tried_by_its_own_way(site: Site) -> None:
    peer = site.peer("mx.d.example", door=None)
    more = '[servers.default.domains."d.example"]\ntype = "remote"\nsecurity = { tls = "require" }\n'
    site.write(peer.port, BASIC, more)
    facts = site.facts("d.example")
    # The server's smart host serves every domain that has no route of its own.
    assert facts["destination"].startswith(HOST) and facts["authentication"] == "anonymous" and facts["holds"]
    assert facts["recipient"] == "postmaster@d.example"


def test_a_domain_is_tried_by_its_exchangers(site: Site) -> None:
    peer = site.peer("mx.d.example", door=None)
    site.write(peer.port, 'tls = "verify"')
    text = site.file.read_text()
    site.file.write_text("".join(line for line in text.splitlines(True) if not line.startswith("smart_host")))
    facts = site.facts("d.example")
    assert facts["destination"] == "d.example" and facts["holds"]
    assert facts["steps"][0]["said"] == f"mx.d.example is 127.0.0.1, port {peer.port}"


def test_clear_text_after_a_failed_handshake_is_told(site: Site) -> None:
    peer = site.peer(answers={"STARTTLS": "454 4.7.0 not now"}, door=None)
    site.write(peer.port, 'tls = "opportunistic"')
    code, shown = site.test("default")
    assert code == 0 and "in clear text: 454 4.7.0 not now" in shown and "But see what failed: TLS." in shown


def test_sender_and_recipient_may_be_given(site: Site) -> None:
    peer = site.peer()
    site.write(peer.port)
    facts = site.facts("default", "--sender", "a@x.example", "--recipient", "b@y.example")
    assert facts["holds"] and (facts["sender"], facts["recipient"]) == ("a@x.example", "b@y.example")
    assert "RCPT TO:<b@y.example>" in peer.commands


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("local.example",), "local.example is a local domain of the server default"),
        (("x.example", "--server", "other"), "there is no virtual server other"),
    ],
)
def test_what_has_no_way_is_refused(site: Site, words, said: str) -> None:
    site.write(25)
    code, shown = site.test(*words)
    assert code == 2 and said in shown


def test_a_server_without_smart_host_is_refused(site: Site) -> None:
    site.file.write_text("[servers.default]\n")
    code, shown = site.test("default")
    assert code == 2 and "has no smart host" in shown
