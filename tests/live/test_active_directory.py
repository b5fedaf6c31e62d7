"""Active Directory as Samba makes it: every binding, groups, forwarding, and servers that DNS names."""

import asyncio
import smtplib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mailroot.edge.dns import DnsResolver
from mailroot.edge.ldap.directory import LdapDirectory
from mailroot.edge.ldap.places import Place
from mailroot.mail.address import Mailbox
from mailroot.mail.faults import Unavailable
from mailroot.routing.directory.questions import ByAccount, ByAddress, NoAnswer
from mailroot.settings.ldap import LdapBinding, LdapRouting, LdapTls
from mailroot.settings.places import DirectoryServer
from tests.live.running import SETTINGS, running, until
from tests.peers.activedirectory import (
    ADDRESS,
    BASE,
    DOMAIN,
    HOST,
    PASSWORD,
    PEOPLE,
    REALM,
    SHORT,
    USER,
    DomainController,
)
from tests.peers.dns import Names
from tests.peers.kdc import gssapi_module

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def controller(program_anywhere: Callable[[str], str]) -> Iterator[DomainController]:
    gssapi_module()
    made = DomainController(program_anywhere)
    try:
        yield made.start()
    finally:
        made.remove()


@pytest.fixture(autouse=True)
def realm(controller: DomainController, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in controller.environment.items():
        monkeypatch.setenv(name, value)


def asking(controller: DomainController, ldaps: bool = False, **settings: Any) -> LdapDirectory:
    """The controller as a directory; its name is known to nobody here, so its address stands beside it."""
    server = DirectoryServer(HOST, 636 if ldaps else 389, ldaps)
    known: dict[str, Any] = {"tls": LdapTls.VERIFY, "ca_file": str(controller.authority.file), **settings}
    routing = LdapRouting(enabled=True, servers=(server,), **known)
    made = LdapDirectory(routing, DnsResolver([], time.monotonic), time.monotonic)
    made.finder._named = (Place(server, (ADDRESS,)),)
    return made


ACCOUNT = {"username": USER, "password": PASSWORD}
PLAIN, WINDOWS = {"binding": LdapBinding.PLAIN_TEXT, **ACCOUNT}, {"binding": LdapBinding.WINDOWS, **ACCOUNT}
STAFF = ByAddress((Mailbox("staff", DOMAIN),))


@pytest.mark.parametrize(
    ("tls", "settings"),
    [
        pytest.param(False, {**PLAIN, "domain": DOMAIN}, id="password by StartTLS, user@domain"),
        pytest.param(True, {**PLAIN, "domain": SHORT}, id="password by LDAPS, DOMAIN-user"),
        pytest.param(False, {**PLAIN, "username": f"CN={USER},{PEOPLE}"}, id="password, a name of the directory"),
        pytest.param(False, {**WINDOWS, "domain": SHORT}, id="NTLM within StartTLS"),
        pytest.param(True, {**WINDOWS, "username": f"{SHORT}\\{USER}"}, id="NTLM within LDAPS"),
        pytest.param(False, {**WINDOWS, "domain": DOMAIN}, id="Kerberos within StartTLS"),
        pytest.param(True, {**WINDOWS, "username": f"{USER}@{REALM}"}, id="Kerberos within LDAPS"),
        pytest.param(False, {**WINDOWS, "domain": DOMAIN, "tls": LdapTls.OFF}, id="Kerberos that seals by itself"),
    ],
)
async def test_every_binding_reads_the_directory(
    controller: DomainController, tls: bool, settings: dict[str, Any]
) -> None:
    directory = asking(controller, tls, **settings)
    assert await directory.check() == ""
    found = await directory.ask(STAFF)
    assert not isinstance(found, NoAnswer), found
    assert len(found[0].members) == 3
    directory.close()


@pytest.mark.parametrize("tls", [LdapTls.VERIFY, LdapTls.OFF])
async def test_the_service_account_signs_in_by_its_keytab(controller: DomainController, tls: LdapTls) -> None:
    keytab = str(controller.keytab())
    directory = asking(controller, **{"tls": tls, "keytab": keytab, "binding": LdapBinding.SERVICE_ACCOUNT})
    assert await directory.check() == ""
    directory.close()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "without authentication"),
        ({**PLAIN, "domain": DOMAIN, "password": "wrong"}, "does not take the user name or the password"),
        ({**PLAIN, "domain": DOMAIN, "tls": LdapTls.OFF}, "wants an encrypted connection"),
        ({**WINDOWS, "domain": SHORT, "password": "wrong"}, "does not take the user name or the password"),
        ({**PLAIN, "domain": DOMAIN, "base": "dc=other,dc=test"}, "there is no dc=other,dc=test"),
        ({**PLAIN, "domain": DOMAIN, "ca_file": ""}, "TLS failed"),
    ],
)
async def test_what_is_wrong_is_said(controller: DomainController, settings: dict[str, Any], words: str) -> None:
    directory = asking(controller, **settings)
    cause = await directory.check()
    assert words in cause
    assert PASSWORD not in cause
    directory.close()


