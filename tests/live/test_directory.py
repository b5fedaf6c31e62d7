"""LDAP routing as it is used: a service that asks slapd, with the attributes of Active Directory."""

import smtplib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.running import SETTINGS, Service, running, service, until
from tests.peers.authority import Authority
from tests.peers.directory import ADMIN, BASE, PASSWORD, PEOPLE, Slapd, group, person, slapd

DOMAIN = "local.test"
PEOPLE_LDIF = (
    person("ann", f"ann@{DOMAIN}", proxyAddresses=[f"SMTP:ann@{DOMAIN}", f"smtp:a.smith@{DOMAIN}", "X400:c=us"])
    + person("bob", f"bob@{DOMAIN}")
    + person("old", f"old@{DOMAIN}", userAccountControl="514")
    + person("twin1", f"twin@{DOMAIN}")
    + person("twin2", f"twin@{DOMAIN}")
    + person("away", f"away@{DOMAIN}", altRecipient=f"cn=bob,{PEOPLE}", deliverAndRedirect="TRUE")
    + person("odd", f"odd@{DOMAIN}", proxyAddresses=["smtp:not an address"])
    + group("staff", f"staff@{DOMAIN}", ["ann", "inner", "staff"])
    + group("inner", f"inner@{DOMAIN}", ["bob", "ann", "staff"])
    + group("empty", f"empty@{DOMAIN}", ["nobody"])
)


def routing(directory: Slapd, more: str = "", server: str = "default") -> str:
    tls = "" if "tls" in more else 'tls = "off"\n'
    place = f'servers = ["{directory.url}"]\nbase = "{BASE}"\n'
    return f"\n[servers.{server}.ldap_routing]\nenabled = true\n{place}{tls}{more}\n"


def send(
    service: Service, *recipients: str, sender: str = "app@sender.test", options: tuple[str, ...] = ()
) -> dict[str, Any]:
    with smtplib.SMTP("127.0.0.1", service.port, timeout=120) as client:
        return client.sendmail(sender, list(recipients), "Subject: x\r\n\r\nbody\r\n", rcpt_options=list(options))


def dropped(service: Service) -> list[str]:
    """Whom the files in Drop are for."""
    found = []
    for path in (service.folder / "Mailroot" / "Drop").glob("*.eml"):
        found += [line[12:] for line in path.read_text().splitlines() if line.startswith("x-receiver: ")]
    return sorted(found)


@pytest.fixture(scope="module")
def directory(program_anywhere: Callable[[str], str]) -> Iterator[Slapd]:
    with slapd(program_anywhere, PEOPLE_LDIF) as made:
        yield made


def refused(service: Service, *recipients: str) -> str:
    """The refusal of the only recipient."""
    with pytest.raises(smtplib.SMTPRecipientsRefused) as raised:
        send(service, *recipients)
    ((code, text),) = raised.value.recipients.values()
    return f"{code} {text.decode()}"


def test_people_groups_and_strangers(directory: Slapd, tmp_path: Path) -> None:
    with running(tmp_path, routing(directory)) as service:
        assert refused(service, f"nobody@{DOMAIN}") == f"550 5.1.1 User unknown: nobody@{DOMAIN}"
        assert refused(service, f"old@{DOMAIN}") == f"550 5.2.1 Mailbox disabled: old@{DOMAIN}"
        assert refused(service, f"twin@{DOMAIN}").startswith("550 5.1.4 ")
        send(service, f"Ann@{DOMAIN}")
        until(lambda: dropped(service) == [f"Ann@{DOMAIN}"], "a person's mail")
        send(service, f"a.smith@{DOMAIN}")
        until(lambda: dropped(service) == [f"Ann@{DOMAIN}", f"ann@{DOMAIN}"], "mail for a further address")
        send(service, f"staff@{DOMAIN}")
        until(lambda: dropped(service) == [f"Ann@{DOMAIN}", *[f"ann@{DOMAIN}"] * 2, f"bob@{DOMAIN}"], "a group's mail")
        until(lambda: service.ask("queue", "list") == [], "an empty queue")
        causes = until(lambda: [one["cause"] for one in service.events("refused")], "refusals told")
        assert any(f"cn=twin1,{PEOPLE}; cn=twin2,{PEOPLE}" in cause for cause in causes)
        (resolved,) = until(lambda: [one for one in service.events("resolved") if one["outcome"] == "expanded"], "it")
        assert resolved["recipients"] == 2


