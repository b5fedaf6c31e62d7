"""Signing in to other servers, with doors and tokens of the tests' own."""

import asyncio
import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mailroot.edge.protocollog.log import ProtocolLog
from mailroot.edge.tls.binding import end_point_binding
from mailroot.edge.tokens import Granted, TokenFailed
from mailroot.routing.answers import Addresses, Finding
from mailroot.routing.route import RelayRoute
from mailroot.settings.delivery import Authentication, OAuth2, OutboundSecurity, OutboundTls
from mailroot.settings.domains import SmartHost
from tests.peers.authority import Authority, serving
from tests.peers.signing import Door
from tests.peers.smtp import Peer
from tests.service.carrying import KnownNames, carrier, delivery, loopback, purse, smart

NAME = "relay.there.example"
NAMES = KnownNames(addresses={NAME: Addresses(Finding.FOUND, ("127.0.0.1",))})
USER, PASSWORD = "app@there.example", "correct horse é"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


class Noted:
    """A protocol log that stays in memory."""

    tells_local = False

    def __init__(self):
        self.entries = []

    def write(self, entries):
        self.entries += entries

    def close(self, _patience):
        return None


def basic(tls="require", password=PASSWORD, user=USER, **more):
    return OutboundSecurity(Authentication.BASIC, user, password, tls=OutboundTls(tls), **more)


def door(*offers, **more):
    return Door({USER: PASSWORD, "app": PASSWORD}, offers or ("PLAIN", "LOGIN"), **more)


async def carried(way, route):
    status = (await way.carry(delivery(route)))[0]
    return status.disposition.value, status.code, f"{status.reason} {status.reply}"


def tried(peer):
    return [name for name, _ in peer.door.seen]


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"])
async def test_each_mechanism_signs_in_once_for_many_messages(mechanism, authority):
    async with Peer(tls=authority.serving(NAME), door=door(mechanism)) as peer, carrier() as way:
        for _ in range(3):
            assert (await carried(way, smart(peer, security=basic())))[0] == "relayed"
    assert tried(peer) == [mechanism] and len(peer.messages) == 3
    assert len(peer.connections) == 1


def known(authority):
    """A server's context, and the channel binding that its certificate gives."""
    file = authority.issue(NAME)
    der = x509.load_pem_x509_certificate(file.read_bytes()).public_bytes(Encoding.DER)
    return serving(file), end_point_binding(der)


