"""Which accounts a virtual server's settings make, and what is offered to its clients."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mailroot.edge.accounts.embedded import EmbeddedAccounts
from mailroot.edge.accounts.ntlmauth import SambaAccounts, SambaContext
from mailroot.edge.accounts.pam import PamAccounts
from mailroot.edge.kerberos.acceptor import KerberosContext
from mailroot.edge.sharedcounts import SharedCounts
from mailroot.edge.sharedrates import RATE_SLOTS
from mailroot.service.receive.entrances import Entrances, own_domains
from mailroot.service.receive.signin import Entrance
from mailroot.settings.access import Access, AccountSource
from mailroot.settings.delivery import Delivery
from mailroot.settings.virtualserver import VirtualServer
from mailroot.wire.sasl.server import Need, Terms, offered


@pytest.fixture
async def entrances() -> AsyncIterator[Entrances]:
    made = Entrances("", SharedCounts(1, 2 * RATE_SLOTS), 0, 0, lambda row, **fields: None)
    yield made
    await made.close()


def server(**access: Any) -> VirtualServer:
    return VirtualServer(access=Access(**access), delivery=Delivery(fqdn="Mail.example.com"))


def entrance(entrances: Entrances, **access: Any) -> Entrance:
    made = entrances.of("default", server(**access))
    assert made is not None
    return made


def names(made: Entrance, **access: Any) -> list[str]:
    """What a client is offered inside TLS."""
    options = Access(**access)
    answers = made.accounts.answers
    return list(offered(Terms(options.basic, options.integrated, True, tls=True, binding=True, answers=answers)))


async def test_where_nobody_can_sign_in_there_is_no_entrance(entrances: Entrances) -> None:
    assert entrances.of("default", server()) is None


_PASSWORDS = ["PLAIN", "LOGIN"]
_SCRAM = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]
_GSSAPI = ["GSSAPI", "GSS-SPNEGO"]


@pytest.mark.parametrize(
    ("access", "kind", "wanted"),
    [
        ({"basic": True}, EmbeddedAccounts, [*_SCRAM, *_PASSWORDS]),
        ({"basic": True, "cram_md5": True}, EmbeddedAccounts, [*_SCRAM, "CRAM-MD5", *_PASSWORDS]),
        ({"integrated": True}, EmbeddedAccounts, ["NTLM"]),
        ({"basic": True, "accounts": AccountSource.PAM}, PamAccounts, _PASSWORDS),
        (
            {"basic": True, "integrated": True, "accounts": AccountSource.NTLM_AUTH},
            SambaAccounts,
            ["NTLM", *_PASSWORDS],
        ),
        (
            {"integrated": True, "ntlm": False, "accounts": AccountSource.NTLM_AUTH, "keytab": "/k"},
            object,
            _GSSAPI,
        ),
        ({"integrated": True, "keytab": "/k"}, object, [*_GSSAPI, "NTLM"]),
        ({"basic": True, "integrated": True, "accounts": AccountSource.PAM, "keytab": "/k"}, object, None),
    ],
)
async def test_settings_choose_accounts_and_mechanisms(
    entrances: Entrances, access: dict[str, Any], kind: type, wanted: list[str] | None
) -> None:
    made = entrance(entrances, **access)
    assert isinstance(made.accounts, kind)
    assert names(made, **access) == ([*_GSSAPI, *_PASSWORDS] if wanted is None else wanted)


async def test_each_kind_of_context_comes_from_its_source(entrances: Entrances) -> None:
    made = entrance(entrances, integrated=True, accounts=AccountSource.NTLM_AUTH, keytab="/k")
    assert isinstance(made.accounts.context(Need.CONTEXT), KerberosContext)
    assert isinstance(made.accounts.context(Need.NT_CONTEXT), SambaContext)


async def test_with_kerberos_the_other_accounts_still_answer(entrances: Entrances, tmp_path: Path) -> None:
    access = {"basic": True, "integrated": True, "keytab": "/k", "cram_md5": True}
    made = entrance(entrances, **access, account_file=str(tmp_path / "accounts")).accounts
    assert await made.check("bob", "x") is False
    assert (await made.scram_keys("bob")).iterations
    assert await made.cram_secret("bob") is None
    assert await made.nt_hash("bob", "") is None


async def test_what_accounts_do_not_answer_is_a_mistake_to_ask(entrances: Entrances) -> None:
    made = entrance(entrances, basic=True, accounts=AccountSource.PAM).accounts
    with pytest.raises(TypeError):
        await made.scram_keys("bob")
    with pytest.raises(TypeError):
        made.context(Need.NT_CONTEXT)


def test_our_own_domains_are_the_default_one_and_the_servers_name() -> None:
    assert own_domains(server(basic_domain="CORP")) == {"corp", "mail.example.com", "mail", "."}


async def test_the_strict_option_reaches_the_mechanisms(entrances: Entrances) -> None:
    assert entrance(entrances, integrated=True, extended_protection=True).strict
    assert not entrance(entrances, integrated=True).strict