def test_everybody_gets_one_copy(directory: Slapd, tmp_path: Path) -> None:
    with running(tmp_path, routing(directory)) as service:
        send(service, f"staff@{DOMAIN}", f"inner@{DOMAIN}", f"ann@{DOMAIN}", f"a.smith@{DOMAIN}", f"away@{DOMAIN}")
        wanted = [f"ann@{DOMAIN}", f"away@{DOMAIN}", f"bob@{DOMAIN}"]
        until(lambda: dropped(service) == wanted, "one copy for everybody")
        until(lambda: service.ask("queue", "list") == [], "an empty queue")
        assert dropped(service) == wanted


def test_postmaster_is_always_there(directory: Slapd, tmp_path: Path) -> None:
    with running(tmp_path, routing(directory)) as service:
        send(service, f"postmaster@{DOMAIN}")
        until(lambda: dropped(service) == [f"postmaster@{DOMAIN}"], "mail for the postmaster")


def test_a_sender_who_asked_hears_that_the_group_was_expanded(directory: Slapd, tmp_path: Path) -> None:
    with running(tmp_path, routing(directory)) as service:
        send(service, f"staff@{DOMAIN}", sender=f"bob@{DOMAIN}", options=("NOTIFY=SUCCESS,FAILURE",))
        found = until(lambda: [one for one in service.events("reported") if one["kind"] == "Expansion"], "a report")
        assert found[0]["recipient"] == f"staff@{DOMAIN}"
        until(lambda: dropped(service) == [f"ann@{DOMAIN}", *[f"bob@{DOMAIN}"] * 2], "members and report")


def test_a_group_of_nobody_is_returned(directory: Slapd, tmp_path: Path) -> None:
    with running(tmp_path, routing(directory)) as service:
        send(service, f"empty@{DOMAIN}", sender=f"bob@{DOMAIN}")
        until(lambda: dropped(service) == [f"bob@{DOMAIN}"], "the report")
        (failed,) = until(lambda: service.events("failed"), "the failure told")
        assert failed["status"] == "5.2.4"


def test_a_sender_of_ours_has_the_first_address(directory: Slapd, tmp_path: Path) -> None:
    with running(tmp_path, routing(directory)) as service:
        send(service, f"bob@{DOMAIN}", sender=f"a.smith@{DOMAIN}")
        until(lambda: dropped(service), "the mail")
        (path,) = (service.folder / "Mailroot" / "Drop").glob("*.eml")
        assert path.read_text().startswith(f"x-sender: ann@{DOMAIN}\n")


def test_N05_values_that_are_no_addresses_are_told_once(directory: Slapd, tmp_path: Path) -> None:
    with running(tmp_path, routing(directory, 'cache = "0s"\n')) as service:
        for _ in range(3):
            send(service, f"odd@{DOMAIN}")
        until(lambda: len(dropped(service)) == 3, "the mail")
        (told,) = until(lambda: service.events("directory_odd"), "the oddity told")
        assert "not an address" in told["values"][0]


def test_N04_a_directory_that_is_gone_costs_time_and_no_mail(program: Callable[[str], str], tmp_path: Path) -> None:
    made = Slapd(program, PEOPLE_LDIF)
    other = '[servers.other]\nhome = "Other"\n[servers.other.general]\nbindings = ["127.0.0.1:0"]\n'
    try:
        with running(tmp_path / "service", routing(made) + other) as service:
            began = time.monotonic()
            send(service, f"nobody@{DOMAIN}", sender=f"bob@{DOMAIN}")
            send(service, f"staff@{DOMAIN}", f"ann@{DOMAIN}")
            assert time.monotonic() - began < 15
            until(
                lambda: ["directory" in row["last"] for row in service.ask("queue", "list")] == [True] * 3,
                "mail that waits",
            )
            assert "127.0.0.1" in service.ask("status")["directories"]["default"]
            until(lambda: service.events("directory_down"), "the trouble told")
            service.kill()
            service.start()  # what waited waits on
            until(
                lambda: ["directory" in row["last"] for row in service.ask("queue", "list")] == [True] * 3,
                "mail that waits",
            )
            made.start()
            back = time.monotonic()
            wanted = [f"ann@{DOMAIN}", *[f"bob@{DOMAIN}"] * 2]
            until(lambda: dropped(service) == wanted, "the mail, and the report that nobody is unknown")
            assert time.monotonic() - back < 15
            assert service.ask("status")["directories"] == {"default": "answers"}
            until(lambda: service.events("directory_back"), "the return told")
    finally:
        made.remove()


