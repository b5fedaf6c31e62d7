"""SCRAM-SHA-256 and -PLUS: the standard's example, one side against the other, and what is changed between them."""

import base64
import hashlib
from dataclasses import replace

import pytest

from mailroot.wire.sasl.keys import scram_keys
from mailroot.wire.sasl.scram import accept_scram, accept_scram_plus
from mailroot.wire.sasl.scramclient import present_scram, present_scram_plus
from mailroot.wire.sasl.words import Abandoned, Credentials, Malformed, NotSignedIn, Response, SignedIn
from tests.wire.sasl.exchange import BINDING, CLIENT_OPENING, OPENING, OTHER_BINDING, USER, Book, accept, converse

BOUND = replace(OPENING, binding=BINDING)
CLIENT_BOUND = replace(CLIENT_OPENING, binding=BINDING)

# RFC 7677 section 3
FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
OFFER = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
FINAL = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
SIGNATURE = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def the_rfcs_client():
    random = base64.b64decode("rOprNGfwEbeRWgbNEkqO")
    return present_scram(replace(CLIENT_OPENING, credentials=Credentials("user", "pencil"), random=random))


def test_the_client_says_what_rfc_7677_shows():
    client = the_rfcs_client()
    assert client.send(None) == Response(FIRST, conclusive=False)
    assert client.send(OFFER) == Response(FINAL, conclusive=False)
    assert client.send(SIGNATURE) == Response(b"", conclusive=True)


@pytest.mark.parametrize(
    "end",
    [SIGNATURE[:-3] + b"A==", b"v=", b"v=!", b"", b"w=6rri", SIGNATURE + b"\xff\0"],
)
def test_a_server_that_does_not_prove_itself_is_left(end):
    client = the_rfcs_client()
    client.send(None)
    client.send(OFFER)
    with pytest.raises(StopIteration) as ended:
        client.send(end)
    assert ended.value.value == Abandoned("the server did not prove that it knows the account")


@pytest.mark.parametrize(
    "offer",
    [
        OFFER.replace(b"rOpr", b"xOpr"),
        b"r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        OFFER.replace(b"4096", b"4095"),
        OFFER.replace(b"4096", b"200001"),
        OFFER.replace(b"4096", b"99999999999999999999"),
        OFFER.replace(b"s=W22Z", b"s=W2=Z"),
        b"m=x," + OFFER,
        b"",
        b"\xff",
    ],
    ids="G11_nonce G11_no_nonce G11_count G11_high_count G11_huge_count salt extension empty octets".split(),
)
def test_the_client_leaves_a_server_whose_offer_is_wrong(offer):
    client = the_rfcs_client()
    client.send(None)
    with pytest.raises(StopIteration) as ended:
        client.send(offer)
    assert isinstance(ended.value.value, Abandoned)


def test_the_client_tells_the_servers_error():
    client = the_rfcs_client()
    client.send(None)
    client.send(OFFER)
    assert client.send(b"e=invalid-proof\r\n") == Response(b"", "invalid-proof", conclusive=False)


def test_our_client_signs_in_to_our_server():
    assert converse(accept_scram, present_scram(CLIENT_OPENING)) == SignedIn(USER)


def test_our_client_signs_in_to_our_server_bound_to_the_channel():
    assert converse(accept_scram_plus, present_scram_plus(CLIENT_BOUND), BOUND) == SignedIn(USER)


@pytest.mark.parametrize("name", ["a,b", "a=b", "=2C,", "\u00e4nn"])
def test_names_of_all_characters_sign_in(name):
    credentials = Credentials(name, "secret")
    outcome = converse(
        accept_scram,
        present_scram(replace(CLIENT_OPENING, credentials=credentials)),
        book=Book({name: "secret"}),
    )
    assert outcome == SignedIn(name)


def test_a_wrong_password_and_an_unknown_name_fail_alike_and_as_late():
    for name in (USER, "bob"):
        credentials = Credentials(name, "nope")
        outcome = converse(accept_scram, present_scram(replace(CLIENT_OPENING, credentials=credentials)))
        assert outcome == NotSignedIn("the proof is wrong, or the account does not exist", name)


def test_G11_a_client_that_was_not_shown_plus_is_refused():
    book = Book()
    outcome = converse(accept_scram, present_scram(CLIENT_BOUND), BOUND, book)
    assert outcome == NotSignedIn("somebody hid from the client that -PLUS is offered", USER)
    assert book.asked == []


