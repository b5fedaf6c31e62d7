"""Access tokens: kept, renewed in time, asked for by one request at a time; from endpoints and from commands."""

import asyncio
import sys
from dataclasses import replace

import pytest

from mailroot.edge import tokenrequest
from mailroot.edge.tokenrequest import request_token
from mailroot.edge.tokens import Granted, TokenFailed, Tokens
from mailroot.settings.delivery import OAuth2
from tests.peers.tokens import Endpoint

SOURCE = OAuth2(token_url="https://login.example/token", client_id="us", client_secret="s3cret", scope="mail")


class Desk:
    """Answers requests in turn; a clock that the test turns."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = 0
        self.time = 1000.0
        self.told = []
        self.gate = None
        self.tokens = Tokens(self._request, lambda: self.time, lambda *words: self.told.append(words))

    async def _request(self, source):
        self.asked += 1
        if self.gate is not None:
            await self.gate.wait()
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def token(self):
        return await self.tokens.token(SOURCE)


async def test_a_token_is_kept_while_it_lasts():
    desk = Desk(Granted("one", 3600), Granted("two", 3600))
    assert [await desk.token() for _ in range(3)] == ["one"] * 3
    desk.time += 3200
    assert await desk.token() == "one" and desk.asked == 1
    desk.time += 500
    assert await desk.token() == "two"


async def test_it_is_renewed_before_it_ends_and_nobody_waits_for_that():
    desk = Desk(Granted("one", 3600), Granted("two", 3600))
    await desk.token()
    desk.gate = asyncio.Event()
    desk.time += 3400
    assert await desk.token() == "one"
    await asyncio.sleep(0)
    assert desk.asked == 2
    desk.gate.set()
    await asyncio.sleep(0.01)
    assert await desk.token() == "two"


async def test_many_wait_for_one_request_and_who_gives_up_does_not_end_it():
    desk = Desk(Granted("one", 3600))
    desk.gate = asyncio.Event()
    waiting = [asyncio.create_task(desk.token()) for _ in range(10)]
    await asyncio.sleep(0.01)
    waiting[0].cancel()
    await asyncio.sleep(0)
    desk.gate.set()
    assert await asyncio.gather(*waiting[1:]) == ["one"] * 9 and desk.asked == 1


async def test_G17_a_failing_endpoint_is_asked_less_and_less_often():
    desk = Desk(TokenFailed("no"))
    for second in range(600):
        desk.time = 1000.0 + second
        assert await desk.token() == TokenFailed("no")
    assert desk.asked == 6  # 0, 15, 45, 105, 225, 465
    assert desk.told[0] == ("https://login.example/token", "no") and len(desk.told) == 6
    desk.tokens.forget_failures()
    await desk.token()
    assert desk.asked == 7


async def test_a_failed_renewal_leaves_the_token_that_is_still_good():
    desk = Desk(Granted("one", 3600), TokenFailed("down"))
    await desk.token()
    desk.time += 3500
    assert await desk.token() == "one"
    desk.time += 101
    assert await desk.token() == TokenFailed("down")


async def test_a_refused_token_is_not_given_out_again():
    desk = Desk(Granted("one", 3600), Granted("two", 3600))
    await desk.token()
    desk.tokens.refused(SOURCE, "another")
    assert await desk.token() == "one"
    desk.tokens.refused(SOURCE, "one")
    assert await desk.token() == "two"


async def test_a_token_that_is_dead_when_it_comes_is_a_failure():
    assert await Desk(Granted("one", 0)).token() == TokenFailed("no token came")


# --- from an endpoint ---


async def test_client_credentials_are_exchanged():
    async with Endpoint([(200, {"access_token": "t", "expires_in": 3599})]) as endpoint:
        assert await request_token(replace(SOURCE, token_url=endpoint.url)) == Granted("t", 3599.0)
    expected = {"grant_type": "client_credentials", "client_id": "us", "client_secret": "s3cret", "scope": "mail"}
    assert endpoint.asked == [expected]


async def test_a_refresh_token_is_exchanged_and_its_successor_is_kept(tmp_path):
    file = tmp_path / "refresh"
    file.write_text("first\n")
    file.chmod(0o600)
    answer = {"access_token": "t", "expires_in": "60", "refresh_token": "second"}
    async with Endpoint([(200, answer)]) as endpoint:
        source = OAuth2(token_url=endpoint.url, client_id="us", refresh_token="first", refresh_token_file=str(file))
        assert await request_token(source) == Granted("t", 60.0)
        assert file.read_text() == "second\n" and file.stat().st_mode & 0o777 == 0o600
        await request_token(source)
    assert [one["refresh_token"] for one in endpoint.asked] == ["first", "second"]
    assert endpoint.asked[0]["grant_type"] == "refresh_token"


@pytest.mark.parametrize(
    ("status", "members", "cause"),
    [
        (401, {"error": "invalid_client", "error_description": "no\r\n<b>\x1b[1m"}, "401, invalid_client: no <b> [1m"),
        (400, {"error": ["odd"]}, "the endpoint answered 400"),
        (500, b"<html>", "the endpoint answered 500"),
        (302, {}, "the endpoint answered 302"),
        (200, b"not json", "the answer holds no access token"),
        (200, {"access_token": "two words"}, "the answer holds no access token"),
        (200, {"access_token": "a\r\nb"}, "the answer holds no access token"),
        (200, [], "the answer holds no access token"),
    ],
)
async def test_G18_what_the_endpoint_refuses_is_said_harmlessly(status, members, cause):
    async with Endpoint([(status, members)]) as endpoint:
        answer = await request_token(replace(SOURCE, token_url=endpoint.url))
    assert isinstance(answer, TokenFailed) and cause in answer.cause
    assert answer.cause.isprintable() and "s3cret" not in answer.cause


async def test_an_endpoint_that_is_not_there_or_silent_is_a_failure(monkeypatch):
    async with Endpoint([(200, {})]) as endpoint:
        pass
    assert isinstance(await request_token(replace(SOURCE, token_url=endpoint.url)), TokenFailed)
    monkeypatch.setattr(tokenrequest, "_WAIT", 0.3)
    async with Endpoint([(200, {})], silent=True) as endpoint:
        assert isinstance(await request_token(replace(SOURCE, token_url=endpoint.url)), TokenFailed)


async def test_a_secret_without_tls_goes_to_no_proxy_of_the_environment(monkeypatch):
    answer = {"access_token": "t"}
    async with Endpoint([(200, answer)]) as endpoint, Endpoint([(200, answer)]) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        await request_token(replace(SOURCE, token_url=endpoint.url))
    assert (len(endpoint.asked), proxy.asked) == (1, [])


@pytest.mark.parametrize("lasts", ["nan", -5, "-inf"])
async def test_a_life_that_is_none_ends_at_once(lasts):
    async with Endpoint([(200, {"access_token": "t", "expires_in": lasts})]) as endpoint:
        assert await request_token(replace(SOURCE, token_url=endpoint.url)) == Granted("t", 0.0)


async def test_a_huge_answer_is_not_read_to_its_end():
    async with Endpoint([(200, b"x" * 5_000_000)]) as endpoint:
        assert isinstance(await request_token(replace(SOURCE, token_url=endpoint.url)), TokenFailed)


# --- from a command ---


def command(program):
    return OAuth2(token_command=(sys.executable, "-c", program))


@pytest.mark.parametrize(
    ("program", "answer"),
    [
        ("print('abc')", Granted("abc", 300.0)),
        ('print(\'{"access_token": "abc", "expires_in": 10}\')', Granted("abc", 10.0)),
        ("pass", TokenFailed("the answer holds no access token")),
        ("import sys; sys.exit('log in\\nfirst')", TokenFailed("the command ended with 1: log in first")),
        ("print('x' * 1000000)", Granted("x" * 262144, 300.0)),
    ],
)
async def test_a_command_prints_a_token(program, answer):
    assert await request_token(command(program)) == answer


async def test_a_command_that_never_ends_is_ended_with_its_children(monkeypatch):
    monkeypatch.setattr(tokenrequest, "_WAIT", 0.5)
    answer = await request_token(OAuth2(token_command=("/bin/sh", "-c", "sleep 60 & sleep 60")))
    assert answer == TokenFailed("no answer within 0 seconds")


async def test_a_command_that_is_not_there_is_a_failure():
    answer = await request_token(OAuth2(token_command=("/nowhere/token",)))
    assert isinstance(answer, TokenFailed) and "no such file" in answer.cause
