"""Signing in by browser: who guesses waits, sessions are new and end, and another site's page gets nowhere."""

import asyncio
import dataclasses
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from mailroot.admin.access.entrance import local_path
from mailroot.mail.by import By
from mailroot.policy.operatorguesses import WINDOW, Guesses
from mailroot.policy.operators import OperatorBook, Right, Role
from tests.admin.standin import ALL, ORIGIN, PASSWORD, Clock, StandIn, bearer, browsing, operator, secret, token

LIST = "/api/v1/server/list"
PAUSE = "/api/v1/server/pause"


async def sign_in(
    client: httpx2.AsyncClient, name: str = "ann", password: str = PASSWORD, **more: str
) -> httpx2.Response:
    return await client.post("/login", data={"name": name, "password": password, **more})


async def csrf(client: httpx2.AsyncClient) -> str:
    """The CSRF token of the session that a client has, as its pages would hold it."""
    access = client._transport.app.state.access  # type: ignore[attr-defined]
    (session,) = access._sessions._sessions.values()
    return str(session.csrf)


async def test_a_right_password_signs_in() -> None:
    service = StandIn(ALL, lambda *_: [])
    async with browsing(service) as client:
        answer = await sign_in(client)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert (await client.get(LIST)).status_code == 200
    assert ("operator_signed_in", "ann") in service.told
    assert service.asked[0][2].name == "ann"
    assert service.asked[0][2].face == "console"


@pytest.mark.parametrize(("name", "password"), [("ann", "wrong"), ("nobody", PASSWORD), ("", "")])
async def test_a_wrong_one_does_not_and_does_not_say_what_was_wrong(name: str, password: str) -> None:
    service = StandIn(ALL)
    async with browsing(service) as client:
        answer = await sign_in(client, name, password)
        assert answer.headers["location"] == "/?wrong=password&next=%2F"
        assert "set-cookie" not in answer.headers
        assert (await client.get(LIST)).status_code == 401
    assert service.told == [("operator_refused", name)]


async def test_Q08_guesses_are_limited_by_name_and_address() -> None:
    clock, service = Clock(), StandIn(ALL)
    async with browsing(service, clock) as client:
        for _ in range(5):
            assert "wrong=password" in (await sign_in(client, password="wrong")).headers["location"]
        for _ in range(5):
            assert "wrong=many" in (await sign_in(client)).headers["location"]
        assert len(service.told) == 5 + 1, "who goes on does not fill the event log"
        clock.now += WINDOW + 1
        assert (await sign_in(client)).headers["location"] == "/"


class Distant(StandIn):
    """One that takes its time."""

    async def ask(self, operation: str, arguments: Mapping[str, object], by: By) -> Any:
        await asyncio.sleep(0.01)
        return await super().ask(operation, arguments, by)


async def test_Q08_guesses_at_the_same_time_are_as_many_guesses() -> None:
    async with browsing(Distant(ALL)) as client:
        answers = await asyncio.gather(*(sign_in(client, password="wrong") for _ in range(12)))
    told = [answer.headers["location"].partition("&")[0] for answer in answers]
    assert told.count("/?wrong=password") == 5
    assert told.count("/?wrong=many") == 7


async def test_Q08_guesses_of_many_names_are_limited_by_address() -> None:
    async with browsing(StandIn(ALL)) as client:
        for number in range(30):
            await sign_in(client, f"name{number}", "wrong")
        assert "wrong=many" in (await sign_in(client)).headers["location"]


async def test_Q08_guesses_from_one_network_of_ipv6_are_those_of_one_client() -> None:
    async with browsing(StandIn(ALL)) as client:
        told = []
        for address in [*(f"2001:db8:0:1::{number}" for number in range(6)), "2001:db8:0:2::1"]:
            client._transport.client = (address, 1)  # type: ignore[attr-defined]
            told.append((await sign_in(client, password="wrong")).headers["location"].partition("&")[0])
    assert told == [*["/?wrong=password"] * 5, "/?wrong=many", "/?wrong=password"]


def test_a_right_guess_forgives_and_old_ones_do_not_count() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    for _ in range(3):
        guesses.wrong("a")
        clock.now += 10
    assert guesses.wait({"a": 3}) == WINDOW - 30
    assert guesses.wait({"a": 4}) == 0
    guesses.right("a")
    assert guesses.wait({"a": 1}) == 0


def test_what_is_remembered_of_guesses_has_a_limit() -> None:
    guesses = Guesses(Clock())
    for number in range(20_000):
        guesses.wrong(str(number))
    assert len(guesses._wrong) == 10_000


