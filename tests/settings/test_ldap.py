"""LDAP routing: what its options ask of each other."""

import pytest

from mailroot.settings.change import Facts, parse
from mailroot.settings.ldap import LdapRouting
from mailroot.settings.ldapchecks import domain_of
from mailroot.settings.places import DirectoryServer, parse_directory_server
from mailroot.settings.problem import Problems
from mailroot.settings.service import Settings

FACTS = Facts("/etc/mailroot", "box.example", environment={"SECRET": "s3cret"})
ON = "[servers.default.ldap_routing]\nenabled = true\n"
SERVER = 'servers = ["ldap://dc1.example.com"]\n'
ACCOUNT = 'username = "app"\npassword = "$SECRET"\n'


def loaded(text: str) -> Settings | Problems:
    return parse(ON + text, FACTS, private=True, file="mailroot.toml")


@pytest.mark.parametrize(
    "text",
    [
        SERVER,
        'domain = "example.com"\n',
        'base = "ou=people,DC=example,dc=com"\n',
        SERVER + ACCOUNT + 'binding = "plain-text"\n',
        SERVER + ACCOUNT + 'binding = "windows"\ntls = "off"\n',
        SERVER + ACCOUNT + 'binding = "plain-text"\ntls = "off"\npassword_without_tls = true\n',
        SERVER + 'binding = "service-account"\nkeytab = "service.keytab"\n',
        SERVER
        + 'schema = "custom"\nbase = "dc=x"\n[servers.default.ldap_routing.custom]\nrecipient_filter = "(m={local})"\n',
        'servers = ["ldaps://10.0.0.1", "ldap://[2001:db8::1]:3268"]\n',
    ],
)
def test_what_is_sound(text: str) -> None:
    assert isinstance(loaded(text), Settings), loaded(text)


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ("", "servers", "nothing says where the directory is"),
        ('servers = ["dc1.example.com"]\n', "servers", "a URL such as"),
        (SERVER + 'schema = "custom"\n', "base", "tells its own base"),
        (SERVER + 'binding = "windows"\n', "binding", "no username"),
        (SERVER + 'binding = "plain-text"\nusername = "a"\n', "binding", "no password"),
        (SERVER + ACCOUNT, "binding", "not signed in with"),
        (SERVER + ACCOUNT + 'binding = "plain-text"\ntls = "off"\n', "tls", "for everybody to read"),
        ('servers = ["ldaps://dc1.example.com"]\ntls = "off"\n', "tls", "TLS from the beginning"),
        (SERVER + 'keytab = "x"\n', "binding", "only a service account"),
        (
            SERVER
            + 'schema = "custom"\nbase = "dc=x"\n[servers.default.ldap_routing.custom]\nrecipient_filter = "mail"\n',
            "custom.recipient_filter",
            '"(" is wanted',
        ),
        (SERVER + 'password = "a"\npassword_file = "b"\n', "password_file", "exclude each other"),
    ],
)
def test_what_does_not_fit_is_named(text: str, path: str, words: str) -> None:
    found = loaded(text)
    assert isinstance(found, Problems)
    problems = [one for one in found.problems if one.path == f"servers.default.ldap_routing.{path}"]
    assert any(words in one.wrong for one in problems), str(found)


def test_accounts_of_the_directory_ask_for_one() -> None:
    found = parse('[servers.default.access]\nbasic = true\naccounts = "ldap"\n', FACTS, private=True, file="x")
    assert isinstance(found, Problems)
    assert "nothing says where the directory is" in str(found)


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("ldap://DC1.Example.com", DirectoryServer("dc1.example.com", 389)),
        ("LDAPS://dc1", DirectoryServer("dc1", 636, True)),
        ("ldap://10.1.2.3:3268/", DirectoryServer("10.1.2.3", 3268)),
        ("ldaps://[::1]", DirectoryServer("::1", 636, True)),
    ],
)
def test_urls_of_servers(text: str, server: DirectoryServer) -> None:
    assert parse_directory_server(text) == server
    assert parse_directory_server(str(server)) == server


@pytest.mark.parametrize(
    "text", ["", "http://x", "ldap://", "ldap://x:0", "ldap://a/dc=x", "ldap://u@h", "ldap://[x]", 5]
)
def test_what_is_no_url_of_a_server(text: object) -> None:
    with pytest.raises(ValueError, match="wanted"):
        parse_directory_server(text)


def test_the_domain_of_a_directory_that_DNS_finds() -> None:
    assert domain_of(LdapRouting(domain="corp.example", base="dc=other")) == "corp.example"
    assert domain_of(LdapRouting(domain="CORP", base="ou=x, DC=corp , dc=example")) == "corp.example"
    assert domain_of(LdapRouting()) == ""
