"""Sheets are made from the declarations: every option is on exactly one, and what is typed becomes what is written."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroot.admin.console.forms import Control, changes, field
from mailroot.admin.console.layout import place, sheets, tabs
from mailroot.admin.console.sheet import Filling, Sheet, context, filled
from mailroot.settings.declared import declared, key_parts, key_text, sections
from mailroot.settings.spelling import duration_text, size_text


def field_of(key: str):
    return field(declared()[tuple(key.split("."))], tuple(key.replace("*", "default").split(".")))


def test_every_option_stands_on_exactly_one_sheet():
    shown = [one.parts for groups in sheets().values() for group in groups for one in group.options]
    assert sorted(shown) == sorted(declared())
    assert len(shown) == len(set(shown))


def test_every_table_has_its_place_on_a_sheet_whose_names_fill_its_keys():
    names = {"service": 0, "server": 1, "domain": 2, "names": 2, "pace": 2, "collect": 2, "dkim": 3}
    for table in sections():
        if table and any(parts[:-1] == table for parts in declared()):
            assert table.count("*") == names[place(table)[0]], table


def test_the_sheet_of_a_virtual_server_has_the_tabs_of_the_predecessor():
    assert tabs(sheets()["server"]) == ("General", "Access", "Messages", "Delivery", "LDAP Routing")
    sheet = Sheet("server", ("default",), "Properties", "/p", "/", security="Operators")
    shown = context(sheet, Filling(1, {}, {}), locked=False)["tabs"]
    assert [tab["name"] for tab in shown] == ["General", "Access", "Messages", "Delivery", "LDAP Routing", "Security"]


def test_no_two_fields_of_a_group_have_one_label():
    for groups in sheets().values():
        for group in groups:
            labels = [field(one, one.parts).label for one in group.options]
            assert len(labels) == len(set(labels)), (group.heading, labels)


@pytest.mark.parametrize("found", declared().values(), ids=lambda found: found.key)
def test_what_stands_in_a_field_is_read_back_as_the_same_value(found):
    one = field(found, found.parts)
    written = found.text(found.default)
    typed = one.typed(written)
    form = {one.key: typed.text, f"{one.key}:unit": typed.unit}
    was = {one.key: written}
    assert changes([one], form, was) == ({}, {})
    assert one.default and one.label and one.needs


@given(st.integers(1, 9999 * 86400))
def test_any_duration_survives_its_field(seconds):
    one = field_of("servers.*.general.connection_timeout")
    written = duration_text(timedelta(seconds=seconds))
    typed = one.typed(written)
    assert one.value({one.key: typed.text, f"{one.key}:unit": typed.unit}) == written


@given(st.integers(0, 10**14))
def test_any_size_survives_its_field(octets):
    one = field_of("servers.*.messages.size_limit")
    written = size_text(octets)
    typed = one.typed(written)
    assert one.value({one.key: typed.text, f"{one.key}:unit": typed.unit}) == written


@given(st.dictionaries(st.sampled_from(["", ":unit", ":remove"]), st.text()))
def test_whatever_is_typed_is_a_value_or_a_sentence(typed):
    for found in declared().values():
        one = field(found, found.parts)
        form = {f"{one.key}{ending}": text for ending, text in typed.items()}
        changed, wrong = changes([one], form, {one.key: found.text(found.default)})
        assert all(isinstance(sentence, str) and sentence for sentence in wrong.values())
        for value in changed.values():
            found.spelling.parse(value)


def test_units_that_mean_the_same_are_no_change():
    one = field_of("servers.*.general.connection_timeout")
    assert changes([one], {one.key: "60", f"{one.key}:unit": "m"}, {one.key: "1h"}) == ({}, {})
    assert changes([one], {one.key: "61", f"{one.key}:unit": "m"}, {one.key: "1h"}) == ({one.key: "61m"}, {})


def test_a_secret_stays_unless_another_is_typed_or_it_is_removed():
    one = field_of("servers.*.delivery.security.password")
    assert one.control is Control.SECRET
    assert changes([one], {one.key: ""}, {one.key: "***"}) == ({}, {})
    assert changes([one], {one.key: "new"}, {one.key: "***"}) == ({one.key: "new"}, {})
    assert changes([one], {one.key: "", f"{one.key}:remove": "on"}, {one.key: "***"}) == ({one.key: ""}, {})
    assert one.typed("***").text == "" and one.typed("***").secret_set
    assert "***" not in one.shown("***") and one.shown("secret") == "set"


def test_a_list_has_one_item_a_line():
    one = field_of("servers.*.access.relay.list")
    assert one.control is Control.LIST
    changed, wrong = changes([one], {one.key: "192.0.2.1\r\n\r\n 10.0.0.0/8 \r\n"}, {one.key: []})
    assert (changed, wrong) == ({one.key: ["192.0.2.1", "10.0.0.0/8"]}, {})


def test_what_is_wrong_is_said_by_the_option_itself():
    one = field_of("servers.*.delivery.port")
    assert changes([one], {one.key: "70000"}, {one.key: 25})[1] == {one.key: "a number from 1 to 65535 is wanted"}


def test_a_number_that_is_none_is_told_its_bounds():
    with pytest.raises(ValueError, match="a whole number from 0 to 2000000000 is wanted"):
        limit = field_of("servers.*.general.connection_limit")
        limit.value({limit.key: "-5"})


def test_a_box_that_is_not_sent_is_not_checked():
    one = field_of("servers.*.access.anonymous")
    assert changes([one], {}, {one.key: True}) == ({one.key: False}, {})


def test_a_problem_of_the_service_stands_beside_its_field_and_in_the_summary():
    sheet = Sheet("server", ("default",), "Properties", "/p", "/")
    key = "servers.default.general.bindings"
    rows = [{"path": key, "wrong": "this is bound", "mend": "take another"}, {"path": "", "wrong": "x", "mend": ""}]
    shown = context(sheet, Filling(1, {key: []}, {}, problems=rows), locked=False)
    entries = [one for tab in shown["tabs"] for group in tab["groups"] for one in group["entries"]]
    faulty = [(one["field"].key, one["wrong"]) for one in entries if one["wrong"]]
    assert faulty == [(key, "this is bound; take another")]
    assert [(one["path"], bool(one["id"])) for one in shown["problems"]] == [(key, True), ("", False)]


def test_names_of_users_stand_in_the_keys_of_their_options():
    parts = filled(("servers", "*", "domains", "*", "relay"), ("default", "*.example.com"))
    assert key_parts(key_text(parts)) == ("servers", "default", "domains", "*.example.com", "relay")