async def test_Q08_a_session_that_was_planted_is_none_and_each_sign_in_makes_another() -> None:
    async with browsing(StandIn(ALL)) as client:
        client.cookies.set("mailroot", "planted")
        first = (await sign_in(client)).cookies["mailroot"]
        second = (await sign_in(client)).cookies["mailroot"]
        assert len({"planted", first, second}) == 3
        client.cookies.clear()
        client.cookies.set("mailroot", first)  # the one before has ended
        assert (await client.get(LIST)).status_code == 401
        client.cookies.clear()
        client.cookies.set("mailroot", "planted")
        assert (await client.get(LIST)).status_code == 401


@pytest.mark.parametrize("change", ["password", "role", "removed"])
async def test_Q08_a_session_ends_with_a_change_of_its_operator(change: str) -> None:
    service = StandIn(ALL, lambda *_: [])
    async with browsing(service) as client:
        await sign_in(client)
        assert (await client.get(LIST)).status_code == 200
        ann = operator("ann", Role.ADMINISTRATOR)
        if change == "password":
            service.book = ALL.changed(dataclasses.replace(ann, hashed="another"))
        elif change == "role":
            spare = ALL.added(operator("eve", Role.ADMINISTRATOR))
            service.book = spare.changed(dataclasses.replace(ann, right=Right(Role.VIEWER)))
        else:
            service.book = OperatorBook()
        assert (await client.get(LIST)).status_code == 401
        service.book = ALL  # and it does not come back
        assert (await client.get(LIST)).status_code == 401


@pytest.mark.parametrize(("step", "times"), [(31 * 60, 1), (29 * 60, 25)])
async def test_a_session_ends_when_it_is_idle_or_old(step: float, times: int) -> None:
    clock = Clock()
    async with browsing(StandIn(ALL, lambda *_: []), clock) as client:
        await sign_in(client)
        codes = []
        for _ in range(times):
            clock.now += step
            codes.append((await client.get(LIST)).status_code)
    assert codes[-1] == 401
    assert codes[:-1] == [200] * (times - 1)


async def test_a_page_that_is_live_by_itself_is_no_use_of_a_session() -> None:
    clock = Clock()
    async with browsing(StandIn(ALL, lambda *_: []), clock) as client:
        await sign_in(client)
        codes = []
        for _ in range(4):
            clock.now += 9 * 60
            codes.append((await client.get(LIST, headers={"X-Live": "1"})).status_code)
    assert codes == [200, 200, 200, 401]


async def test_a_secret_that_is_no_sessions_makes_the_service_no_work() -> None:
    class Unasked(StandIn):
        async def ask(self, operation: str, arguments: Mapping[str, object], by: By) -> Any:
            raise AssertionError(operation)

    async with browsing(Unasked(ALL)) as client:
        client.cookies.set("mailroot", "planted")
        assert (await client.get(LIST)).status_code == 401


async def test_signing_out_ends_the_session() -> None:
    async with browsing(StandIn(ALL)) as client:
        kept = (await sign_in(client)).cookies["mailroot"]
        await client.post("/logout")
        client.cookies.set("mailroot", kept)
        assert (await client.get(LIST)).status_code == 401


async def test_Q02_a_change_needs_the_token_of_our_own_pages() -> None:
    service = StandIn(ALL)
    async with browsing(service) as client:
        await sign_in(client)
        body = {"server": "one"}
        assert (await client.post(PAUSE, json=body)).status_code == 403
        assert (await client.post(PAUSE, json=body, headers={"X-CSRF-Token": "wrong"})).status_code == 403
        assert service.asked == []
        right = {"X-CSRF-Token": await csrf(client), "Origin": ORIGIN}
        assert (await client.post(PAUSE, json=body, headers=right)).status_code == 200


