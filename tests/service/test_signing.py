"""Signing in, from the line of the client to the accounts and back; who has signed in, and what is told."""

import asyncio
import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import spnego

from mailroot.mail.faults import Unavailable
from mailroot.service.receive.signin import Entrance
from mailroot.settings.access import Relay
from mailroot.settings.virtualserver import Access
from mailroot.wire.sasl.ntlm import accept_ntlm
from mailroot.wire.sasl.scramclient import present_scram
from mailroot.wire.sasl.server import Need
from mailroot.wire.sasl.words import Challenge, ClientOpening, Credentials, Opening, Response
from tests.service.accounts import FakeAccounts, FakeGuesses, entrance
from tests.service.conversing import CLIENT, Conversation
from tests.service.working import NOON, until

RIGHT = "AHVzZXIAcmlnaHQ="
WRONG = "AHVzZXIAd3Jvbmc="
UNKNOWN = "AG5vYm9keQB3cm9uZw=="
CLEAR = {"basic": True, "basic_requires_tls": False, "integrated": True}


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


class Talk(Conversation):
    """A conversation with a server where one can sign in."""

    def __init__(self, pool: ThreadPoolExecutor, *needs: Need, **access: Any) -> None:
        self.entrance: Entrance = entrance(*needs)
        super().__init__(pool, access=Access(**(CLEAR | access)), entrance=self.entrance)

    @property
    def accounts(self) -> FakeAccounts:
        assert isinstance(self.entrance.accounts, FakeAccounts)
        return self.entrance.accounts

    @property
    def guesses(self) -> FakeGuesses:
        assert isinstance(self.entrance.guesses, FakeGuesses)
        return self.entrance.guesses


@pytest.fixture
async def talk(pool: ThreadPoolExecutor) -> Talk:
    made = Talk(pool)
    await made.say(b"EHLO client\r\n")
    return made


async def test_who_has_signed_in_may_relay_and_is_known_by_name(talk: Talk) -> None:
    assert await talk.tell("MAIL FROM:<a@b>", "RCPT TO:<x@elsewhere.test>") == (
        "550 5.7.1 Unable to relay for x@elsewhere.test"
    )
    assert await talk.tell("RSET", f"AUTH PLAIN {RIGHT}") == "235 2.7.0 Authentication successful"
    assert (await talk.tell("MAIL FROM:<a@b>", "RCPT TO:<x@elsewhere.test>")).startswith("250 ")
    assert talk.session.user == "user"
    assert talk.guesses.successes == [(CLIENT, "user")]
    told = talk.work.told("signed_in")[0]
    assert (told["user"], told["mechanism"], told["address"]) == ("user", "PLAIN", CLIENT)


async def test_F23_a_failed_sign_in_gives_no_right(talk: Talk) -> None:
    assert await talk.tell(f"AUTH PLAIN {WRONG}") == "535 5.7.3 Authentication unsuccessful"
    assert (await talk.tell("MAIL FROM:<a@b>", "RCPT TO:<x@elsewhere.test>")).startswith("550 5.7.1")
    assert talk.session.user == ""


async def test_signing_in_relays_only_where_the_setting_says_so(pool: ThreadPoolExecutor) -> None:
    talk = Talk(pool, relay=Relay(authenticated=False))
    assert (await talk.tell("EHLO x", f"AUTH PLAIN {RIGHT}")).startswith("235 ")
    assert (await talk.tell("MAIL FROM:<a@b>", "RCPT TO:<x@elsewhere.test>")).startswith("550 5.7.1")


async def test_where_nobody_is_anonymous_mail_begins_with_signing_in(pool: ThreadPoolExecutor) -> None:
    talk = Talk(pool, anonymous=False)
    refused = await talk.tell("EHLO x", "MAIL FROM:<a@b>")
    assert refused == "454 5.7.3 Client does not have permission to submit mail to this server"
    assert (await talk.tell(f"AUTH PLAIN {RIGHT}", "MAIL FROM:<a@b>")).startswith("250 2.1.0")


async def test_login_asks_as_the_predecessor_did_and_dotnet_answers_at_once(talk: Talk) -> None:
    assert await talk.tell("AUTH LOGIN") == "334 VXNlcm5hbWU6"
    assert await talk.tell("dXNlcg==") == "334 UGFzc3dvcmQ6"
    assert (await talk.tell("cmlnaHQ=")).startswith("235 ")


async def test_dotnet_sends_the_name_at_once_in_small_letters(talk: Talk) -> None:
    assert await talk.tell("AUTH login dXNlcg==") == "334 UGFzc3dvcmQ6"
    assert (await talk.tell("cmlnaHQ=")).startswith("235 ")


