"""Domains added, removed, renamed and promoted in a file's text, with all else kept."""

import tomllib

import pytest

from mailroot.settings.change import Facts, parse
from mailroot.settings.domainedits import DomainEdits
from mailroot.settings.domains import Domain, DomainType
from mailroot.settings.service import Settings

FACTS = Facts(folder="/etc/mailroot", host="box.example")
FILE = """\
# Ours
[servers.default]
home = "M"   # here

# the main name
[servers.default.domains."Example.com"]   # first
type = "default"
drop = "Mail"    # polled by the shop

# the old name
[servers.default.domains."also.example"]
type = "alias"

# partner
[servers.default.domains."*.partner.example"]
relay = true # open

[servers.default.domains."*.partner.example".security]
tls = "require"
"""


def edits(text: str = FILE) -> DomainEdits:
    settings = parse(text, FACTS)
    assert isinstance(settings, Settings), str(settings)
    return DomainEdits(text, settings, "default")


def domains(text: str) -> dict[str, Domain]:
    return dict(edits(text).settings.servers["default"].domains)


def test_a_domain_is_added_at_the_end_and_nothing_else_changes() -> None:
    text = edits().add("*.other.example", ["relay=true", "route=relay.example:587"])
    added = (
        '\n[servers.default.domains."*.other.example"]\ntype = "remote"\nrelay = true\nroute = "relay.example:587"\n'
    )
    assert text == FILE + added


def test_a_domain_is_added_with_its_type_and_the_options_of_its_tables() -> None:
    text = edits().add("new.example", ["type=custom", "drop=New", "drop_quota=true"])
    assert domains(text)["new.example"] == Domain(DomainType.CUSTOM, "/etc/mailroot/New", drop_quota=True)
    text = edits().add("new.example", ["security.tls=verify"])
    assert tomllib.loads(text)["servers"]["default"]["domains"]["new.example"]["security"] == {"tls": "verify"}


