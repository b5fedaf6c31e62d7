"""Virtual servers in the settings file: one more, another name, one less."""

import tomllib

import pytest

from mailroot.settings.change import Facts, parse
from mailroot.settings.serveredits import Wanted, created, deleted, free_key, renamed, server_meant
from mailroot.settings.service import Settings

TEXT = '# ours\n[servers.default]\nhome = "Mailroot"\n'


def settings(text: str) -> Settings:
    parsed = parse(text, Facts(folder="/srv", host="box.test"))
    assert isinstance(parsed, Settings), parsed
    return parsed


def test_a_new_server_has_a_key_a_home_and_a_domain() -> None:
    text, key = created(TEXT, settings(TEXT), Wanted("Second, for Fax", ("127.0.0.1:2526",), domain="fax.test"))
    assert key == "second-for-fax"
    assert text.startswith(TEXT)
    server = settings(text).servers[key]
    assert (server.name, server.home) == ("Second, for Fax", "/srv/Mailroot-second-for-fax")
    assert [str(binding) for binding in server.general.bindings] == ["127.0.0.1:2526"]
    assert server.domains["fax.test"].type.value == "default"


def test_the_server_that_a_file_without_any_stands_for_does_not_vanish() -> None:
    text, _ = created("", settings(""), Wanted("Two", ("127.0.0.1:2526",)))
    assert [*settings(text).servers] == ["default", "two"]


@pytest.mark.parametrize(
    ("name", "key"),
    [("Default", "default-2"), ("Größe 3", "groe-3"), ("日本", "server"), ("  A  b ", "a-b"), ("x" * 60, "x" * 32)],
)
def test_the_key_follows_from_the_name(name: str, key: str) -> None:
    assert free_key(name, settings(TEXT)) == key


@pytest.mark.parametrize("name", ["default", "Default SMTP Virtual Server", "", "  "])
def test_a_name_that_is_taken_or_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"has this name already|needs a name"):
        created(TEXT, settings(TEXT), Wanted(name, ("127.0.0.1:2526",)))


def test_a_conflict_of_bindings_names_the_other() -> None:
    text, _ = created(TEXT, settings(TEXT), Wanted("Two", ("127.0.0.1:25",)))
    found = parse(text, Facts(folder="/srv", host="box.test"))
    assert "the server default listens on" in str(found)


def test_a_server_has_another_name_and_the_same_key() -> None:
    text = renamed(TEXT, settings(TEXT), "default", "The Mail")
    assert settings(text).servers["default"].name == "The Mail"
    assert renamed(text, settings(text), "default", "The Mail") == text


def test_a_server_is_deleted_but_not_the_last_one() -> None:
    text, key = created(TEXT, settings(TEXT), Wanted("Two", ("127.0.0.1:2526",), domain="two.test"))
    assert tomllib.loads(deleted(text, settings(text), key)) == tomllib.loads(TEXT)
    with pytest.raises(ValueError, match="the only virtual server"):
        deleted(TEXT, settings(TEXT), "default")


def test_a_server_is_meant_by_either_name_or_as_the_only_one() -> None:
    text, _ = created(TEXT, settings(TEXT), Wanted("Second", ("127.0.0.1:2526",)))
    assert server_meant(settings(TEXT), "") == "default"
    assert server_meant(settings(text), "Second") == server_meant(settings(text), "second") == "second"
    with pytest.raises(ValueError, match="name one by --server: default, second"):
        server_meant(settings(text), "")
    with pytest.raises(ValueError, match="there are: default, second"):
        server_meant(settings(text), "third")


def test_a_short_name_is_meant_before_a_display_name_that_is_the_same() -> None:
    text = (
        '[servers.x]\nname = "a"\nhome = "X"\ngeneral.bindings = ["127.0.0.1:2526"]\n'
        '[servers.a]\nname = "b"\nhome = "A"\ngeneral.bindings = ["127.0.0.1:2527"]\n'
    )
    assert server_meant(settings(text), "a") == "a"
    assert server_meant(settings(text), "b") == "a"
