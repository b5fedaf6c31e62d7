"""What stands in entries is read, whatever it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroot.routing.directory.entry import read_entry
from mailroot.routing.directory.schemas import SCHEMAS, schema_of
from mailroot.settings.ldap import CustomSchema, LdapRouting, LdapSchema

AD = SCHEMAS[LdapSchema.ACTIVE_DIRECTORY]


def test_a_user_of_active_directory() -> None:
    entry = read_entry(
        "cn=a",
        {
            "objectclass": (b"top", b"person", b"user"),
            "mail": (b"ann@example.test",),
            "proxyaddresses": (b"SMTP:ann@example.test", b"smtp:a.smith@example.test", b"X400:c=us;p=x", b"sip:ann@x"),
            "useraccountcontrol": (b"512",),
        },
        AD,
    )
    assert str(entry.mailbox) == "ann@example.test"
    assert entry.keys == {"ann@example.test", "a.smith@example.test"}
    assert (entry.group, entry.disabled, entry.odd) == (False, False, ())


def test_without_mail_the_main_proxy_counts() -> None:
    values = {"proxyaddresses": (b"smtp:second@example.test", b"SMTP:main@example.test")}
    assert str(read_entry("cn=a", values, AD).mailbox) == "main@example.test"


@pytest.mark.parametrize(("number", "disabled"), [(b"512", False), (b"514", True), (b"66050", True), (b"x", False)])
def test_disabled_is_a_bit(number: bytes, disabled: bool) -> None:
    assert read_entry("cn=a", {"useraccountcontrol": (number,)}, AD).disabled is disabled


def test_a_group_and_a_contact_that_is_elsewhere() -> None:
    values = {"objectclass": (b"top", b"Group"), "member": (b"cn=a", b"cn=b")}
    entry = read_entry("cn=g", values, AD)
    assert (entry.group, entry.members) == (True, ("cn=a", "cn=b"))
    contact = read_entry("cn=c", {"targetaddress": (b"SMTP:c@elsewhere.test",)}, AD)
    assert [str(one) for one in contact.forward] == ["c@elsewhere.test"]


@pytest.mark.parametrize(
    "value",
    [
        b"a@x.test\r\nBcc: eve@x.test",
        b"a@x.test>\r\nRCPT TO:<eve@x.test",
        b"a" * 1_000_000,
        b"no address",
        b"a@",
        b"@x.test",
        b"a@b@x.test",
        b"\xff\xfe@x.test",
        b"a@x.test, b@x.test",
        b"<a@x.test>",
        b"a\x00@x.test",
        b"",
        b" a@x.test",
    ],
)
def test_N05_what_is_no_address_is_left_out_and_told(value: bytes) -> None:
    entry = read_entry("cn=a", {"mail": (value, b"good@x.test")}, AD)
    assert str(entry.mailbox) == "good@x.test"
    assert entry.keys == {"good@x.test"}
    (told,) = entry.odd
    assert len(told) < 120
    assert told.isprintable()


@given(st.dictionaries(st.sampled_from(AD.attributes), st.lists(st.binary(max_size=40), max_size=4).map(tuple)))
def test_nothing_is_ever_raised(values: dict[str, tuple[bytes, ...]]) -> None:
    for schema in (*SCHEMAS.values(), schema_of(LdapRouting(schema=LdapSchema.CUSTOM))):
        read_entry("cn=a", values, schema)


def test_a_schema_of_ones_own() -> None:
    made = CustomSchema(
        mail=("mailPrimary",),
        group_classes=("List",),
        member_addresses=("Subscriber",),
        disabled_attribute="status",
        disabled_values=("Off",),
    )
    schema = schema_of(LdapRouting(schema=LdapSchema.CUSTOM, custom=made))
    assert {"mailprimary", "subscriber", "status"} <= set(schema.attributes)
    entry = read_entry(
        "cn=l",
        {
            "objectclass": (b"LIST",),
            "mailprimary": (b"l@x.test",),
            "subscriber": (b"a@x.test", b"b@x.test"),
            "status": (b"off",),
        },
        schema,
    )
    assert (entry.group, len(entry.member_addresses), entry.disabled) == (True, 2, True)