async def test_accounts_sign_in_by_any_of_their_names(controller: DomainController) -> None:
    directory = asking(controller, **PLAIN, domain=DOMAIN)
    for name in ("ann", f"ann@{DOMAIN}", "ANN"):
        found = await directory.ask(ByAccount(name))
        assert isinstance(found, tuple)
        (one,) = found
        assert await directory.admits(one.dn, PASSWORD) is True
        assert await directory.admits(one.dn, "wrong") is False
    found = await directory.ask(ByAccount("old"))
    assert isinstance(found, tuple)
    assert found[0].disabled
    directory.close()
    gone = asking(controller, **PLAIN, domain=DOMAIN)
    gone.finder._named = (Place(DirectoryServer(HOST, 1), (ADDRESS,)),)
    with pytest.raises(Unavailable):
        await gone.admits("cn=x", "y")


class DnsInThread:
    """A DNS server beside the test, for a service in a process of its own."""

    def __init__(self, zone: dict[tuple[str, str], list[str]]) -> None:
        self._zone = zone
        self._loop = asyncio.new_event_loop()
        self._ready, self._over = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    async def _serve(self) -> None:
        async with Names(self._zone) as names:
            self.port = names.port
            self._ready.set()
            await self._over.wait()

    def __enter__(self) -> "DnsInThread":
        self._thread.start()
        assert self._ready.wait(120)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)
        self._loop.close()


def test_a_service_finds_the_controller_and_expands_its_groups(controller: DomainController, tmp_path: Path) -> None:
    zone = {(f"_ldap._tcp.dc._msdcs.{DOMAIN}", "SRV"): [f"0 100 389 {HOST}."], (HOST, "A"): [ADDRESS]}
    more = (
        f'[servers.default.domains."{DOMAIN}"]\ntype = "alias"\n'
        f'[servers.default.ldap_routing]\nenabled = true\ndomain = "{DOMAIN}"\nbase = "{BASE}"\n'
        f'binding = "windows"\nusername = "{USER}"\npassword = "{PASSWORD}"\nca_file = "{controller.authority.file}"\n'
    )
    with DnsInThread(zone) as names:
        fqdn = 'fqdn = "mail.local.test"\n'
        settings = SETTINGS.replace(fqdn, f'{fqdn}dns = ["127.0.0.1:{names.port}"]\n')
        with running(tmp_path, more, settings=settings) as service:
            with smtplib.SMTP("127.0.0.1", service.port, timeout=120) as client:
                client.sendmail("app@sender.test", [f"a.smith@{DOMAIN}"], "Subject: x\r\n\r\nbody\r\n")
                client.sendmail("app@sender.test", [f"inner@{DOMAIN}"], "Subject: x\r\n\r\nbody\r\n")
                refused = client.rcpt(f"nobody@{DOMAIN}") if client.mail("a@b.test")[0] == 250 else None
                assert refused is not None
                assert refused[0] == 550
            drop = service.folder / "Mailroot" / "Drop"
            until(lambda: len(list(drop.glob("*.eml"))) == 2, "the mail in Drop", 60)
            texts = "".join(path.read_text() for path in drop.glob("*.eml"))
            assert f"x-receiver: ann@{DOMAIN}" in texts
            assert f"x-receiver: bob@{DOMAIN}" in texts