@pytest.mark.parametrize("name", ["also.example", "EXAMPLE.COM", "*.Partner.example"])
def test_a_domain_that_is_there_is_not_added_again(name: str) -> None:
    with pytest.raises(ValueError, match="there is such a domain already"):
        edits().add(name, [])


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("relay", "OPTION=VALUE"),
        ("=true", "OPTION=VALUE"),
        ("realy=true", r'did you mean servers.default.domains."new.example".relay\?'),
        ("relay=maybe", "true or false"),
        ("type=nice", '"default", "alias", "custom", "remote"'),
    ],
)
def test_an_option_that_is_none_is_named_with_its_mend(typed: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        edits().add("new.example", [typed])


def test_options_are_set_where_the_domain_stands_however_its_name_is_typed() -> None:
    text = edits().set("example.com", ["drop=Other", "drop_quota=true"])
    assert text == FILE.replace('drop = "Mail"', 'drop = "Other"').replace(
        "by the shop\n", "by the shop\ndrop_quota = true\n"
    )


def test_what_is_not_there_is_not_set_and_those_that_are_are_named() -> None:
    with pytest.raises(ValueError, match=r"no such domain; there are: example.com, also.example, \*.partner.example"):
        edits().set("nowhere.example", ["relay=true"])


def test_the_default_domain_is_not_made_another_by_setting_its_type() -> None:
    with pytest.raises(ValueError, match="cannot be without; mailroot domain default"):
        edits().set("example.com", ["type=remote"])


def test_a_domain_is_removed_with_its_tables_and_nothing_else() -> None:
    text = edits().remove("*.partner.example")
    assert text == FILE[: FILE.index('[servers.default.domains."*.partner')]


def test_the_last_written_domain_can_be_removed() -> None:
    text = '[servers.default]\nhome = "M"\n\n[servers.default.domains."a.example"]\ntype = "alias"\n'
    assert list(domains(edits(text).remove("a.example"))) == ["box.example"]


@pytest.mark.parametrize("name", ["example.com", "EXAMPLE.com."])
def test_the_default_domain_cannot_be_removed(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be removed; mailroot domain default"):
        edits().remove(name)


def test_what_waits_for_a_custom_domain_that_is_removed_stays_here() -> None:
    text = edits().add("own.example", ["type=custom", "drop=Own"])
    assert domains(edits(text).remove("own.example"))["example.com"].former == ("own.example",)


def test_a_domain_is_renamed_where_it_stands() -> None:
    text = edits().rename("*.partner.example", "*.buddy.example")
    assert text == FILE.replace("*.partner.example", "*.buddy.example")
    text = edits().rename("also.example", "then.example")
    assert text == FILE.replace("also.example", "then.example")


def test_the_default_domain_is_renamed_and_remembers_its_name_for_what_waits() -> None:
    text = edits().rename("example.com", "new.example")
    expected = FILE.replace('"Example.com"', '"new.example"')
    assert text == expected.replace("by the shop\n", 'by the shop\nformer = ["Example.com"]\n')
    again = domains(edits(text).rename("new.example", "newer.example"))
    assert again["newer.example"].former == ("example.com", "new.example")


def test_a_name_may_change_its_case_alone() -> None:
    assert edits().rename("example.com", "EXAMPLE.COM") == FILE.replace("Example.com", "EXAMPLE.COM")


def test_a_name_that_is_taken_is_none_for_another_domain() -> None:
    with pytest.raises(ValueError, match="there is such a domain already"):
        edits().rename("also.example", "Example.com")


def test_an_alias_becomes_the_default_with_the_drop_folder_and_the_default_an_alias() -> None:
    text = edits().promote("also.example")
    found = domains(text)
    assert found["also.example"] == Domain(DomainType.DEFAULT, "/etc/mailroot/Mail")
    assert found["example.com"].type is DomainType.ALIAS
    assert "# polled by the shop" in text
    assert text.index("polled") < text.index("# partner")


@pytest.mark.parametrize(
    ("name", "said"), [("example.com", "is the default domain already"), ("*.partner.example", "only an alias")]
)
def test_only_an_alias_becomes_the_default(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        edits().promote(name)


# -- the default domain that no file names is the machine's


def test_the_machines_domain_is_renamed_by_writing_the_new_one() -> None:
    found = domains(edits("").rename("box.example", "new.example"))
    assert found["new.example"].type is DomainType.DEFAULT
    assert found["new.example"].former == ("box.example",)
    assert "box.example" not in found


def test_the_machines_domain_becomes_an_alias_when_another_is_promoted() -> None:
    text = '[servers.default.domains."a.example"]\ntype = "alias"\n'
    found = domains(edits(text).promote("a.example"))
    assert {name: domain.type for name, domain in found.items()} == {
        "a.example": DomainType.DEFAULT,
        "box.example": DomainType.ALIAS,
    }


def test_the_machines_domain_has_options_once_they_are_set() -> None:
    text = edits("").set("box.example", ["drop_quota=true"])
    assert domains(text)["box.example"] == Domain(DomainType.DEFAULT, "/etc/mailroot/Mailroot/Drop", drop_quota=True)


# -- every form of file

FORMS = [
    '[servers.default.domains]\n"a.example" = { relay = true }\n"b.example".relay = true\n',
    "servers.default.domains.\"a.example\".relay = true\nservers.default.domains.'b.example'.relay = true\n",
    '[servers.default]\ndomains."a.example" . relay = true # x\ndomains."b.example".relay = true\n',
    '[ servers . default . "domains" . "a.example" ]\nrelay = true\n'
    '[servers.default.domains."b.example"]\nrelay = true',
    'servers = { default = { domains = { "a.example" = { relay = true }, "b.example" = { relay = true } } } }\n',
]


@pytest.mark.parametrize("text", FORMS)
def test_every_edit_works_on_every_form_of_table(text: str) -> None:
    added = domains(edits(text).add("c.example", ["type=alias"]))
    assert sorted(added) == ["a.example", "b.example", "box.example", "c.example"]
    assert sorted(domains(edits(text).rename("a.example", "z.example"))) == ["b.example", "box.example", "z.example"]
    assert sorted(domains(edits(text).remove("a.example"))) == ["b.example", "box.example"]
    assert domains(edits(text).set("b.example", ["relay=false"]))["b.example"] == Domain()
