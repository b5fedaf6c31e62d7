"""Outbound security: what its options ask of each other, and where its secrets may stand."""

import pytest

from mailroot.edge.settingsfile import SettingsFile
from mailroot.settings.change import Facts, parse
from mailroot.settings.keys import get
from mailroot.settings.problem import Problems
from mailroot.settings.service import Settings

FACTS = Facts("/etc/mailroot", "box.example", environment={"SECRET": "s3cret"})
HOST = 'smart_host = "relay.example:587"\n'
OAUTH2 = 'authentication = "oauth2"\nusername = "a@b.example"\n'
TOKENS = "[servers.default.delivery.security.oauth2]\n"
ENDPOINT = 'token_url = "https://login.example/token"\nclient_id = "us"\n'


def loaded(security, host=HOST, more="", private=True):
    text = f"[servers.default.delivery]\n{host}[servers.default.delivery.security]\n{security}\n{more}"
    return parse(text, FACTS, private=private, file="mailroot.toml")


@pytest.mark.parametrize(
    ("security", "more"),
    [
        ('authentication = "basic"\nusername = "a"\npassword = "b"', ""),
        ('authentication = "basic"\nusername = "a"\npassword = "$SECRET"', ""),
        ('authentication = "integrated"', ""),
        ('authentication = "integrated"\nusername = "DOM\\\\a"\npassword = "b"', ""),
        (OAUTH2, TOKENS + ENDPOINT + 'client_secret = "x"'),
        (OAUTH2, TOKENS + ENDPOINT + 'refresh_token = "$SECRET"'),
        (OAUTH2, TOKENS + ENDPOINT.replace("https://login.example", "http://127.0.0.1:8080") + 'client_secret = "x"'),
        (OAUTH2, TOKENS + ENDPOINT.replace("https://login.example", "http://[::1]:8080") + 'client_secret = "x"'),
        (OAUTH2, TOKENS + 'token_command = ["/usr/bin/token"]'),
        ('tls = "verify"\nca_file = "ca.pem"\ntls_minimum = "1.3"\nimplicit_tls = true', ""),
    ],
)
def test_what_is_sound(security, more):
    assert isinstance(loaded(security, more=more), Settings)


@pytest.mark.parametrize(
    ("security", "more", "path", "words"),
    [
        ('authentication = "basic"', "", "authentication", "no username"),
        ('authentication = "basic"\nusername = "a"', "", "authentication", "no password"),
        (OAUTH2, "", "oauth2.token_url", "nothing says where access tokens come from"),
        (OAUTH2 + 'tls = "off"', TOKENS + 'token_command = ["x"]', "authentication", "not shown without TLS"),
        (OAUTH2, TOKENS + ENDPOINT, "oauth2.client_secret", "without a secret"),
        (OAUTH2, TOKENS + ENDPOINT + 'token_command = ["x"]', "oauth2.token_command", "exclude each other"),
        (OAUTH2, TOKENS + 'token_url = "https://x.example"\nclient_secret = "x"', "oauth2.client_id", "who asks"),
        ('implicit_tls = true\ntls = "off"', "", "implicit_tls", 'tls is "off"'),
        ('password = "a"\npassword_file = "b"', "", "password_file", "exclude each other"),
        ('password = "$MISSING"', "", "password", "is not set"),
        ('tls_minimum = "1.4"', "", "tls_minimum", ""),
    ],
)
def test_what_does_not_fit_is_named(security, more, path, words):
    found = loaded(security, more=more)
    assert isinstance(found, Problems)
    problem = next(one for one in found.problems if one.path == f"servers.default.delivery.security.{path}")
    assert words in f"{problem.wrong}; {problem.mend}"


@pytest.mark.parametrize(
    "url",
    ["http://login.example/token", "ftp://127.0.0.1/", "https://", "login.example", "http://127.0.0.1.evil.example/", "https://user@x/"],
)  # fmt: skip
def test_a_secret_is_sent_to_a_safe_endpoint_only(url):
    found = loaded(OAUTH2, more=f'{TOKENS}token_url = "{url}"\nclient_id = "us"\nclient_secret = "x"')
    assert isinstance(found, Problems) and "https URL" in str(found)


def test_credentials_need_a_host_that_the_settings_name():
    basic = 'authentication = "basic"\nusername = "a"\npassword = "b"'
    assert "not shown to every server of the world" in str(loaded(basic, host=""))
    own = '[servers.default.domains."a.example"]\ntype = "remote"\nroute = "relay.example"'
    assert isinstance(loaded(basic, host="", more=own), Settings)


def test_helo_has_no_starttls():
    own = '[servers.default.domains."a.example"]\ntype = "remote"\nuse_helo = true'
    assert "HELO has no STARTTLS" in str(loaded('tls = "verify"', more=own))
    assert isinstance(loaded('tls = "opportunistic"', more=own), Settings)


# --- where secrets may stand ---


@pytest.mark.parametrize(
    ("security", "more", "path"),
    [
        ('password = "s3cret"', "", "password"),
        ("", TOKENS + 'client_secret = "s3cret"', "oauth2.client_secret"),
        ("", TOKENS + 'refresh_token = "s3cret"', "oauth2.refresh_token"),
    ],
)
def test_a_secret_in_a_file_that_others_can_read_is_refused_with_its_mend(security, more, path):
    found = loaded(security, more=more, private=False)
    assert isinstance(found, Problems)
    (problem,) = found.problems
    assert problem.path == f"servers.default.delivery.security.{path}"
    assert problem.mend == "run: chmod 600 mailroot.toml" and "s3cret" not in str(found)


def test_the_name_of_a_variable_is_no_secret():
    assert isinstance(loaded('password = "$SECRET"', private=False), Settings)


@pytest.mark.parametrize("option", ["password_file", "oauth2.client_secret_file", "oauth2.refresh_token_file"])
def test_secrets_come_from_files_that_only_their_owner_can_read(option, tmp_path):
    (tmp_path / "mailroot.toml").write_text(f'servers.default.delivery.security.{option} = "secret"\n')
    file = SettingsFile(tmp_path / "mailroot.toml")
    secret = tmp_path / "secret"
    assert "make it a text that the service can read" in str(file.load())
    secret.write_text("s3cret\nmore\n")
    for mode in (0o644, 0o640, 0o604):
        secret.chmod(mode)
        assert f"run: chmod 600 {secret}" in str(file.load())
    secret.chmod(0o600)
    settings = file.load()
    assert isinstance(settings, Settings)
    name = option.removesuffix("_file")
    holder = settings.servers["default"].delivery.security
    assert getattr(holder.oauth2 if "oauth2" in name else holder, name.rpartition(".")[2]) == "s3cret"
    assert "s3cret" not in repr(settings)
    assert get(settings, f"servers.default.delivery.security.{name}") == "***"
    assert "s3cret" not in str(get(settings, "servers.default.delivery"))
    secret.write_text("\n")
    assert "first line is empty" in str(file.load())