def test_N06_what_was_wrong_is_forgotten_soon_and_by_a_command(program: Callable[[str], str], tmp_path: Path) -> None:
    made = Slapd(program, PEOPLE_LDIF)
    try:
        made.start()
        with running(tmp_path / "service", routing(made, 'negative_cache = "1d"\n')) as service:
            assert refused(service, f"new@{DOMAIN}").startswith("550 5.1.1")
            made.add(person("new", f"new@{DOMAIN}"))
            assert refused(service, f"new@{DOMAIN}").startswith("550 5.1.1")
            assert service.ask("ldap", "flush")["forgotten"] > 0
            send(service, f"new@{DOMAIN}")
            until(lambda: dropped(service) == [f"new@{DOMAIN}"], "the mail")
        with running(tmp_path / "soon", routing(made, 'negative_cache = "1s"\n')) as service:
            assert refused(service, f"later@{DOMAIN}").startswith("550 5.1.1")
            made.add(person("later", f"later@{DOMAIN}"))
            until(lambda: send_quietly(service, f"later@{DOMAIN}"), "a name that is known now")
    finally:
        made.remove()


def send_quietly(service: Service, recipient: str) -> bool:
    try:
        send(service, recipient)
    except smtplib.SMTPRecipientsRefused:
        time.sleep(0.2)
        return False
    return True


def test_settings_that_change_count_at_once(directory: Slapd, tmp_path: Path) -> None:
    with running(tmp_path, routing(directory)) as service:
        assert refused(service, f"old@{DOMAIN}").startswith("550 5.2.1")
        service.run("set", "servers.default.ldap_routing.refuse_disabled", "false")
        send(service, f"old@{DOMAIN}")
        until(lambda: dropped(service) == [f"old@{DOMAIN}"], "mail for a disabled account")
        service.run("set", "servers.default.ldap_routing.enabled", "false")
        send(service, f"whoever@{DOMAIN}")
        until(lambda: len(dropped(service)) == 2, "mail for a stranger")


def test_the_command_shows_each_step(directory: Slapd, tmp_path: Path) -> None:
    with running(tmp_path, routing(directory)) as service:
        shown = service.run("ldap", "test", f"staff@{DOMAIN}").stdout
        assert "connected to ldap://127.0.0.1" in shown
        assert "is a group of 3" in shown
        assert f"goes to 2 recipients: ann@{DOMAIN}, bob@{DOMAIN}." in shown
        answer = service.run("ldap", "test", f"nobody@{DOMAIN}", "--json", check=False)
        assert answer.returncode == 1
        assert '"status": "5.1.1"' in answer.stdout
        (row,) = service.ask("ldap", "status")
        assert row["state"] == "answers"


def test_explain_asks_the_directory_where_it_is_told_to(directory: Slapd, tmp_path: Path) -> None:
    made = service(tmp_path, routing(directory))

    def fate(recipient: str, *more: str) -> str:
        answer = made.ask("explain", "--from", "a@b.test", "--to", recipient, "--client", "127.0.0.1", *more)
        return str(answer["recipients"][0]["fate"])

    made.file.write_text(made.settings)
    assert "directory is not asked" in made.run("explain", "--from", "a@b.test", "--to", f"ann@{DOMAIN}").stdout
    assert fate(f"nobody@{DOMAIN}", "--network") == f"refused: 550 5.1.1 User unknown: nobody@{DOMAIN}"
    assert fate(f"staff@{DOMAIN}", "--network").startswith("for 2 recipients by the directory: ")
    assert fate(f"a.smith@{DOMAIN}", "--network").startswith(f"for ann@{DOMAIN} by the directory: ")
    assert fate(f"empty@{DOMAIN}", "--network").startswith("returned: ")
    untold = made.ask("explain", "--to", f"empty@{DOMAIN}", "--client", "127.0.0.1", "--network")["recipients"][0]
    assert untold["fate"].startswith("given up: ") and untold["steps"][-1]["step"] == "report"
    assert "Drop" in fate(f"ann@{DOMAIN}", "--network")