async def test_scram_is_bound_to_the_certificate_where_the_server_offers_it(authority):
    context, binding = known(authority)
    offers = door("SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "PLAIN", binding=binding)
    async with Peer(tls=context, door=offers) as peer, carrier() as way:
        assert (await carried(way, smart(peer, security=basic())))[0] == "relayed"
    assert tried(peer) == ["SCRAM-SHA-256-PLUS"]


@pytest.mark.parametrize("user", ["app", "RELAY\\app"])
async def test_integrated_is_ntlm_with_the_domain_before_the_backslash(user, authority):
    security = OutboundSecurity(Authentication.INTEGRATED, user, PASSWORD, tls=OutboundTls.REQUIRE)
    context, binding = known(authority)
    async with Peer(tls=context, door=door("NTLM", "LOGIN", binding=binding)) as peer, carrier() as way:
        assert (await carried(way, smart(peer, security=security)))[0] == "relayed"
    assert tried(peer) == ["NTLM"]


async def test_integrated_never_falls_back_to_a_password(authority):
    security = OutboundSecurity(Authentication.INTEGRATED, "app", PASSWORD, tls=OutboundTls.REQUIRE)
    async with Peer(tls=authority.serving(NAME), door=door("LOGIN", "PLAIN")) as peer, carrier() as way:
        outcome = await carried(way, smart(peer, security=security))
    assert outcome[:2] == ("delayed", "4.7.4") and "PLAIN" in outcome[2]
    assert not tried(peer)


@pytest.mark.parametrize("tls", ["off", "opportunistic"])
async def test_L18_a_password_never_goes_in_clear(tls):
    async with Peer(door=door("LOGIN", "PLAIN")) as peer, carrier() as way:
        outcome = await carried(way, smart(peer, security=basic(tls)))
    assert (
        outcome[:2] == ("delayed", "4.7.11") and "show the password (LOGIN, PLAIN), and there is no TLS" in outcome[2]
    )
    assert not tried(peer) and not peer.messages


async def test_L18_a_password_goes_in_clear_where_an_option_says_so():
    async with Peer(door=door("LOGIN", "PLAIN")) as peer, carrier() as way:
        assert (await carried(way, smart(peer, security=basic("off", password_without_tls=True))))[0] == "relayed"


async def test_what_shows_no_password_goes_without_tls():
    async with Peer(door=door("CRAM-MD5", "PLAIN")) as peer, carrier() as way:
        assert (await carried(way, smart(peer, security=basic("off"))))[0] == "relayed"
    assert tried(peer) == ["CRAM-MD5"]


async def test_sign_in_is_offered_only_inside_tls(authority):
    async with Peer(tls=authority.serving(NAME), door=door(in_clear=False)) as peer, carrier() as way:
        refused = await carried(way, smart(peer, security=basic("off")))
        assert refused[:2] == ("delayed", "4.7.0") and "at least not without TLS" in refused[2]
        assert (await carried(way, smart(peer, security=basic())))[0] == "relayed"


async def test_the_old_way_to_offer_is_understood(authority):
    extensions = ("AUTH=LOGIN",)
    peer = Peer(extensions=extensions, tls=authority.serving(NAME), door=door("NTLM", "LOGIN"))
    async with peer, carrier() as way:
        assert (await carried(way, smart(peer, security=basic())))[0] == "relayed"


async def test_a_refused_password_delays_the_mail_and_is_not_tried_again_and_again(authority):
    events = []
    offers = door("LOGIN", "PLAIN")
    async with Peer(tls=authority.serving(NAME), door=offers) as peer, carrier(events=events) as way:
        for _ in range(3):
            outcome = await carried(way, smart(peer, security=basic(password="wrong")))
            assert outcome[:2] == ("delayed", "4.7.8")
            assert "535 5.7.3 Authentication unsuccessful" in outcome[2]
    assert tried(peer) == ["PLAIN"] and not peer.messages
    (down,) = [fields for name, fields in events if name == "destination_down"]
    assert "did not let us sign in (PLAIN)" in down["cause"]
    assert "wrong" not in str(events).replace("is wrong", "")


async def test_O06_a_server_that_says_the_password_back_is_not_repeated_to_anybody(authority):
    events, noted = [], Noted()
    log = ProtocolLog("", lambda count, cause: None)
    log.use(noted)
    answers = {"AUTH": lambda line: f"535 5.7.8 bad credentials: {line}"}
    async with Peer(answers, tls=authority.serving(NAME), door=door()) as peer, carrier(events=events, log=log) as way:
        outcome = await carried(way, smart(peer, security=basic()))
    log.close()
    shown = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
    assert outcome[:2] == ("delayed", "4.7.8") and "bad credentials: AUTH PLAIN [hidden]" in outcome[2]
    for told in (outcome, events, noted.entries):
        assert "bad credentials" in str(told) and shown[:8] not in str(told)


async def test_an_account_without_keys_of_a_mechanism_signs_in_by_the_next(authority):
    offers = door("SCRAM-SHA-256", "PLAIN", answers={"SCRAM-SHA-256": "535 5.7.8 no keys"})
    async with Peer(tls=authority.serving(NAME), door=offers) as peer, carrier() as way:
        assert (await carried(way, smart(peer, security=basic())))[0] == "relayed"
    assert tried(peer) == ["SCRAM-SHA-256", "PLAIN"]


async def test_a_server_that_does_not_prove_itself_is_shown_no_password(authority):
    offers = door("SCRAM-SHA-256", "PLAIN", answers={"SCRAM-SHA-256": "235 2.7.0 come in"})
    async with Peer(tls=authority.serving(NAME), door=offers) as peer, carrier() as way:
        outcome = await carried(way, smart(peer, security=basic()))
    assert outcome[:2] == ("delayed", "4.7.8") and "proved itself" in outcome[2]
    assert tried(peer) == ["SCRAM-SHA-256"] and not peer.messages


@pytest.mark.parametrize("answer", ["334 not base64!", "334 ###", "454 4.7.0 later", "421 4.3.2 bye", "250 odd"])
async def test_odd_answers_to_auth_delay_the_mail(answer, authority):
    offers = door("CRAM-MD5", answers={"CRAM-MD5": answer})
    async with Peer(tls=authority.serving(NAME), door=offers) as peer, carrier() as way:
        outcome = await carried(way, smart(peer, security=basic()))
    assert outcome[0] == "delayed" and not peer.messages


async def test_known_refusals_are_explained(authority):
    said = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant."
    async with Peer(tls=authority.serving(NAME), door=door(bad=said)) as peer, carrier() as way:
        outcome = await carried(way, smart(peer, security=basic(password="wrong")))
    assert "SMTP AUTH is switched off for the whole organization" in outcome[2] and said in outcome[2]


async def test_exchangers_are_never_shown_the_credentials_of_smart_hosts(authority):
    exchanger, host = Peer(door=door(), address="127.0.0.2"), Peer(tls=authority.serving(NAME), door=door())
    async with exchanger, host, carrier(loopback(**{"mx.d.example": "127.0.0.2"})) as way:
        smart_host = (SmartHost("127.0.0.1", host.port, literal=True),)
        security = basic("opportunistic", password_without_tls=True)
        await way.carry(delivery(RelayRoute("d.example", smart_host, True, exchanger.port, False, security)))
    assert exchanger.connections
    assert not tried(exchanger)


async def test_a_domain_that_is_named_may_be_signed_in_to_by_its_exchangers(authority):
    peer = Peer(tls=authority.serving(NAME), door=door())
    async with peer, carrier(loopback(**{"mx.d.example": "127.0.0.1"})) as way:
        own = RelayRoute("d.example", (), False, peer.port, False, basic(), known_domain=True)
        assert (await carried(way, own))[0] == "relayed"
    assert tried(peer) == ["PLAIN"]


async def test_lines_are_not_shared_by_different_accounts(authority):
    offers = door("PLAIN")
    offers.accounts["other"] = "secret"
    async with Peer(tls=authority.serving(NAME), door=offers) as peer, carrier() as way:
        await carried(way, smart(peer, security=basic()))
        await carried(way, smart(peer, security=basic(user="other", password="secret")))
        await carried(way, smart(peer, security=basic()))
    assert [len(connection.messages) for connection in peer.connections] == [2, 1]


# --- OAuth 2 ---

SOURCE = OAuth2(token_url="https://login.example/token", client_id="us", client_secret="s3cret")


def oauth2(**more):
    return OutboundSecurity(Authentication.OAUTH2, USER, tls=OutboundTls.REQUIRE, oauth2=SOURCE, **more)


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
async def test_a_token_signs_in_and_is_asked_for_once(mechanism, authority):
    asked = []

    async def grant(source):
        asked.append(source)
        await asyncio.sleep(0)
        return Granted("good", 3600)

    offers = door(mechanism, tokens={"good"})
    async with Peer(tls=authority.serving(NAME), door=offers) as peer, carrier(wallet=purse(grant)) as way:
        results = await asyncio.gather(*(carried(way, smart(peer, security=oauth2())) for _ in range(20)))
    assert {result[0] for result in results} == {"relayed"}
    assert asked == [SOURCE]


async def test_G17_a_token_that_died_is_renewed_once_and_the_mail_goes(authority):
    tokens = ["old", "new"]

    async def grant(source):
        return Granted(tokens.pop(0), 3600)

    offers = door("XOAUTH2", tokens={"new"})
    async with Peer(tls=authority.serving(NAME), door=offers) as peer, carrier(wallet=purse(grant)) as way:
        assert (await carried(way, smart(peer, security=oauth2())))[0] == "relayed"
    assert tried(peer) == ["XOAUTH2", "XOAUTH2"] and not tokens


async def test_G17_G18_a_token_that_is_refused_for_good_delays_the_mail_with_the_servers_words_harmless(authority):
    asked = []

    async def grant(source):
        asked.append(source)
        return Granted(f"bad{len(asked)}", 3600)

    async with Peer(tls=authority.serving(NAME), door=door("XOAUTH2")) as peer, carrier(wallet=purse(grant)) as way:
        outcome = await carried(way, smart(peer, security=oauth2()))
    assert outcome[:2] == ("delayed", "4.7.8")
    assert "invalid_token" in outcome[2] and outcome[2].isprintable()
    assert len(asked) == 2 and "bad" not in outcome[2]


async def test_G17_no_token_delays_the_mail_and_says_why(authority):
    told = []

    async def grant(source):
        return TokenFailed("the endpoint answered 401, invalid_client: AADSTS7000222: expired")

    wallet = purse(grant, lambda source, cause: told.append((source, cause)))
    async with Peer(tls=authority.serving(NAME), door=door("XOAUTH2")) as peer, carrier(wallet=wallet) as way:
        outcome = await carried(way, smart(peer, security=oauth2()))
    assert outcome[:2] == ("delayed", "4.7.0")
    assert "login.example" in outcome[2] and "the client secret has expired" in outcome[2]
    assert told == [
        ("https://login.example/token", "the endpoint answered 401, invalid_client: AADSTS7000222: expired")
    ]
    assert not tried(peer) and not peer.messages


async def test_L18_a_token_never_goes_in_clear():
    async def grant(source):
        return Granted("good", 3600)

    async with Peer(door=door("XOAUTH2", tokens={"good"})) as peer, carrier(wallet=purse(grant)) as way:
        security = OutboundSecurity(Authentication.OAUTH2, USER, tls=OutboundTls.OPPORTUNISTIC, oauth2=SOURCE)
        assert (await carried(way, smart(peer, security=security)))[1] == "4.7.11"
    assert base64.b64encode(b"good") not in b"".join(bytes(one.raw) for one in peer.connections)


def test_secrets_do_not_show():
    source = OAuth2(token_url="https://x.example", client_secret="s3cret1", refresh_token="s3cret2")
    shown = repr(OutboundSecurity(Authentication.OAUTH2, USER, "s3cret3", oauth2=source))
    assert "s3cret" not in shown and "s3cret" not in repr(Granted("s3cret", 1.0))