@pytest.mark.parametrize(
    ("access", "listed"),
    [
        ({"basic": False}, "NTLM"),
        ({"integrated": False}, "CRAM-MD5 PLAIN LOGIN"),
        ({}, "NTLM CRAM-MD5 PLAIN LOGIN"),
        ({"basic_requires_tls": True}, "NTLM"),
        ({"basic": False, "integrated": False}, ""),
    ],
)
async def test_what_is_offered_follows_the_settings(
    pool: ThreadPoolExecutor, access: dict[str, bool], listed: str
) -> None:
    talk = Talk(pool, Need.PASSWORD, Need.CRAM, Need.NT, **access)
    lines = await talk.say(b"EHLO client\r\n")
    assert [line[9:] for line in lines if line.startswith("250-AUTH ")] == ([listed] if listed else [])
    assert ("250-AUTH=LOGIN" in lines) == ("LOGIN" in listed)


async def test_D08_where_passwords_need_tls_none_is_taken_in_clear(pool: ThreadPoolExecutor) -> None:
    talk = Talk(pool, basic_requires_tls=True)
    assert await talk.tell("EHLO x", f"AUTH PLAIN {RIGHT}") == "530 5.7.0 Must issue a STARTTLS command first"
    assert talk.accounts.asked == 0


@pytest.mark.parametrize("response", [WRONG, UNKNOWN], ids=["wrong", "unknown"])
async def test_G08_names_that_exist_and_those_that_do_not_are_answered_alike(talk: Talk, response: str) -> None:
    assert await talk.tell(f"AUTH PLAIN {response}") == "535 5.7.3 Authentication unsuccessful"
    assert talk.accounts.asked == 1
    assert [user for _, user in talk.guesses.failures] == [base64.b64decode(response).split(b"\0")[1].decode()]


async def test_a_failure_is_answered_after_its_delay_and_nothing_before(talk: Talk) -> None:
    talk.guesses.delay = 0.2
    began = asyncio.get_running_loop().time()
    talk.session.data_received(f"AUTH PLAIN {WRONG}\r\n".encode())
    talk.session.data_received(b"NOOP\r\n")
    assert talk.session.state == "waiting"
    await until(lambda: talk.transport.written.endswith(b"250 2.0.0 OK\r\n"))
    assert asyncio.get_running_loop().time() - began >= 0.2


async def test_who_guesses_too_much_is_refused_unseen(talk: Talk) -> None:
    talk.guesses.refused = {"user"}
    assert await talk.tell(f"AUTH PLAIN {RIGHT}") == "454 4.7.0 Temporary authentication failure"
    talk.guesses.refused = {CLIENT}
    assert await talk.tell(f"AUTH PLAIN {RIGHT}") == "454 4.7.0 Temporary authentication failure"
    assert talk.accounts.asked == 0
    assert talk.guesses.failures == []
    assert [event["user"] for event in talk.work.told("sign_in_failed")] == ["user", ""]


async def test_accounts_that_cannot_be_asked_are_no_wrong_password(talk: Talk) -> None:
    talk.accounts.fault = Unavailable("the directory is down")
    assert await talk.tell(f"AUTH PLAIN {RIGHT}") == "454 4.7.0 Temporary authentication failure"
    assert talk.guesses.failures == []
    assert talk.work.told("sign_in_failed")[0]["cause"] == "the directory is down"


@pytest.mark.parametrize("response", [RIGHT, WRONG])
async def test_attempts_under_way_end_alike_once_a_limit_is_reached(talk: Talk, response: str) -> None:
    check = talk.accounts.check

    async def meanwhile(user: str, password: str, client: str) -> bool:
        talk.guesses.refused = {"user"}
        return await check(user, password, client)

    talk.accounts.check = meanwhile  # type: ignore[method-assign]
    assert await talk.tell(f"AUTH PLAIN {response}") == "454 4.7.0 Temporary authentication failure"
    assert talk.guesses.failures == []
    assert talk.guesses.successes == []
    assert talk.session.user == ""


@pytest.mark.parametrize("password", ["right", "wrong"])
async def test_scram_does_not_say_yes_by_its_challenge_once_a_limit_is_reached(
    pool: ThreadPoolExecutor, password: str
) -> None:
    talk = Talk(pool, Need.SCRAM)
    await talk.say(b"EHLO x\r\n")
    client = present_scram(ClientOpening(Credentials("user", password), "mail.test", 25, bytes(32), NOON))
    first = next(client)
    assert isinstance(first, Response)
    challenged = await talk.tell(f"AUTH SCRAM-SHA-256 {base64.b64encode(first.data or b'').decode()}")
    proof = client.send(base64.b64decode(challenged.removeprefix("334 ")))
    assert isinstance(proof, Response)
    talk.guesses.refused = {"user"}
    said = await talk.tell(base64.b64encode(proof.data or b"").decode())
    assert said == "454 4.7.0 Temporary authentication failure"


