"""A configuration on its way to another machine: no secret leaves, and what was that machine's is adapted."""

import pytest

from mailroot.settings.change import Facts, parse
from mailroot.settings.copying import Here, Origin, adapted, exported, origin_of, problems_of
from mailroot.settings.problem import Unsound
from mailroot.settings.service import Settings

TEXT = """\
# The company's mail.
[service]
run_as = "mail"

[servers.default]
home = "/srv/old/Mailroot" # on the large disk

[servers.default.general]
bindings = ["192.0.2.10:25", "0.0.0.0:2525"]

[servers.default.access]
certificate = "/etc/ssl/old.pem"
keytab = "/srv/old/krb5.keytab"

[servers.default.delivery]
fqdn = "old.example.com"
smart_host = "relay.example:587"

[servers.default.delivery.security]
authentication = "basic"
username = "me"
# password = "what-it-was-once"
password = "hush-hush" # changed in May
"""
PASSWORD = "servers.default.delivery.security.password"
OLD = Origin("old.example.com", "/srv/old")


def here(*own: str, main: str = "198.51.100.7", there: tuple[str, ...] = ()) -> Here:
    return Here("/etc/mailroot", own.__contains__, lambda version: main if version == 4 else "", there.__contains__)


def test_no_secret_leaves_nor_a_comment_that_has_one() -> None:
    text, left = exported(TEXT, OLD)
    assert left == (PASSWORD,)
    assert "hush" not in text
    assert "what-it-was-once" not in text
    assert "# on the large disk" in text
    assert origin_of(text) == (OLD, (PASSWORD,))


def test_secrets_leave_when_asked_for_and_names_of_variables_always() -> None:
    assert 'password = "hush-hush"' in exported(TEXT, OLD, secrets=True)[0]
    assert 'password = "$RELAY"' in exported(TEXT.replace("hush-hush", "$RELAY"), OLD)[0]


def test_what_was_the_other_machines_is_adapted_and_the_rest_stays() -> None:
    text, _ = exported(TEXT, OLD, secrets=True)
    copy = adapted(text, here(there=("/etc/ssl/old.pem",)), {})
    rows = {row["path"]: (row["was"], row["is"]) for row in copy.rows}
    assert rows == {
        "servers.default.home": ("/srv/old/Mailroot", "Mailroot"),
        "servers.default.general.bindings": (
            ["192.0.2.10:25", "0.0.0.0:2525"],
            ["198.51.100.7:25", "0.0.0.0:2525"],
        ),
        "servers.default.access.keytab": ("/srv/old/krb5.keytab", "krb5.keytab"),
        "servers.default.delivery.fqdn": ("old.example.com", ""),
    }
    assert [row["path"] for row in copy.look_at] == ["service.run_as"]
    assert copy.text.startswith("# The company's mail.\n")
    assert "# on the large disk" in copy.text
    settings = parse(copy.text, Facts(folder="/etc/mailroot", host="new.example.com"))
    assert isinstance(settings, Settings), settings
    assert settings.servers["default"].delivery.fqdn == "new.example.com"
    assert settings.servers["default"].home == "/etc/mailroot/Mailroot"


def test_what_must_be_looked_at_is_told() -> None:
    copy = adapted(exported(TEXT, Origin("another.example.com", "/elsewhere"))[0], here("192.0.2.10"), {})
    assert copy.rows == ()
    assert {str(row["path"]): row["why"] for row in copy.look_at} == {
        PASSWORD: "its secret was left out; set it",
        "service.run_as": "is there such an account on this machine?",
        "servers.default.home": "is this the right place on this machine?",
        "servers.default.access.certificate": "no such file here; copy it, readable for its owner only",
        "servers.default.access.keytab": "no such file here; copy it, readable for its owner only",
        "servers.default.delivery.fqdn": "does this name lead to this machine?",
    }


def test_an_address_that_cannot_be_adapted_is_a_problem_until_it_is_said() -> None:
    bindings = "servers.default.general.bindings"
    copy = adapted(TEXT, here(main=""), {})
    assert [problem.path for problem in problems_of(copy.look_at)] == [bindings]
    copy = adapted(TEXT, here(main=""), {bindings: '["127.0.0.1:25"]', "service.run_as": ""})
    assert problems_of(copy.look_at) == ()
    assert 'bindings = ["127.0.0.1:25"]' in copy.text
    assert 'run_as = ""' in copy.text
    with pytest.raises(Unsound):
        adapted(TEXT, here(), {bindings: "nowhere"})


def test_an_address_of_ip_version_6_stays_one() -> None:
    machine = Here("/etc", lambda _: False, lambda version: "2001:db8::7" if version == 6 else "", lambda _: True)
    copy = adapted('[servers.default.general]\nbindings = ["[2001:db8::1]:25"]\n', machine, {})
    assert 'bindings = ["[2001:db8::7]:25"]' in copy.text


@pytest.mark.parametrize("first", ["", "# Exported by Mailroot: {\n", "# Exported by Mailroot: {}\n", "# By X\n"])
def test_a_settings_file_as_it_is_can_be_taken_too(first: str) -> None:
    assert origin_of(first + TEXT) == (Origin(), ())
    assert adapted(first + TEXT, here("192.0.2.10", there=("/etc/ssl/old.pem", "/srv/old/krb5.keytab")), {}).rows == ()


def test_what_is_no_toml_is_said() -> None:
    with pytest.raises(ValueError, match=r"[Ii]nvalid|[Ee]xpected"):
        adapted("= 1", here(), {})
