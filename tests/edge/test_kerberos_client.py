"""GSSAPI as a client: a realm of the tests' own, and an acceptor that others wrote."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailroot.edge.kerberos.client import client_context
from mailroot.mail.reply import Reply
from mailroot.settings.delivery import Authentication, OutboundSecurity
from mailroot.wire.client import Say
from mailroot.wire.presenting import Presented, present
from mailroot.wire.sasl.gssapi import accept_gssapi, present_gssapi
from mailroot.wire.sasl.words import (
    Challenge,
    ClientOpening,
    ContextFailed,
    ContextStep,
    ContextToken,
    ContextWrap,
    Credentials,
    Opening,
    SignedIn,
)
from tests.peers.kdc import Kdc, gssapi_module

HOST, PASSWORD = "relay.there.example", "correct horse"


@pytest.fixture
def realm(tmp_path: Path, program, monkeypatch) -> Iterator[Kdc]:
    gssapi_module()
    made = Kdc(tmp_path / "realm", program)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    yield made
    made.close()


class Acceptor:
    """The server's side: our mechanism over a context of the library."""

    def __init__(self, keytab: Path) -> None:
        gssapi = gssapi_module()
        credentials = gssapi.Credentials(usage="accept", store={"keytab": f"FILE:{keytab}"})
        self._context = gssapi.SecurityContext(creds=credentials, usage="accept")
        self._exchange = None
        self.outcome = None

    def reply(self, line: bytes) -> Reply:
        from binascii import a2b_base64, b2a_base64

        if self._exchange is None:
            initial = a2b_base64(line.split()[2])
            self._exchange = accept_gssapi(Opening(initial, bytes(32), datetime.now(UTC), (HOST,)))
            answer = None
        else:
            answer = a2b_base64(line)
        try:
            while True:
                step = self._exchange.send(answer)
                if isinstance(step, Challenge):
                    return Reply(334, "", (b2a_base64(step.data, newline=False).decode(),))
                answer = self._answer(step)
        except StopIteration as end:
            self.outcome = end.value
            return Reply(235 if isinstance(end.value, SignedIn) else 535, "", ("x",))

    def _answer(self, step):
        if isinstance(step, ContextStep):
            token = self._context.step(step.token) or b""
            return ContextToken(token, str(self._context.initiator_name) if self._context.complete else None)
        if isinstance(step, ContextWrap):
            return self._context.wrap(step.data, False).message
        return self._context.unwrap(step.data).message


async def signed_in(security: OutboundSecurity, acceptor: Acceptor | None, host: str = HOST) -> Presented:
    context = client_context(security, host)
    assert context is not None
    opening = ClientOpening(Credentials(security.username), host, 587, bytes(32), datetime.now(UTC))
    script = present("GSSAPI", present_gssapi(opening))
    try:
        step = next(script)
        while True:
            if isinstance(step, Say):
                assert acceptor is not None
                step = script.send([acceptor.reply(step.octets.strip())])
            else:
                step = script.send(await context.answer(step))
    except StopIteration as end:
        return end.value


def user(name: str, password: str = PASSWORD) -> OutboundSecurity:
    return OutboundSecurity(Authentication.INTEGRATED, name, password)


async def test_a_password_gets_a_ticket_and_the_ticket_signs_in(realm: Kdc) -> None:
    name = realm.user("app", PASSWORD)
    acceptor = Acceptor(realm.keytab(f"smtp/{HOST}"))
    assert (await signed_in(user(name), acceptor)).accepted
    assert acceptor.outcome == SignedIn(name)


@pytest.mark.parametrize(
    ("name", "password", "host"),
    [("app", "wrong", HOST), ("nobody", PASSWORD, HOST), ("app", PASSWORD, "other.there.example")],
)
async def test_without_a_ticket_nothing_is_said_to_the_server(realm: Kdc, name: str, password: str, host: str) -> None:
    realm.user("app", PASSWORD)
    realm.keytab(f"smtp/{HOST}")
    presented = await signed_in(user(f"{name}@THERE.EXAMPLE", password), None, host)
    assert not presented.accepted and presented.reply is None and presented.cause
    assert PASSWORD not in presented.cause


async def test_without_a_user_the_tickets_of_the_service_count(realm: Kdc) -> None:
    acceptor = Acceptor(realm.keytab(f"smtp/{HOST}"))
    assert not (await signed_in(user("", ""), None)).accepted
    name = realm.user("service", PASSWORD)
    realm.tickets("service", PASSWORD)
    assert (await signed_in(user("", ""), acceptor)).accepted
    assert acceptor.outcome == SignedIn(name)


async def test_a_name_of_a_windows_domain_is_none_of_kerberos(realm: Kdc) -> None:
    assert client_context(user("DOMAIN\\app"), HOST) is None


async def test_a_context_that_is_asked_too_early_fails(realm: Kdc) -> None:
    context = client_context(user(realm.user("app", PASSWORD)), HOST)
    assert context is not None
    assert isinstance(await context.answer(ContextWrap(b"x")), ContextFailed)