async def test_the_name_in_a_token_of_ntlm_counts_before_samba_is_asked(pool: ThreadPoolExecutor) -> None:
    talk = Talk(pool, Need.NT_CONTEXT)
    talk.guesses.refused = {"HOME\\bob"}
    client = spnego.client("HOME\\bob", "x", protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
    first = base64.b64encode(client.step() or b"").decode()
    assert await talk.tell("EHLO x", f"AUTH NTLM {first}") == "334 bW9yZQ=="
    challenge = spnego_challenge()
    last = base64.b64encode(client.step(challenge) or b"").decode()
    assert await talk.tell(last) == "454 4.7.0 Temporary authentication failure"
    assert talk.accounts.contexts[0].steps == 1


def spnego_challenge() -> bytes:
    """The second message of NTLM, as our own mechanism makes it."""
    opening = Opening(b"NTLMSSP\0\1\0\0\0" + bytes.fromhex("058208a0") + bytes(24), bytes(32), NOON, ("mail.test",))
    step = next(accept_ntlm(opening))
    assert isinstance(step, Challenge)
    return step.data


async def test_G07_malformed_responses_are_refused_and_counted(talk: Talk) -> None:
    assert await talk.tell("AUTH PLAIN dXNlcg==") == "501 5.5.2 Cannot decode the response"
    assert talk.guesses.failures == [(CLIENT, "")]


async def test_the_fifth_failure_ends_the_session(talk: Talk) -> None:
    for _ in range(4):
        assert (await talk.tell(f"AUTH PLAIN {WRONG}")).startswith("535 ")
    assert (await talk.tell(f"AUTH PLAIN {WRONG}")).startswith("421 4.7.0 ")
    assert talk.transport.closed


async def test_G16_O06_no_password_is_in_any_event(talk: Talk) -> None:
    for line in (f"AUTH PLAIN {RIGHT}!", f"AUTH NTLM {RIGHT}", RIGHT, f"AUTH PLAIN {WRONG}", "AUTH LOGIN", "dXNlcg=="):
        await talk.tell(line)
    await talk.tell("c2VjcmV0")
    await talk.tell("c2VjcmV0")
    await talk.tell(f"AUTH PLAIN {RIGHT}")
    told = repr(talk.work.events)
    assert talk.work.told("sign_in_failed")
    for secret in ("right", "wrong", "secret", RIGHT, WRONG, "c2VjcmV0", "cmlnaHQ", "d3Jvbmc"):
        assert secret not in told.replace("the password is wrong", "")


@pytest.fixture
async def context_talk(pool: ThreadPoolExecutor) -> Talk:
    made = Talk(pool, Need.CONTEXT)
    await made.say(b"EHLO client\r\n")
    return made


def _token(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def test_an_exchange_by_a_context_goes_on_until_it_is_established(context_talk: Talk) -> None:
    talk = context_talk
    assert await talk.tell(f"AUTH GSS-SPNEGO {_token('one')}") == f"334 {_token('more')}"
    assert await talk.tell(_token("two")) == f"334 {_token('more')}"
    assert (await talk.tell(_token("ann@REALM"))).startswith(("235 ", "334"))
    (context,) = talk.accounts.contexts
    assert context.steps == 3


async def test_a_context_is_let_go_however_the_attempt_ends(context_talk: Talk) -> None:
    talk = context_talk
    for last in ("*", _token("bad"), "!"):
        assert (await talk.tell(f"AUTH GSS-SPNEGO {_token('one')}")).startswith("334 ")
        assert (await talk.tell(last))[0] == "5"
    assert (await talk.tell(f"AUTH GSS-SPNEGO {_token('one')}")).startswith("334 ")
    talk.session.connection_lost(None)
    assert [context.closed for context in talk.accounts.contexts] == [True] * 4


async def test_G14_endless_rounds_are_ended(pool: ThreadPoolExecutor) -> None:
    talk = Talk(pool, Need.CONTEXT)
    await talk.tell("EHLO x", f"AUTH GSS-SPNEGO {_token('one')}")
    said = ""
    for context in talk.accounts.contexts:
        for _ in range(20):
            context.steps = 0
            said = await talk.tell(_token("again"))
            if not said.startswith("334 "):
                break
    assert said == "535 5.7.3 Authentication unsuccessful"


async def test_a_client_that_is_gone_does_not_sign_in(talk: Talk) -> None:
    talk.guesses.delay = 0.05
    talk.session.data_received(f"AUTH PLAIN {WRONG}\r\n".encode())
    talk.session.connection_lost(None)
    await until(lambda: talk.guesses.failures != [])  # it is counted all the same
    assert [event["user"] for event in talk.work.told("sign_in_failed")] == ["user"]


@pytest.mark.parametrize("told", [False, True])
async def test_received_names_the_account_only_where_that_is_wanted(pool: ThreadPoolExecutor, told: bool) -> None:
    talk = Talk(pool, user_in_received=told)
    await talk.tell("EHLO client", f"AUTH PLAIN {RIGHT}", "EHLO again")
    await talk.tell("MAIL FROM:<app@local.test>", "RCPT TO:<ann@local.test>", "DATA", "Subject: x", "", "x", ".")
    assert talk.drafts[0].origin.source == "submission"
    written = talk.drafts[0].content.data  # type: ignore[attr-defined]
    assert (b"from again ([127.0.0.1]) (signed in as user) by " in written) == told
    assert (b"user" in written) == told
