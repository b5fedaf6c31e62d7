"""GSSAPI as a server: a realm of the tests' own, and an initiator that others wrote."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mailroot.edge.boundedpool import BoundedPool
from mailroot.edge.kerberos.acceptor import KerberosAcceptor, KerberosContext
from mailroot.mail.faults import Unavailable
from mailroot.wire.sasl.gssapi import accept_by_context, accept_gssapi
from mailroot.wire.sasl.words import (
    Challenge,
    ContextFailed,
    ContextStep,
    ContextWrap,
    Exchange,
    NotSignedIn,
    Opening,
    Outcome,
    SignedIn,
)
from tests.peers.kdc import REALM, Kdc, gssapi_module

HOST, PASSWORD = "mail.there.example", "correct horse"
SPNEGO = "1.3.6.1.5.5.2"


class Realm:
    """A KDC with the user "ann", whose tickets are in the environment, and our service's keytab."""

    def __init__(self, kdc: Kdc) -> None:
        self.kdc = kdc
        self.gssapi: Any = gssapi_module()
        self.pool = BoundedPool("Kerberos", 2, 8, 10.0)
        self.keytab = str(kdc.keytab(f"smtp/{HOST}"))
        kdc.user("ann", PASSWORD)
        kdc.tickets("ann", PASSWORD)

    def acceptor(self, keytab: str = "", principal: str = "") -> KerberosAcceptor:
        return KerberosAcceptor(keytab or self.keytab, principal, self.pool)

    def initiator(self, host: str = HOST, spnego: bool = False) -> Any:
        gssapi = self.gssapi
        target = gssapi.Name(f"smtp@{host}", gssapi.NameType.hostbased_service)
        mechanism = gssapi.OID.from_int_seq(SPNEGO) if spnego else gssapi.MechType.kerberos
        return gssapi.SecurityContext(name=target, usage="initiate", mech=mechanism)


@pytest.fixture
def realm(tmp_path: Path, program, monkeypatch) -> Iterator[Realm]:
    gssapi_module()
    kdc = Kdc(tmp_path / "realm", program)
    for name, value in kdc.environment.items():
        monkeypatch.setenv(name, value)
    made = Realm(kdc)
    yield made
    made.pool.close()
    kdc.close()


def opening(token: bytes) -> Opening:
    return Opening(token, bytes(32), datetime.now(UTC), (HOST,))


async def conversed(exchange: Exchange, context: KerberosContext, client: Any, whom: bytes = b"") -> Outcome:
    """The outcome of the mechanism with a client that others wrote; `whom` is the name that it asks for."""
    answer: Any = None
    try:
        while True:
            step = exchange.send(answer)
            if isinstance(step, ContextStep):
                answer = await context.step(step.token)
            elif isinstance(step, ContextWrap):
                answer = await context.wrap(step.data)
            elif isinstance(step, Challenge):
                answer = respond(client, step.data, whom)
            else:
                answer = await context.unwrap(step.data)
    except StopIteration as end:
        outcome: Outcome = end.value
        return outcome
    finally:
        context.close()


def respond(client: Any, challenge: bytes, whom: bytes) -> bytes:
    if not client.complete:
        return bytes(client.step(challenge) or b"")
    if not challenge:
        return b""
    client.unwrap(challenge)
    return bytes(client.wrap(b"\1\0\0\0" + whom, False).message)


async def test_a_ticket_signs_in_by_gssapi(realm: Realm) -> None:
    for whom in (b"", b"ann", f"ann@{REALM}".encode()):
        client = realm.initiator()
        context = realm.acceptor().context()
        outcome = await conversed(accept_gssapi(opening(client.step())), context, client, whom)
        assert outcome == SignedIn(f"ann@{REALM}")


async def test_nobody_signs_in_as_somebody_else(realm: Realm) -> None:
    client = realm.initiator()
    context = realm.acceptor().context()
    outcome = await conversed(accept_gssapi(opening(client.step())), context, client, b"root")
    assert isinstance(outcome, NotSignedIn)


@pytest.mark.parametrize("accept", [accept_gssapi, accept_by_context])
async def test_a_ticket_within_spnego_signs_in(realm: Realm, accept: Any) -> None:
    client = realm.initiator(spnego=True)
    context = realm.acceptor().context()
    outcome = await conversed(accept(opening(client.step())), context, client)
    assert outcome == SignedIn(f"ann@{REALM}")


async def test_the_principal_may_be_named(realm: Realm) -> None:
    client = realm.initiator()
    context = realm.acceptor(principal=f"smtp/{HOST}").context()
    assert await conversed(accept_gssapi(opening(client.step())), context, client) == SignedIn(f"ann@{REALM}")


async def test_a_ticket_for_another_service_is_refused(realm: Realm) -> None:
    realm.kdc.keytab("smtp/other.there.example")
    client = realm.initiator("other.there.example")
    context = realm.acceptor().context()
    outcome = await conversed(accept_gssapi(opening(client.step())), context, client)
    assert isinstance(outcome, NotSignedIn)
    assert outcome.cause.startswith("Kerberos: ")


async def test_a_token_of_nonsense_is_refused(realm: Realm) -> None:
    for token in (b"x", b"NTLMSSP\0" + bytes(40), bytes(9000)):
        assert isinstance(await realm.acceptor().context().step(token), ContextFailed)


async def test_a_context_that_is_not_there_seals_nothing(realm: Realm) -> None:
    context = realm.acceptor().context()
    assert isinstance(await context.wrap(b"x"), ContextFailed)
    assert isinstance(await context.unwrap(b"x"), ContextFailed)
    context.close()


@pytest.mark.parametrize("principal", ["", "smtp/unknown.there.example"])
async def test_without_a_key_the_service_is_unavailable(realm: Realm, principal: str) -> None:
    keytab = realm.keytab if principal else "/nowhere/keytab"
    with pytest.raises(Unavailable, match="Kerberos"):
        await realm.acceptor(keytab, principal).context().step(realm.initiator().step())


async def test_new_keys_count_at_once(realm: Realm, tmp_path: Path) -> None:
    keytab = tmp_path / "keytab"
    acceptor = realm.acceptor(str(keytab))
    with pytest.raises(Unavailable):
        await acceptor.context().step(realm.initiator().step())
    keytab.write_bytes(Path(realm.keytab).read_bytes())
    client = realm.initiator()
    assert isinstance(await conversed(accept_gssapi(opening(client.step())), acceptor.context(), client), SignedIn)


async def test_another_mechanism_within_spnego_signs_nobody_in(realm: Realm) -> None:
    class Established:
        """What the library makes of NTLM where the machine has a library for that."""

        complete = False
        mech = realm.gssapi.OID.from_int_seq("1.3.6.1.4.1.311.2.2.10")
        actual_flags = realm.gssapi.IntEnumFlagSet(realm.gssapi.RequirementFlag, 0)
        initiator_name = "ann@HOME"

        def step(self, token: bytes) -> bytes:
            self.complete = True
            return b""

    answer = await KerberosContext(Established, realm.pool).step(b"token")
    assert answer == ContextFailed("Kerberos: another mechanism within SPNEGO")
