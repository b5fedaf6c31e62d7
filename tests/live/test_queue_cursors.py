"""A cursor that is none, or no longer one, is the caller's fault: 422 with words, and nothing is begun anew."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from mailroot.edge.control import Refused, ask
from tests.live.administering import Administered, administering


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Administered]:
    with administering(tmp_path_factory.mktemp("cursors")) as made:
        yield made


BAD_PLACES = (
    "gibberish",
    "[]",
    "[" * 2000,
    '"text"',
    '{"default/0/w0": "x"}',
    '{"default/0/w0": "1"}',
    '{"default/0/w0": "0.99999999999999999999999"}',
    '{"default/0/w0": "-9.4"}',
    '{"default/0/gone": "0.1"}',
    '{"default/7/w0": "0.1"}',
    '{"other/0/w0": "0.1"}',
)


@pytest.mark.parametrize("word", ["after", "before"])
@pytest.mark.parametrize("cursor", BAD_PLACES, ids=lambda cursor: cursor[:30])
def test_a_list(site: Administered, word: str, cursor: str) -> None:
    said = refused(site, "GET", f"/api/v1/queue/list?{urlencode({word: cursor})}")
    assert said["problems"][0]["path"] == word
    with pytest.raises(Refused, match="no cursor of this queue"):
        ask(site.service.file, "queue.list", {word: cursor})


@pytest.mark.parametrize("cursor", ["x", "-1", "0"])
def test_destinations(site: Administered, cursor: str) -> None:
    refused(site, "GET", f"/api/v1/queue/destinations?{urlencode({'after': cursor})}")


@pytest.mark.parametrize(
    "cursor",
    ["x", "default|0|0", "default|9|0|", "other|0|0|", "default|0|x|", "default|0|0|0011223344556677aa/999999999999"],
)
def test_what_is_done_to_many(site: Administered, cursor: str) -> None:
    said = refused(site, "POST", "/api/v1/queue/retry", {"all": True, "after": cursor})
    assert said["problems"][0]["path"] == "after"


def refused(site: Administered, method: str, path: str, body: object = None) -> dict[str, Any]:
    status, said, _ = site.ask(method, path, body)
    assert status == 422, said
    assert "no cursor of this queue; begin again" in said["detail"]
    return dict(said)


def test_those_that_were_given_are_taken(site: Administered) -> None:
    for cursor in ("{}", json.dumps({"default/0/w0": ""}), json.dumps({"default/0/w0": "0.5"})):
        assert site.ask("GET", f"/api/v1/queue/list?{urlencode({'after': cursor})}")[0] == 200
    assert site.ask("POST", "/api/v1/queue/retry", {"all": True, "after": "default|0|0|"})[0] == 200