def test_clients_sign_in_with_the_accounts_of_the_directory(program: Callable[[str], str], tmp_path: Path) -> None:
    made = Slapd(program, person("ann", f"ann@{DOMAIN}", userPassword="sesame") + person("bob", f"bob@{DOMAIN}"))
    try:
        made.start()
        settings = SETTINGS.replace(
            "[servers.default.access.relay]",
            '[servers.default.access]\nbasic = true\nbasic_requires_tls = false\naccounts = "ldap"\n'
            "[servers.default.access.relay]",
        )
        more = routing(made, 'tls = "off"\npassword_without_tls = true\n').replace("enabled = true\n", "")
        with running(tmp_path, more, settings=settings) as service:
            for name in ("ann", f"ann@{DOMAIN}"):
                with smtplib.SMTP("127.0.0.1", service.port, timeout=120) as client:
                    assert client.login(name, "sesame")[0] == 235
            for name, password in (("ann", "wrong"), ("*", "sesame")):
                with smtplib.SMTP("127.0.0.1", service.port, timeout=120) as client:
                    with pytest.raises(smtplib.SMTPAuthenticationError) as raised:
                        client.login(name, password)
                    assert raised.value.smtp_code == 535
            made.stop()
            with smtplib.SMTP("127.0.0.1", service.port, timeout=120) as client:
                with pytest.raises(smtplib.SMTPAuthenticationError) as raised:
                    client.login("carl", "sesame")
                assert raised.value.smtp_code == 454
            send(service, f"nobody@{DOMAIN}")  # routing is not enabled
            until(lambda: dropped(service) == [f"nobody@{DOMAIN}"], "mail that is not looked up")
    finally:
        made.remove()


@pytest.mark.timeout(600)
def test_a_hundred_thousand_people_and_nested_groups_of_ten_thousand(
    program: Callable[[str], str], tmp_path: Path
) -> None:
    names = [f"p{number}" for number in range(100_000)]
    halves = [names[:5_000], names[4_000:10_000]]
    ldif = "".join(person(name, f"{name}@{DOMAIN}") for name in names)
    ldif += "".join(group(f"half{number}", f"half{number}@{DOMAIN}", half) for number, half in enumerate(halves))
    ldif += group("everybody", f"everybody@{DOMAIN}", ["half0", "half1", "everybody"])
    with slapd(program, ldif) as made, running(tmp_path, routing(made)) as service:
        send(service, f"p99999@{DOMAIN}")
        assert refused(service, f"p100000@{DOMAIN}").startswith("550 5.1.1")
        send(service, f"everybody@{DOMAIN}")
        wanted = sorted([*(f"p{number}@{DOMAIN}" for number in range(10_000)), f"p99999@{DOMAIN}"])
        until(lambda: service.ask("status")["servers"][0]["waiting"] == 0 and dropped(service) == wanted, "all", 300)


def test_certificates_are_checked_and_passwords_hidden(program: Callable[[str], str], tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate = authority.issue("127.0.0.1")
    account = f'binding = "plain-text"\nusername = "{ADMIN}"\npassword = "{PASSWORD}"\n'
    with slapd(program, PEOPLE_LDIF, certificate) as made:
        with running(
            tmp_path / "good", routing(made, f'tls = "verify"\nca_file = "{authority.file}"\n{account}')
        ) as service:
            assert refused(service, f"nobody@{DOMAIN}").startswith("550 5.1.1")
            assert "TLSv1.3, certificate checked" in service.run("ldap", "test", f"ann@{DOMAIN}").stdout
        with running(tmp_path / "bad", routing(made, f'tls = "verify"\n{account}')) as service:
            send(service, f"ann@{DOMAIN}")
            until(lambda: service.events("directory_down"), "the trouble")
            (row,) = service.ask("queue", "list")
            assert "directory" in row["last"]
            shown = service.run("ldap", "test", f"ann@{DOMAIN}", check=False)
            assert "name its authority in ldap_routing.ca_file" in shown.stdout
        for folder in ("good", "bad"):
            for path in (tmp_path / folder / "Logs").rglob("*"):
                assert path.is_dir() or PASSWORD.encode() not in path.read_bytes()
