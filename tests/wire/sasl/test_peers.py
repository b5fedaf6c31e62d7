"""Other people's mechanisms against ours: scramp for SCRAM, pyspnego for NTLM, both ways."""

from dataclasses import replace

import pytest
import scramp
import spnego
from spnego.channel_bindings import GssChannelBindings

from mailroot.wire.sasl.keys import nt_hash, scram_keys
from mailroot.wire.sasl.ntlm import accept_ntlm
from mailroot.wire.sasl.ntlmclient import present_ntlm
from mailroot.wire.sasl.scram import accept_scram, accept_scram_plus
from mailroot.wire.sasl.scramclient import present_scram, present_scram_plus
from mailroot.wire.sasl.words import ChannelBinding, Credentials, NotSignedIn, SignedIn
from tests.wire.sasl.exchange import BINDING, CLIENT_OPENING, OPENING, OTHER_BINDING, PASSWORD, USER, Book

BOUND = replace(OPENING, binding=BINDING)
CLIENT_BOUND = replace(CLIENT_OPENING, binding=BINDING)


def scramp_binding(binding: ChannelBinding) -> tuple[str, bytes]:
    return ChannelBinding.KIND, binding.digest


def scramp_signs_in(accepting, mechanism, opening, binding=None, password=PASSWORD):
    client = scramp.ScramClient([mechanism], USER, password, channel_binding=binding)
    server = accepting(replace(opening, initial=client.get_client_first().encode()))
    offer = server.send(Book().answer(server.send(None)))
    client.set_server_first(offer.data.decode())
    try:
        signature = server.send(client.get_client_final().encode())
    except StopIteration as end:
        return end.value
    client.set_server_final(signature.data.decode())
    with pytest.raises(StopIteration) as ended:
        server.send(b"")
    return ended.value.value


def test_scramp_signs_in():
    assert scramp_signs_in(accept_scram, "SCRAM-SHA-256", OPENING) == SignedIn(USER)


def test_scramp_signs_in_bound_to_the_channel():
    outcome = scramp_signs_in(accept_scram_plus, "SCRAM-SHA-256-PLUS", BOUND, scramp_binding(BINDING))
    assert outcome == SignedIn(USER)


def test_scramp_is_refused():
    assert isinstance(scramp_signs_in(accept_scram, "SCRAM-SHA-256", OPENING, password="no"), NotSignedIn)
    other = scramp_binding(OTHER_BINDING)
    assert isinstance(scramp_signs_in(accept_scram_plus, "SCRAM-SHA-256-PLUS", BOUND, other), NotSignedIn)


def test_we_sign_in_to_scramp():
    for mechanism, client, binding in (
        ("SCRAM-SHA-256", present_scram(CLIENT_OPENING), None),
        ("SCRAM-SHA-256-PLUS", present_scram_plus(CLIENT_BOUND), scramp_binding(BINDING)),
    ):
        keys = scram_keys(PASSWORD, b"salt" * 4)
        kept = (keys.salt, keys.stored_key, keys.server_key, keys.iterations)
        server = scramp.ScramMechanism(mechanism).make_server(lambda _, kept=kept: kept, channel_binding=binding)
        server.set_client_first(client.send(None).data.decode())
        server.set_client_final(client.send(server.get_server_first().encode()).data.decode())
        assert client.send(server.get_server_final().encode()).data == b""
        assert server.stage is scramp.core.ServerStage.get_server_final


def spnego_binding(binding: ChannelBinding | None) -> GssChannelBindings | None:
    return binding and GssChannelBindings(application_data=ChannelBinding.KIND.encode() + b":" + binding.digest)


def spnego_signs_in(user, password=PASSWORD, opening=OPENING, binding=None, host="mail.example.com"):
    client = spnego.client(
        user,
        password,
        hostname=host,
        service="SMTPSVC",
        protocol="ntlm",
        options=spnego.NegotiateOptions.use_ntlm,
        channel_bindings=spnego_binding(binding),
    )
    server = accept_ntlm(replace(opening, initial=client.step()))
    server.send(client.step(server.send(None).data))
    with pytest.raises(StopIteration) as ended:
        server.send(nt_hash(PASSWORD))
    return ended.value.value


@pytest.mark.parametrize(
    ("user", "account"), [("ann", "ann"), (".\\ann", "ann"), ("MAIL\\ann", "ann"), ("DOM\\ann", "DOM\\ann")]
)
def test_pyspnego_signs_in(user, account):
    assert spnego_signs_in(user) == SignedIn(account)


def test_pyspnego_signs_in_to_the_strict_server():
    assert spnego_signs_in("ann", opening=replace(BOUND, strict=True), binding=BINDING) == SignedIn("ann")


@pytest.mark.parametrize(
    ("opening", "more"),
    [
        (OPENING, {"password": "no"}),
        (BOUND, {"binding": OTHER_BINDING}),
        (OPENING, {"binding": BINDING}),
        (replace(BOUND, strict=True), {}),
        (replace(OPENING, strict=True), {"host": "files.example.com"}),
    ],
    ids=["password", "G13_other_channel", "G13_no_channel", "G13_unbound", "G13_other_service"],
)
def test_pyspnego_is_refused(opening, more):
    assert isinstance(spnego_signs_in("ann", opening=opening, **more), NotSignedIn)


@pytest.fixture
def spnego_server(tmp_path, monkeypatch):
    (tmp_path / "users").write_text(f"DOM:{USER}:{PASSWORD}\n", encoding="utf-8")
    monkeypatch.setenv("NTLM_USER_FILE", str(tmp_path / "users"))

    def make(binding=None):
        options = spnego.NegotiateOptions.use_ntlm
        return spnego.server(protocol="ntlm", options=options, channel_bindings=spnego_binding(binding))

    return make


@pytest.mark.parametrize("binding", [None, BINDING])
def test_we_sign_in_to_pyspnego(spnego_server, binding):
    server = spnego_server(binding)
    credentials = Credentials(USER, PASSWORD, domain="DOM")
    client = present_ntlm(replace(CLIENT_OPENING, credentials=credentials, binding=binding))
    server.step(client.send(server.step(client.send(None).data)).data)
    assert server.complete
    assert server.client_principal == f"DOM\\{USER}"
