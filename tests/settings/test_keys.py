"""Single options, read and written by their dotted keys."""

import tomllib

import pytest

from mailroot.settings.change import Facts, parse
from mailroot.settings.declared import declared, key_parts, key_text
from mailroot.settings.keys import get, set_value, written
from mailroot.settings.service import Settings
from mailroot.settings.spelling import toml_text

FACTS = Facts(folder="/etc/mailroot", host="box.example")
FILE = """\
# Ours
[servers.default.messages]
size_limit = "1MB" # small on purpose

[servers.default.access]
relay = { mode = "only", list = ["192.0.2.1"] }   # the printers

[servers.default.domains."*.partner.example"]
relay = true
"""


def settings(text: str = FILE) -> Settings:
    loaded = parse(text, FACTS)
    assert isinstance(loaded, Settings), str(loaded)
    return loaded


@pytest.mark.parametrize("key", ["a", "a.b-c.d_1", 'servers.default.domains."*.example.com".relay', '"a\\"b".c'])
def test_a_key_comes_back_from_its_parts(key: str) -> None:
    assert key_text(key_parts(key)) == key


@pytest.mark.parametrize("key", ["", ".", "a.", ".a", "a..b", "a b", '"a', "a*b", "servers.x.domains.*.partner"])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=r"key|quotes"):
        key_parts(key)


def test_get_spells_values_as_the_file_does() -> None:
    assert get(settings(), "servers.default.messages.size_limit") == "1024KB"
    assert get(settings(), "servers.default.delivery.retry_intervals") == ["15m", "30m", "1h", "4h"]
    assert get(settings(), "servers.default.access.relay.list") == ["192.0.2.1"]
    assert get(settings(), 'servers.default.domains."*.partner.example".relay') is True


def test_get_of_a_table_is_all_below_it() -> None:
    assert get(settings(), "servers.default.access.relay") == {
        "mode": "only",
        "list": ["192.0.2.1"],
        "authenticated": True,
    }


def test_get_of_a_server_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(ValueError, match="there are: default"):
        get(settings(), "servers.defualt.home")


def test_get_never_shows_a_secret() -> None:
    text = '[servers.default.delivery.security]\npassword = "hush"'
    assert get(settings(text), "servers.default.delivery.security.password") == "***"
    assert written(text, "servers.default.delivery.security.password") == "***"


def test_what_is_written_is_told_as_it_stands() -> None:
    assert written(FILE, "servers.default.messages.size_limit") == "1MB"
    assert written(FILE, "servers.default.messages.session_limit") is None


@pytest.mark.parametrize(
    ("key", "value", "stands"),
    [
        ("servers.default.messages.size_limit", "5MB", "5MB"),
        ("servers.default.messages.size_limit", '"5MB"', "5MB"),
        ("servers.default.messages.size_limit", "0", 0),
        ("service.workers", "4", 4),
        ("service.events", "", ""),
        ("servers.default.delivery.fqdn", "true", "true"),
        ("servers.default.access.relay.authenticated", "false", False),
        ("servers.default.access.relay.list", '["192.0.2.0/24"]', ["192.0.2.0/24"]),
        ('servers.default.domains."new.example".route', "relay.example:26", "relay.example:26"),
        ("servers.default.delivery.smart_host", '["a.example", "b.example"]', ["a.example", "b.example"]),
    ],
)
def test_set_changes_one_value_and_keeps_every_comment(key: str, value: str, stands: object) -> None:
    text = set_value(FILE, key, value)
    node = tomllib.loads(text)
    for part in key_parts(key):
        node = node[part]
    assert node == stands
    for comment in ("# Ours", "# small on purpose", "# the printers"):
        assert comment in text
    settings(text)


def test_a_new_table_has_an_empty_line_above_it_and_below() -> None:
    text = '[servers.default]\nhome = "x"\n[servers.default.general]\nconnection_limit = 5\n[service]\nworkers = 1\n'
    changed = set_value(text, "servers.default.messages.size_limit", "1MB")
    table = '\n[servers.default.messages]\nsize_limit = "1MB"\n\n'
    assert table in changed
    assert changed.replace(table, "") == text


def test_set_writes_into_an_empty_file() -> None:
    assert tomllib.loads(set_value("", "service.workers", "2")) == {"service": {"workers": 2}}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("servers.default.messages.size_limt", "1MB", "did you mean servers.default.messages.size_limit"),
        ("servers.default.messages", "1MB", "table of further keys"),
        ("servers.default.messages.size_limit", "big", "a size such as"),
        ("servers.default.access.basic", "yes", "true or false"),
        ("servers.default.general.bindings", "127.0.0.1:25", "a list such as"),
        ("servers.default.general.bindings", '["127.0.0.1:25", "nix"]', 'of its values, "nix" does not fit'),
        ("servers.default.domains.a.example.type", "alias", r'did you mean servers.default.domains."a.example".type\?'),
        ("access.tls", "off", r"did you mean servers.default.access.tls\?"),
    ],
)
def test_set_refuses_with_the_key_and_the_mend(key: str, value: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        set_value(FILE, key, value)
    assert key in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        'servers.default.home = "x"\n',
        '[servers]\ndefault.home = "x"\n[service]\n',
        'servers = { default = { home = "x" } }\n',
        '[servers.default.access.relay]\nlist = []\n[service]\nworkers = 1\n[servers.default]\nhome = "x"\n',
        '[servers.default]\nhome = "x"\r\n# end',
    ],
)
def test_set_works_on_every_form_of_table(text: str) -> None:
    changed = set_value(text, "servers.default.messages.size_limit", "1MB")
    table = tomllib.loads(changed)["servers"]["default"]
    assert table["messages"] == {"size_limit": "1MB"}
    assert table["home"] == "x"


def test_set_into_what_is_no_table_is_refused() -> None:
    with pytest.raises(ValueError, match="servers is no table"):
        set_value("servers = 3", "servers.default.home", "x")


def test_every_option_can_be_set_to_its_default() -> None:
    for found in declared().values():
        names = iter(("default", "a.example", "s1"))
        parts = tuple(next(names) if part == "*" else part for part in found.parts)
        value = found.spelling.text(found.default)
        text = set_value("", key_text(parts), value if isinstance(value, str) else toml_text(value))
        assert written(text, key_text(parts)) in (value, "***"), key_text(parts)