def test_a_client_without_channel_bindings_may_do_without():
    assert converse(accept_scram, present_scram(CLIENT_OPENING), BOUND) == SignedIn(USER)


def test_G11_another_channel_is_refused():
    client = present_scram_plus(replace(CLIENT_OPENING, binding=OTHER_BINDING))
    outcome = converse(accept_scram_plus, client, BOUND)
    assert outcome == NotSignedIn("the nonce or the channel binding was changed on the way", USER)


@pytest.mark.parametrize("header", ["n,,", "y,,", "p=tls-unique,,", "p=tls-exporter,,"])
def test_G11_plus_wants_the_binding_that_it_names(header):
    _, outcome = accept(accept_scram_plus(BOUND), [header.encode() + b"n=ann,r=abc"])
    assert outcome == NotSignedIn("a channel binding of another kind, or none", USER)


def test_without_plus_there_is_no_binding():
    _, outcome = accept(accept_scram(BOUND), [b"p=tls-server-end-point,,n=ann,r=abc"])
    assert outcome == NotSignedIn("a channel binding outside of -PLUS", USER)


def test_plus_without_a_channel_signs_nobody_in():
    assert isinstance(accept(accept_scram_plus(OPENING), [])[1], NotSignedIn)
    with pytest.raises(StopIteration) as ended:
        present_scram_plus(CLIENT_OPENING).send(None)
    assert isinstance(ended.value.value, Abandoned)


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"r=", b"r=x"), (b"c=biws", b"c=eSws"), (b"c=biws", b"c=bi"), (b",p=", b",p=A"), (b",p=", b",x=y,p=")],
    ids="G11_nonce G11_header G11_no_base64 G11_proof_length G11_extension".split(),
)
def test_a_changed_last_message_signs_nobody_in(old, new):
    server, client = accept_scram(replace(OPENING, initial=None)), present_scram(CLIENT_OPENING)
    server.send(None)
    server.send(client.send(None).data)
    offer = server.send(scram_keys("p", b"salt")).data
    with pytest.raises(StopIteration) as ended:
        server.send(client.send(offer).data.replace(old, new, 1))
    assert isinstance(ended.value.value, NotSignedIn)


def test_G11_the_same_last_message_serves_once():
    """The server's nonce is fresh each time, so what was overheard is of no use."""
    client, server = present_scram(CLIENT_OPENING), accept_scram(OPENING)
    first = client.send(None).data
    server.send(None)
    offer = server.send(Book().answer(server.send(first)))
    overheard = client.send(offer.data).data
    _, outcome = accept(accept_scram(replace(OPENING, random=hashlib.sha256(b"next").digest())), [first, overheard])
    assert outcome == NotSignedIn("the nonce or the channel binding was changed on the way", USER)


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"n",
        b"n,,",
        b"n,,n=ann",
        b"n,,n=,r=a",
        b"n,,n=ann,r=",
        b"n,,m=x,n=ann,r=a",
        b"x,,n=ann,r=a",
        b"n,,n=a=nn,r=a",
        b"n,,n=ann,r=a,b",
        b"n,,n=a\0,r=a",
        b"\xff",
        b"n,,n=ann,r=\xc3\xa4",
    ],
)
def test_first_messages_that_are_malformed(first):
    assert isinstance(accept(accept_scram(OPENING), [first])[1], Malformed)


@pytest.mark.parametrize("first", [b"n,a=bob,n=ann,r=a", b"n,,n=\x07,r=a", b"n,,n=" + b"a" * 1025 + b",r=a"])
def test_first_messages_of_nobody(first):
    assert isinstance(accept(accept_scram(OPENING), [first])[1], NotSignedIn)


@pytest.mark.parametrize("final", [b"", b"c=biws", b"c=biws,r=a", b"\xff", b"p=a"])
def test_last_messages_that_are_malformed(final):
    assert isinstance(accept(accept_scram(OPENING), [b"n,a=ann,n=ann,r=a", final])[1], Malformed)


def test_what_follows_the_servers_proof_is_malformed():
    client, server = present_scram(CLIENT_OPENING), accept_scram(OPENING)
    server.send(None)
    offer = server.send(Book().answer(server.send(client.send(None).data)))
    signature = server.send(client.send(offer.data).data)
    assert client.send(signature.data).data == b""
    with pytest.raises(StopIteration) as ended:
        server.send(b"more")
    assert isinstance(ended.value.value, Malformed)
