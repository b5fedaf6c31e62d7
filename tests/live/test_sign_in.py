"""Signing in to a real service, with accounts that the command line changes while it runs."""

import base64
import contextlib
import os
import pwd
import smtplib
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.running import Service, _environment, running, service, until

ACCESS = """
[servers.default.access]
anonymous = false
basic = true
basic_requires_tls = false
cram_md5 = true
"""


@pytest.fixture(params=[1, 2], ids=["one worker", "two workers"])
def site(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Service]:
    with running(tmp_path, ACCESS, workers=request.param) as made:
        yield made


def account(site: Service, word: str, name: str, password: str = "") -> None:
    command = [sys.executable, "-m", "mailroot", "account", word, name, "--config", str(site.file)]
    subprocess.run(
        command, input=password + "\n", text=True, check=True, timeout=60, env=_environment(), capture_output=True
    )


def sign_in(site: Service, name: str, password: str, mechanism: str = "PLAIN") -> int:
    """The code of the reply."""
    with site.connect() as client:
        client.ehlo()
        client.user, client.password = name, password
        with contextlib.suppress(smtplib.SMTPAuthenticationError):
            return client.auth(mechanism, getattr(client, f"auth_{mechanism.lower().replace('-', '_')}"))[0]
        return 535


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_an_account_that_was_just_added_signs_in_and_sends(site: Service, mechanism: str) -> None:
    account(site, "add", "ann", "sesame")
    assert sign_in(site, "ann", "sesame", mechanism) == 235
    with site.connect() as client:
        client.login("ann", "sesame")
        client.sendmail("ann@local.test", "bob@local.test", "Subject: x\r\n\r\nHello.\r\n")
    assert until(site.dropped, "the message")
    assert until(lambda: site.events("signed_in"), "the event")[0]["user"] == "ann"


def test_changes_count_at_the_next_sign_in_in_every_worker(site: Service) -> None:
    account(site, "add", "ann", "sesame")
    assert [sign_in(site, "ann", "sesame") for _ in range(6)] == [235] * 6
    account(site, "passwd", "ann", "tulip")
    assert sign_in(site, "ann", "sesame") == 535
    assert [sign_in(site, "ANN", "tulip") for _ in range(6)] == [235] * 6
    account(site, "remove", "ann")
    assert sign_in(site, "ann", "tulip") == 535


def test_without_signing_in_nothing_is_taken(site: Service) -> None:
    with site.connect() as client:
        client.ehlo()
        assert client.mail("ann@local.test")[0] == 454


def test_G16_O06_no_password_is_in_any_log(site: Service) -> None:
    account(site, "add", "ann", "open-sesame")
    sign_in(site, "ann", "open-sesame")
    sign_in(site, "ann", "wrong-sesame", "LOGIN")
    with site.connect() as client:
        client.ehlo()
        client.docmd("AUTH PLAIN wrong-sesame")
        client.docmd("AUTH LOGIN")
        client.docmd("wrong-sesame")
    until(lambda: site.events("sign_in_failed"), "the event")
    said = b"".join(path.read_bytes() for path in (site.folder / "Logs").rglob("*") if path.is_file())
    said += (site.folder / "out").read_bytes() + (site.folder / "err").read_bytes()
    assert b"sesame" not in said
    assert b"c2VzYW1l" not in said


def test_guessing_ends_in_refusals_over_all_workers_and_spares_who_is_known(tmp_path: Path) -> None:
    with running(tmp_path, ACCESS + "guesses_per_address = 3\n", workers=2) as site:
        account(site, "add", "ann", "sesame")
        account(site, "add", "eve", "sesame")
        assert sign_in(site, "ann", "sesame") == 235
        for _ in range(3):
            assert sign_in(site, "eve", "guess") == 535
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused, site.connect() as client:
            client.login("eve", "sesame")
        assert refused.value.smtp_code == 454
        assert sign_in(site, "ann", "sesame") == 235
        told = until(lambda: site.events("too_many_guesses"), "the event")
        assert [one["cause"] for one in told] == ["3 failed sign-ins of this address within an hour"]


def test_a_burst_of_guesses_is_answered_no_further_than_the_limit(tmp_path: Path) -> None:
    with running(tmp_path, ACCESS + "guesses_per_address = 5\n") as site:
        account(site, "add", "ann", "sesame")
        with contextlib.ExitStack() as held:
            burst = [held.enter_context(site.connect()) for _ in range(20)]
            for number, client in enumerate(burst):
                client.ehlo()
                guess = "sesame" if number == len(burst) - 1 else f"guess {number}"
                words = base64.b64encode(f"\0ann\0{guess}".encode()).decode()
                client.putcmd("AUTH PLAIN", words)
            codes = [client.getreply()[0] for client in burst]
    assert codes.count(535) == 5
    assert codes.count(454) == 15


def test_accounts_that_others_may_read_sign_nobody_in(site: Service) -> None:
    account(site, "add", "ann", "sesame")
    site.folder.joinpath("mailroot.accounts").chmod(0o644)
    with pytest.raises(smtplib.SMTPAuthenticationError) as refused, site.connect() as client:
        client.login("ann", "sesame")
    assert refused.value.smtp_code == 454
    failed = until(lambda: site.events("sign_in_failed"), "the event")
    assert "chmod 600" in failed[-1]["cause"]
    site.folder.joinpath("mailroot.accounts").chmod(0o600)
    assert sign_in(site, "ann", "sesame") == 235


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs workers under another account")
def test_workers_without_rights_read_what_root_adds(tmp_path: Path) -> None:
    made = service(tmp_path, ACCESS)
    made.settings = made.settings.replace("[service]", '[service]\nrun_as = "nobody"')
    tmp_path.chmod(0o755)
    for folder in (tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    try:
        made.start()
        account(made, "add", "ann", "sesame")
        store = tmp_path / "mailroot.accounts"
        assert (store.stat().st_uid, stat.S_IMODE(store.stat().st_mode)) == (pwd.getpwnam("nobody").pw_uid, 0o600)
        assert sign_in(made, "ann", "sesame") == 235
        # A file from before the service had an account of its own: told, and mended by the next change.
        os.chown(store, 0, 0)
        with pytest.raises(smtplib.SMTPAuthenticationError), made.connect() as client:
            client.login("ann", "sesame")
        assert "Permission denied" in until(lambda: made.events("sign_in_failed"), "the event")[-1]["cause"]
        account(made, "passwd", "ann", "tulip")
        assert sign_in(made, "ann", "tulip") == 235
    finally:
        made.stop()
