"""Servers that mail is collected from: what their settings must say."""

import pytest

from mailroot.settings.change import Facts, parse
from mailroot.settings.collect import CollectMethod, port_of
from mailroot.settings.problem import Problems
from mailroot.settings.service import Settings

FACTS = Facts(folder="/etc/mailroot", host="box.example", environment={"SECRET": "s3cret"})
HERE = "[servers.default.collect.provider]\n"
SECURITY = (
    '[servers.default.collect.provider.security]\nauthentication = "basic"\nusername = "us"\npassword = "$SECRET"\n'
)


def sound(text: str) -> Settings:
    loaded = parse(text, FACTS)
    assert isinstance(loaded, Settings), str(loaded)
    return loaded


def test_an_entry_has_a_host_and_the_port_of_its_method() -> None:
    text = HERE + 'host = "mail.provider.example"\n'
    (found,) = sound(text).servers["default"].collect.values()
    assert (found.method, port_of(found)) == (CollectMethod.ETRN, 25)
    (found,) = sound(text + 'method = "atrn"\n' + SECURITY).servers["default"].collect.values()
    assert (found.security.password, port_of(found)) == ("s3cret", 366)
    (found,) = sound(HERE + 'host = "mail.provider.example:1366"\n').servers["default"].collect.values()
    assert port_of(found) == 1366


@pytest.mark.parametrize(
    ("text", "path", "said"),
    [
        ("", "host", "nobody is asked"),
        ('host = "mail.provider.example"\nmethod = "atrn"\n', "method", "for those who sign in"),
        ('host = "mail.provider.example"\ninterval = "0s"\n', "interval", "a duration from 1s"),
        ('host = "mail.provider.example"\ndomains = ["a b"]\n', "domains", "name of a domain"),
        ('host = "localhost:25"\n', "host", "circle"),
        (
            'host = "mail.provider.example"\nsecurity = { authentication = "basic" }\n',
            "security.authentication",
            "no user",
        ),
    ],
)
def test_what_cannot_be_is_a_problem(text: str, path: str, said: str) -> None:
    loaded = parse(HERE + text, FACTS)
    assert isinstance(loaded, Problems)
    assert loaded.problems[0].path == f"servers.default.collect.provider.{path}"
    assert said in loaded.problems[0].wrong


def test_its_password_is_a_secret() -> None:
    text = HERE + 'host = "mail.provider.example"\n' + SECURITY.replace("$SECRET", "plain")
    loaded = parse(text, FACTS, private=False)
    assert isinstance(loaded, Problems)
    assert "chmod 600" in loaded.problems[0].mend
    assert "plain" not in str(loaded)
