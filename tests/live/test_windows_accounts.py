"""Signing in to a real service with accounts of elsewhere: Samba's, by its own program, and those of a KDC; by curl."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.running import Service, running, until
from tests.peers import samba
from tests.peers.kdc import Kdc, gssapi_module

ACCESS = """
[servers.default.access]
anonymous = false
basic = true
basic_requires_tls = false
integrated = true
"""
HOST = "mail.there.example"


def curl(site: Service, program: Callable[[str], str], user: str, mechanism: str, **environment: str) -> int:
    """Send a message with curl; its exit code."""
    message = site.folder / "message"
    message.write_text("Subject: x\r\n\r\nHello.\r\n")
    command = [program("curl"), "-sS", "--connect-to", f"{HOST}:25:127.0.0.1:{site.port}", f"smtp://{HOST}:25"]
    command += ["--login-options", f"AUTH={mechanism}", "-K", "-", "--mail-from", "a@local.test"]
    command += ["--mail-rcpt", "b@local.test", "-T", str(message)]
    done = subprocess.run(
        command,
        input=f'user = "{user}"\n',
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )
    return done.returncode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs winbindd")
def test_accounts_of_samba_sign_in(tmp_path: Path, program: Callable[[str], str]) -> None:
    with samba.winbind(program) as ntlm_auth:
        more = f'accounts = "ntlm_auth"\nntlm_auth = "{ntlm_auth}"\nbasic_domain = "{samba.HOST}"\n'
        with running(tmp_path, ACCESS + more) as site:
            for mechanism in ("NTLM", "PLAIN", "LOGIN"):
                assert curl(site, program, f"{samba.USER}:{samba.PASSWORD}", mechanism) == 0
                assert curl(site, program, f"{samba.USER}:wrong", mechanism) == 67  # "login denied"
            assert curl(site, program, "nobody-at-all:wrong", "NTLM") == 67
            until(lambda: len(site.dropped()) == 3, "the messages")
            told = until(lambda: len(found := site.events("signed_in")) >= 3 and found, "the events")
            assert [one["user"] for one in told] == [f"{samba.HOST}\\{samba.USER}", samba.USER, samba.USER]


@pytest.fixture
def kdc(tmp_path: Path, program: Callable[[str], str]) -> Iterator[Kdc]:
    gssapi_module()
    made = Kdc(tmp_path / "realm", program)
    yield made
    made.close()


def test_a_ticket_of_kerberos_signs_in(
    kdc: Kdc, tmp_path: Path, program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    keytab = tmp_path / "keytab"
    shutil.copy(kdc.keytab(f"smtp/{HOST}"), keytab)
    name = kdc.user("ann", "correct horse")
    for variable, value in kdc.environment.items():
        monkeypatch.setenv(variable, value)
    with running(tmp_path / "site", ACCESS + f'keytab = "{keytab}"\nntlm = false\n') as site:
        assert curl(site, program, ":", "GSSAPI") != 0
        kdc.tickets("ann", "correct horse")
        assert curl(site, program, ":", "GSSAPI") == 0
        assert until(site.dropped, "the message")
        assert [one["user"] for one in until(lambda: site.events("signed_in"), "the event")] == [name]
        # What signs in by Kerberos is no account of the store's.
        assert curl(site, program, "ann:correct horse", "PLAIN") == 67
