"""The page of who is not signed in: after a mistake what was typed is there again, but no password."""

from collections.abc import Mapping
from typing import Any

import pytest

from mailroot.admin.application import Pages
from mailroot.admin.console.door import door
from mailroot.admin.console.router import router
from mailroot.edge.control import Refused
from mailroot.mail.by import By
from mailroot.policy.operators import OperatorBook
from tests.admin.standin import ALL, PASSWORD, StandIn, browsing

PAGES = Pages([router], door=door)
CODE = "the-set-up-code"


async def test_a_sign_in_that_failed_keeps_the_name_and_the_way() -> None:
    async with browsing(StandIn(ALL), pages=PAGES) as client:
        form = {"name": "ann<b>", "password": "secret & wrong", "next": "/servers/one"}
        answer = await client.post("/login", data=form)
        assert answer.status_code == 401
        assert "The name or the password is wrong." in answer.text
        assert 'value="ann&lt;b&gt;"' in answer.text
        assert 'name="next" value="/servers/one"' in answer.text
        assert "secret" not in answer.text
        assert "set-cookie" not in answer.headers
        for _ in range(5):
            answer = await client.post("/login", data=form)
        assert answer.status_code == 429
        assert 'value="ann&lt;b&gt;"' in answer.text


@pytest.mark.parametrize("next", ["//evil.test", "https://evil.test", "/\\evil.test"])
async def test_Q05_the_way_that_is_kept_is_a_path_of_our_own(next: str) -> None:
    async with browsing(StandIn(ALL), pages=PAGES) as client:
        answer = await client.post("/login", data={"name": "ann", "password": "x", "next": next})
    assert 'name="next" value="/"' in answer.text
    assert "evil" not in answer.text


class Choosy(StandIn):
    """A service that takes one name only."""

    async def ask(self, operation: str, arguments: Mapping[str, object], by: By) -> Any:
        if operation == "access.claim" and arguments["code"] == self.code and arguments["name"] != "eve":
            raise Refused("this is no name", "unsound")
        return await super().ask(operation, arguments, by)


async def test_a_first_set_up_that_failed_keeps_what_was_typed() -> None:
    async with browsing(Choosy(OperatorBook(), code=CODE), pages=PAGES) as client:
        answer = await client.post("/setup", data={"code": CODE, "name": "no name", "password": PASSWORD})
        assert answer.status_code == 422
        assert "ten characters at least" in answer.text
        assert 'value="no name"' in answer.text
        assert f'value="{CODE}"' in answer.text
        assert PASSWORD not in answer.text
        answer = await client.post("/setup", data={"code": "wrong", "name": "eve", "password": PASSWORD})
        assert answer.status_code == 422
        assert "not the set-up code" in answer.text
        assert 'value="eve"' in answer.text
        answer = await client.post("/setup", data={"code": CODE, "name": "eve", "password": PASSWORD})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_the_address_of_a_form_leads_to_its_page() -> None:
    async with browsing(StandIn(ALL), pages=PAGES) as client:
        for path in ("/login", "/setup"):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, "/")


# -- the wizard for a virtual server


def settings_row(path: str, effective: object) -> dict[str, object]:
    return {"path": path, "effective": effective}


ROWS = [
    settings_row("service.start", "automatic"),
    settings_row("servers.one.start", "automatic"),
    settings_row("servers.one.general.bindings", ["192.0.2.1:25"]),
    settings_row("servers.one.general.tls_bindings", ["192.0.2.1:465"]),
    settings_row("servers.two.start", "disabled"),
    settings_row("servers.two.general.bindings", ["192.0.2.2:25"]),
    settings_row("servers.two.general.tls_bindings", []),
]


@pytest.mark.parametrize(
    ("binding", "said"),
    [
        ("0.0.0.0:25", "the server one listens on &#34;192.0.2.1:25&#34; already; give one of them another"),
        ("192.0.2.1:465", "the server one listens on &#34;192.0.2.1:465&#34; already"),
        ("192.0.2.2:25", ""),
        ("0.0.0.0:0", ""),
        ("nonsense", "is wanted"),
    ],
)
async def test_a_conflict_of_bindings_is_told_where_the_binding_is_typed(binding: str, said: str) -> None:
    answers = {"settings.get": {"rows": ROWS}, "server.list": []}
    async with browsing(StandIn(ALL, lambda operation, _: answers[operation]), pages=PAGES) as client:
        await client.post("/login", data={"name": "ann", "password": PASSWORD})
        session = next(iter(client._transport.app.state.access._sessions._sessions.values()))  # type: ignore[attr-defined]
        form = {"csrf": session.csrf, "at": "1", "name": "New", "bindings": binding, "go": "next"}
        answer = await client.post("/servers/new", data=form)
    assert answer.status_code == (422 if said else 200)
    assert said in answer.text
    assert ('id="q-bindings"' in answer.text) == bool(said)
