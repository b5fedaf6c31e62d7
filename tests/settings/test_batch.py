"""Several options changed in one step: all that is wrong at once, and comments kept."""

import tomllib

import pytest

from mailroot.settings.batch import batch, table_key
from mailroot.settings.problem import Unsound

TEXT = """\
# The head.
[servers.default]   # ours

[servers.default.messages]
size_limit = "2MB"  # why it is so

[servers.default.domains."Example.COM"]
type = "default"
"""
SIZE, SESSION = "servers.default.messages.size_limit", "servers.default.messages.session_limit"


def test_a_change_that_takes_two_options_is_made_in_one_step() -> None:
    changed = batch(TEXT, {SIZE: "20MB", SESSION: "40MB"})
    messages = tomllib.loads(changed)["servers"]["default"]["messages"]
    assert messages == {"size_limit": "20MB", "session_limit": "40MB"}
    assert "# The head." in changed
    assert "# why it is so" in changed


def test_everything_that_does_not_fit_is_told_at_once_with_its_path() -> None:
    wanted = {SIZE: "2 barrels", "servers.default.access.anonymous": 3, "servers.default.nothing": 1, SESSION: "9MB"}
    with pytest.raises(Unsound) as refused:
        batch(TEXT, wanted)
    rows = {row["path"]: row for row in refused.value.problems.rows()}
    assert set(rows) == {SIZE, "servers.default.access.anonymous", "servers.default.nothing"}
    assert rows[SIZE]["value"] == '"2 barrels"'
    assert str(rows[SIZE]["wrong"]).startswith('a size such as "2048KB"')
    assert rows[SIZE]["mend"] == 'for example "2048KB"'


@pytest.mark.parametrize(
    ("value", "kept"), [("true", True), (True, True), ('["192.0.2.1"]', ["192.0.2.1"]), (["192.0.2.1"], ["192.0.2.1"])]
)
def test_a_value_is_toml_or_what_json_has_for_it(value: object, kept: object) -> None:
    key = "servers.default.access.relay.list" if isinstance(kept, list) else "servers.default.access.basic"
    changed = tomllib.loads(batch(TEXT, {key: value}))["servers"]["default"]["access"]
    assert (changed["relay"]["list"] if isinstance(kept, list) else changed["basic"]) == kept


def test_none_is_the_default_again() -> None:
    assert "messages" not in batch(TEXT, {SIZE: None}).replace("[servers.default.messages]", "")
    assert "size_limit" not in batch(TEXT, {SIZE: None})
    assert batch(TEXT, {SESSION: None}) == TEXT


def test_a_domain_is_found_however_it_is_spelled() -> None:
    changed = batch(TEXT, {'servers.default.domains."example.com".drop': "Elsewhere"})
    assert tomllib.loads(changed)["servers"]["default"]["domains"] == {
        "Example.COM": {"type": "default", "drop": "Elsewhere"}
    }


def test_no_secret_stands_in_a_problem_and_one_that_was_shown_as_stars_stays() -> None:
    key = "servers.default.delivery.security.password"
    with pytest.raises(Unsound) as refused:
        batch(TEXT, {key: 7777, SIZE: "x"})
    assert "7777" not in str(refused.value)
    assert "7777" not in str([*refused.value.problems.rows()])
    assert batch(TEXT, {key: "***", SIZE: "3MB"}) == batch(TEXT, {SIZE: "3MB"})


@pytest.mark.parametrize(
    ("server", "key", "whole"),
    [
        ("", SIZE, SIZE),
        ("default", "messages.size_limit", SIZE),
        ("default", SIZE, SIZE),
        ("default", 'domains."a.example".drop', 'servers.default.domains."a.example".drop'),
    ],
)
def test_keys_may_be_those_below_a_virtual_server(server: str, key: str, whole: str) -> None:
    assert table_key(server, key) == whole


@pytest.mark.parametrize("key", ["servers.other.name", "servers.default", "servers"])
def test_who_names_a_server_changes_no_other(key: str) -> None:
    with pytest.raises(ValueError, match="an option of the virtual server default is wanted"):
        table_key("default", key)
