"""`mailroot explain`: an answer from the settings file, with the service or without."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailroot.cli.main import main
from mailroot.edge.settingsfile import SettingsFile
from mailroot.settings.fingerprint import fingerprint
from mailroot.settings.service import Settings
from tests.cli.fakeservice import fake_service
from tests.live.outside import outside
from tests.peers.dns import Names
from tests.service.test_stories import Told

SETTINGS = """\
[servers.default.general]
bindings = ["127.0.0.1:2525", "192.0.2.1:25"]
tls_bindings = ["127.0.0.1:4650"]
[servers.default.access]
basic = true
[servers.default.access.relay]
list = ["10.0.0.0/8", "printers.example"]
[servers.default.delivery]
fqdn = "mail.local.test"
masquerade_domain = "outside.example"
[servers.default.delivery.security]
authentication = "basic"
username = "app"
password = "s3cret"
tls = "verify"
[servers.default.domains."local.test"]
type = "default"
[servers.default.domains."also.test"]
type = "alias"
[servers.default.domains."*.partner.example"]
relay = true
route = "relay.partner.example:587"
[servers.second.general]
bindings = ["127.0.0.1:2526"]
[servers.second]
home = "Second"
[servers.second.domains."second.test"]
type = "default"
"""


class Site:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.file = folder / "mailroot.toml"
        self._capsys = capsys
        self.write(SETTINGS)

    def write(self, text: str) -> None:
        self.file.write_text(text)
        self.file.chmod(0o600)

    def run(self, *words: str) -> tuple[int, str]:
        code = main(["explain", *words, "--config", str(self.file)])
        shown = self._capsys.readouterr()
        assert "s3cret" not in shown.out + shown.err
        return code, shown.out + shown.err

    def facts(self, *words: str) -> dict[str, Any]:
        code, shown = self.run(*words, "--json")
        assert code == 0
        return dict(json.loads(shown))

    def step(self, name: str, *words: str) -> dict[str, Any]:
        """The one step of this name."""
        facts = self.facts(*words)
        every = facts["steps"] + [step for one in facts["recipients"] for step in one["steps"]]
        [found] = [step for step in every if step["step"] == name]
        return dict(found)


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Site:
    return Site(tmp_path, capsys)


def test_a_refusal_is_an_answer(site: Site) -> None:
    code, shown = site.run(
        "--from", "a@local.test", "--to", "b@far.example", "--client", "192.0.2.7", "--header", "A: b"
    )
    assert code == 0
    assert "For <b@far.example>: hangs on the client's name" in shown
    site.write(SETTINGS.replace(', "printers.example"', ""))
    code, shown = site.run("--from", "a@local.test", "--to", "b@far.example", "--client", "192.0.2.7")
    assert code == 0
    assert "For <b@far.example>: refused: 550 5.7.1 Unable to relay for b@far.example" in shown
    assert "not: 10.0.0.0/8: 192.0.2.7 is not in it" in shown


def test_the_chain_goes_from_the_binding_to_the_report(site: Site) -> None:
    words = ("--from", "a@local.test", "--to", "b@mx.partner.example", "--auth", "joe", "--tls")
    facts = site.facts(*words)
    assert facts["accepted"] and facts["same_as_running"] is None
    assert [step["step"] for step in facts["steps"]] == [
        "entrance",
        "connection",
        "TLS",
        "authentication",
        "sender",
        "message",
    ]
    [one] = facts["recipients"]
    assert one["fate"] == "to relay.partner.example:587, TLS verify, basic as app"
    assert [step["step"] for step in one["steps"]] == [
        "domain",
        "recipient",
        "route",
        "DNS",
        "TLS out",
        "sign-in out",
        "sender out",
        "retry",
    ]
    assert "relay.partner.example:587 could not be reached within 2d." in " ".join(one["report"].split())


@pytest.mark.parametrize(
    ("step", "words", "cause"),
    [
        ("entrance", (), "127.0.0.1:2525 belongs to the server default, its first binding"),
        ("entrance", ("--binding", "127.0.0.1:2526"), "127.0.0.1:2526 belongs to the server second"),
        ("entrance", ("--server", "second"), "127.0.0.1:2526 belongs to the server second, its first binding"),
        ("TLS", ("--binding", "127.0.0.1:4650"), "TLS comes first on this binding"),
        ("authentication", ("--auth", "joe"), "signing in is offered inside TLS alone"),
        ("sender", ("--size", "3000000"), "messages.size_limit is 2097152 octets"),
        ("sender out", (), "a@outside.example, by delivery.masquerade_domain"),
        ("message", ("--header", "Received: x"), "1 Received fields, delivery.hop_count is 15"),
        ("domain", (), "*.partner.example holds for mx.partner.example: the remote domain"),
        ("Pickup", ("--pickup",), "a file in Pickup is taken"),
    ],
)
def test_a_step_names_its_rule(site: Site, step: str, words: tuple[str, ...], cause: str) -> None:
    found = site.step(step, "--from", "<a@local.test>", "--to", "<b@mx.partner.example>", *words)
    assert found["cause"].startswith(cause)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--to", "b@x", "--binding", "127.0.0.1:1"), "there is no binding 127.0.0.1:1; there are: 127.0.0.1:2525"),
        (("--to", "b@x", "--server", "third"), "there is no virtual server third; there are: default, second"),
        (("--to", "b@x", "--client", "nowhere"), "'nowhere' does not appear to be an IPv4 or IPv6 address"),
        (("--to", "b@x\r\nDATA"), "no address, name or header field has line ends in it"),
        ((), "give --to ADDRESS"),
    ],
)
def test_what_is_no_case_is_said_and_ends_with_2(site: Site, words: tuple[str, ...], said: str) -> None:
    code, shown = site.run(*words)
    assert code == 2
    assert said in shown


@pytest.fixture
def names() -> Iterator[Names]:
    zone = {
        ("relay.partner.example", "A"): ["127.0.0.1"],
        ("7.2.0.192.in-addr.arpa", "PTR"): ["p7.printers.example."],
        ("p7.printers.example", "A"): ["192.0.2.7"],
        ("far.example", "MX"): ["10 mx.far.example."],
        ("mx.far.example", "A"): ["203.0.113.9"],
    }
    with outside() as world:
        yield world.enter(Names(zone))


def test_the_network_is_asked_only_when_it_is_wanted(site: Site, names: Names) -> None:
    site.write(
        SETTINGS.replace('fqdn = "mail.local.test"', f'fqdn = "mail.local.test"\ndns = ["127.0.0.1:{names.port}"]')
    )
    words = ("--from", "a@local.test", "--to", "b@far.example", "--client", "192.0.2.7")
    assert site.facts(*words)["recipients"][0]["fate"] == "hangs on the client's name"
    assert not names.asked
    facts = site.facts(*words, "--network")
    assert facts["recipients"][0]["taken"]
    steps = {step["step"]: step for step in facts["recipients"][0]["steps"]}
    assert "p7.printers.example" in steps["right to relay"]["cause"]
    assert steps["DNS"]["finding"] == "no", "192.0.2.0/24 and 203.0.113.0/24 are no addresses of the Internet"


def test_it_says_whether_the_running_service_has_these_settings(site: Site) -> None:
    settings = SettingsFile(site.file).load()
    assert isinstance(settings, Settings)
    status = {"revision": 3, "settings": fingerprint(settings)}
    with fake_service(site.file, lambda operation, arguments: status):
        assert "the running service has the same settings (its revision 3)" in site.run("--to", "a@local.test")[1]
        assert site.facts("--to", "a@local.test")["same_as_running"] is True
        site.write(SETTINGS.replace("masquerade_domain", "# masquerade_domain"))
        assert "the running service has OTHER settings" in site.run("--to", "a@local.test")[1]


def test_a_domain_with_times_of_its_own_is_told_with_them(site: Site) -> None:
    own = 'retry_intervals = ["7m"]\nretry_attempts = 5\nexpiration = "3d"\n'
    site.write(SETTINGS.replace('route = "relay.partner.example:587"\n', f'route = "relay.partner.example:587"\n{own}'))
    _, shown = site.run("--from", "a@local.test", "--to", "b@x.partner.example", "--client", "10.1.2.3")
    text = " ".join(shown.split())
    assert "tried at once, again every 7m, at most 5 times in all" in text
    assert "given up after 3d" in text


@pytest.mark.parametrize("recipient", ["ann@local.test", "b@mx.partner.example"])
def test_the_null_sender_is_promised_no_word(site: Site, recipient: str) -> None:
    code, shown = site.run("--to", recipient)
    assert code == 0
    assert "the sender is told of no delay; given up after 2d" in shown
    report = site.step("report", "--to", recipient)
    assert report["cause"] == (
        "The message has the null sender, so nobody can be told; if it failed, it would be put into Badmail"
    )
    [one] = site.facts("--to", recipient)["recipients"]
    assert one["report"] == ""


def test_a_fault_in_the_settings_to_compare_with_is_told_of_that_file(site: Site) -> None:
    bad = site.file.with_name("bad.toml")
    bad.write_text("[general\n")
    code, shown = site.run("--against", str(bad), "--to", "a@local.test")
    assert code == 2
    assert f"{bad}: line 1: not TOML" in shown and str(site.file) not in shown
    bad.write_text(SETTINGS)
    bad.chmod(0o644)
    code, shown = site.run("--against", str(bad), "--to", "a@local.test")
    assert code == 2
    assert f"chmod 600 {bad}" in shown


def test_settings_to_compare_with_are_read_as_if_they_stood_in_the_same_place(site: Site, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    same = tmp_path / "elsewhere" / "same.toml"
    same.write_text(SETTINGS)
    same.chmod(0o600)
    assert site.facts("--against", str(same), "--to", "a@local.test")["changed"] == []


OF_ENTRIES = """\
[servers.default.domains."*.held.example"]
relay = true
hold = true
[servers.default.domains."*.held.example".security]
tls = "require"
"""


def test_an_option_is_named_by_the_entry_that_has_it(site: Site) -> None:
    site.write(SETTINGS.replace("[servers.second.general]", f"{OF_ENTRIES}[servers.second.general]"))
    words = ("--from", "a@local.test", "--to", "b@mx.held.example")
    hold = 'domains."*.held.example".hold'
    assert site.step("hold", *words)["cause"].startswith(f"{hold}: kept until")
    assert site.step("TLS out", *words)["cause"].endswith('(domains."*.held.example".security)')


def test_what_a_trap_demands_of_tls_is_named_by_the_entry_of_its_address(site: Site) -> None:
    trapped = SETTINGS.replace("masquerade_domain =", 'trap = "ops@mx.held.example"\nmasquerade_domain =')
    site.write(trapped.replace("[servers.second.general]", f"{OF_ENTRIES}[servers.second.general]"))
    caught = site.step("TLS out", "--from", "a@local.test", "--to", "b@mx.partner.example")["cause"]
    assert caught.endswith('(domains."*.held.example".security)')


def test_of_several_messages_each_is_named_by_what_explains_it(site: Site) -> None:
    settings = SettingsFile(site.file).load()
    assert isinstance(settings, Settings)
    told = Told(Path(settings.service.trace.folder))
    refused = {"recipient": "bob@far.example", "reply": "550 5.7.1 no", "address": "192.0.2.7"}
    told.tell("refused", session="s1", sender="first@x", **refused)
    told.tell("refused", session="s1", sender="second@x", **refused)
    told.tell("refused", session="s2", sender="<>", **refused)
    told.accept("e1", "bob@far.example", sender="fourth@x", session="s3")
    code, shown = site.run("--message", "bob@far.example")
    assert code == 2
    first, *named = shown.splitlines()
    assert first == "mailroot: explain: several messages have the name bob@far.example; name one of these:"
    assert "  --message e1  (fourth@x to bob@far.example: in the queue)" in named
    assert "  --message s2  (<> to bob@far.example: refused: 550 5.7.1 no)" in named
    senders = [site.facts(*shlex.split(one.partition("  (")[0]))["case"]["from"] for one in named]
    assert sorted(senders) == ["", "first@x", "fourth@x", "second@x"]


def test_a_refused_message_is_explained_by_its_own_refusal(site: Site) -> None:
    settings = SettingsFile(site.file).load()
    assert isinstance(settings, Settings)
    told = Told(Path(settings.service.trace.folder))
    for recipient in ("ann@far.example", "bob@far.example"):
        told.tell(
            "refused", session="s1", sender="a@x", recipient=recipient, reply=f"550 no {recipient}", address="192.0.2.7"
        )
    facts = site.facts("--message", "bob@far.example")
    assert facts["case"]["to"] == ["bob@far.example"]
    assert facts["then"]["fate"] == "refused: 550 no bob@far.example"


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("", "No room in the Drop folder {}/Drop: No space left on device"),
        ("drop_quota = true\n", "Mailbox Full: the Drop folder has reached its quota"),
    ],
)
def test_the_report_on_a_drop_folder_says_what_live_mail_meets_there(site: Site, option: str, said: str) -> None:
    site.write(SETTINGS.replace('type = "default"\n', f'type = "default"\n{option}', 1))
    settings = SettingsFile(site.file).load()
    assert isinstance(settings, Settings)
    [one] = site.facts("--from", "a@local.test", "--to", "b@local.test")["recipients"]
    text = " ".join(one["report"].split())
    assert f"What happened: {said.format(settings.servers['default'].home)}" in text
    assert "Where: this mail server, mail.local.test" in text
