"""Questions as searches: whatever an address holds stays a value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroot.mail.address import Mailbox
from mailroot.routing.directory.questions import ByAccount, ByAddress, ByName, encoded, search_of
from mailroot.routing.directory.schemas import SCHEMAS
from mailroot.settings.filters import ACCOUNT_FILTER, RECIPIENT_FILTER, parse_filter
from mailroot.settings.ldap import LdapSchema
from mailroot.wire.ldap.ber import Reader
from mailroot.wire.ldap.messages import Scope

AD = SCHEMAS[LdapSchema.ACTIVE_DIRECTORY]
HOSTILE = ["*", "a*", "*)(uid=*", "x)(|(objectClass=*", "\\2a", "\0", "cn=x,dc=evil", "a)(!(mail=b"]


def values_of(encoded_filter: bytes) -> list[tuple[bytes, bytes]]:
    """Attribute and value of every comparison of an "or"."""
    inner = Reader(encoded_filter).inner(0xA1)
    found = []
    while inner.more:
        item = inner.inner(0xA3)
        found.append((item.octets(), item.octets()))
        assert not item.more
    return found


@pytest.mark.parametrize("local", HOSTILE)
def test_an_address_is_a_value_whatever_is_in_it(local: str) -> None:
    address = f"{local}@example.test".encode()
    asked = search_of(ByAddress((Mailbox(local, "example.test"),)), AD, "dc=x", 10)
    assert values_of(asked.filter) == [(b"mail", address), (b"proxyAddresses", b"smtp:" + address)]
    assert (asked.base, asked.scope, asked.size_limit) == ("dc=x", Scope.SUBTREE, 5)


@given(st.text(max_size=50))
def test_no_text_ever_makes_another_filter(text: str) -> None:
    plain = encoded(
        RECIPIENT_FILTER.parse("(|(mail={address})(cn={local}))").root,
        dict.fromkeys(("address", "local"), text.encode("utf-8", "surrogatepass")),
    )
    assert [name for name, _ in values_of(plain)] == [b"mail", b"cn"]


@pytest.mark.parametrize("user", HOSTILE)
def test_N02_a_user_name_is_a_value_too_and_never_a_name_of_an_entry(user: str) -> None:
    found = encoded(ACCOUNT_FILTER.parse("(|(uid={user})(mail={user}))").root, {"user": user.encode()})
    assert values_of(found) == [(b"uid", user.encode()), (b"mail", user.encode())]
    assert search_of(ByAccount(user), AD, "dc=x", 1).base == "dc=x"


def test_a_name_is_looked_at_itself() -> None:
    asked = search_of(ByName("cn=a,dc=x"), AD, "dc=y", 10)
    assert (asked.base, asked.scope) == ("cn=a,dc=x", Scope.BASE)


def test_all_forms_are_encoded() -> None:
    text = r"(&(a=*)(!(b>=1))(c<=2)(d~=3)(e=x*y*)(f:dn:1.2.3:=4)(mail={address}))"
    found = Reader(encoded(parse_filter(text, frozenset({"address"})).root, {"address": b"q"})).inner(0xA0)
    tags = []
    while found.more:
        tags.append(found.tag)
        found.skip()
    assert tags == [0x87, 0xA2, 0xA6, 0xA8, 0xA4, 0xA9, 0xA3]