@pytest.mark.parametrize(
    "strange",
    [
        {"Origin": "http://evil.test"},
        {"Origin": "null"},
        {"Origin": "https://mail.test"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
    ids=str,
)
async def test_Q02_another_sites_page_is_refused_even_with_the_token(strange: dict[str, str]) -> None:
    service = StandIn(ALL)
    async with browsing(service) as client:
        await sign_in(client)
        headers = {"X-CSRF-Token": await csrf(client), **strange}
        assert (await client.post(PAUSE, json={"server": "one"}, headers=headers)).status_code == 403
        assert (
            await client.post("/login", data={"name": "ann", "password": PASSWORD}, headers=strange)
        ).status_code == 403
        assert (await client.post("/logout", headers=strange)).status_code == 403
        assert (await client.get(LIST)).status_code == 200
    assert [name for name, _, _ in service.asked] == ["server.list"]


@pytest.mark.parametrize(
    ("place", "let"),
    [
        ("http://127.0.0.1:8025", True),
        ("http://localhost:8025", True),
        ("http://[::1]:8025", True),
        ("http://evil.test:8025", False),
        ("http://127.0.0.1.evil.test:8025", False),
        ("http://localhost.evil.test", False),
    ],
)
async def test_Q02_a_name_of_another_site_that_leads_to_this_machine_is_refused(place: str, let: bool) -> None:
    service = StandIn(ALL)
    headers = {"Host": place.removeprefix("http://"), "Origin": place}
    async with browsing(service) as client:
        client.base_url = "http://127.0.0.1:8025"
        form = {"name": "ann", "password": PASSWORD}
        answer = await client.post("/login", data=form, headers=headers)
    assert answer.status_code == (303 if let else 403)
    assert (("operator_signed_in", "ann") in service.told) == let


@pytest.mark.parametrize(
    "wanted",
    [
        "//evil.test",
        "https://evil.test",
        "/\\evil.test",
        "evil",
        "",
        "\\/evil",
        "/x\r\nSet-Cookie: a=b",
        "javascript:x",
    ],
)
async def test_Q05_only_paths_of_our_own_are_gone_on_to(wanted: str) -> None:
    assert local_path(wanted) == "/"
    async with browsing(StandIn(ALL)) as client:
        assert (await sign_in(client, next=wanted)).headers["location"] == "/"
        assert (await sign_in(client, password="no", next=wanted)).headers["location"].endswith("next=%2F")


async def test_Q05_a_path_of_our_own_is() -> None:
    async with browsing(StandIn(ALL)) as client:
        assert (await sign_in(client, next="/servers/one?x=1")).headers["location"] == "/servers/one?x=1"


async def test_the_first_administrator_is_made_with_the_code_alone() -> None:
    service = StandIn(OperatorBook(), code="the-code")
    form = {"name": "eve", "password": PASSWORD}
    async with browsing(service) as client:
        assert (await client.post("/setup", data={**form, "code": "x"})).headers["location"] == "/?wrong=code"
        answer = await client.post("/setup", data={**form, "code": "the-code"})
        assert answer.headers["location"] == "/"
        assert "mailroot" in answer.cookies
        codes = [(await client.post("/setup", data={**form, "code": "x"})).headers["location"] for _ in range(40)]
    assert codes[-1] == "/?wrong=many"


# -- tokens


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic YTpi", f"bearer  {secret('gone')}", "Bearer \x7f", f"Bearer {secret('admin')}x"],
)
async def test_what_is_no_token_lets_nobody_in(header: str) -> None:
    async with browsing(StandIn(ALL)) as client:
        answer = await client.get(LIST, headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["status"] == 401


async def test_a_token_ends() -> None:
    book = ALL.added(token("late", Role.VIEWER, lasts=timedelta(seconds=-1))).added(
        token("soon", Role.VIEWER, lasts=timedelta(hours=1))
    )
    async with browsing(StandIn(book, lambda *_: [])) as client:
        assert (await client.get(LIST, headers=bearer("late"))).status_code == 401
        assert (await client.get(LIST, headers=bearer("soon"))).status_code == 200


async def test_wrong_tokens_are_limited_by_address() -> None:
    async with browsing(StandIn(ALL)) as client:
        answers = [await client.get(LIST, headers=bearer("gone")) for _ in range(61)]
    assert answers[-2].status_code == 401
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) > 0


async def test_who_sends_wrong_tokens_does_not_shut_out_a_right_one() -> None:
    async with browsing(StandIn(ALL, lambda *_: [])) as client:
        for _ in range(61):
            await client.get(LIST, headers=bearer("gone"))
        assert (await client.get(LIST, headers=bearer("admin"))).status_code == 200


async def test_Q10_a_token_in_an_address_is_refused_and_kept_nowhere() -> None:
    service = StandIn(ALL)
    async with browsing(service) as client:
        for place in (
            f"{LIST}?token={secret('admin')}",
            f"{LIST}/{secret('admin')}",
            f"/?access_token={secret('admin')}",
        ):
            answer = await client.get(place)
            assert answer.status_code == 400
            assert "header Authorization" in answer.json()["detail"]
            assert secret("admin") not in answer.text
    assert service.asked == []
    assert service.told == []


async def test_Q10_what_is_kept_of_a_token_and_of_a_password_lets_nobody_in() -> None:
    kept = ALL.tokens[0].digest
    async with browsing(StandIn(ALL)) as client:
        assert (await client.get(LIST, headers={"Authorization": f"Bearer {kept}"})).status_code == 401
        assert "wrong" in (await sign_in(client, password=ALL.operators[0].hashed)).headers["location"]
    assert secret("admin") not in repr(ALL)
    assert ALL.operators[0].hashed not in repr(ALL)
