"""Search filters of RFC 4515 as templates."""

import pytest

from mailroot.settings.filters import (
    RECIPIENT_FILTER,
    Compared,
    Extensible,
    Group,
    Present,
    Substrings,
    Value,
    parse_filter,
)

KNOWN = frozenset({"address"})
ADDRESS = Value((b"", b""), ("address",))


def root(text: str):  # type: ignore[no-untyped-def]
    return parse_filter(text, KNOWN).root


def test_the_forms_of_the_standard() -> None:
    assert root("(mail={address})") == Compared("=", "mail", ADDRESS)
    assert root("(p=smtp:{address})") == Compared("=", "p", Value((b"smtp:", b""), ("address",)))
    found = root("(&(objectClass=*)(!(a>=5))(|(mail={address})(b~=c)(d<=e)))")
    assert found == Group(
        "&",
        (
            Present("objectClass"),
            Group("!", (Compared(">=", "a", Value((b"5",))),)),
            Group(
                "|",
                (
                    Compared("=", "mail", ADDRESS),
                    Compared("~=", "b", Value((b"c",))),
                    Compared("<=", "d", Value((b"e",))),
                ),
            ),
        ),
    )
    assert root("(mail=a*b**{address})") == Substrings("mail", (Value((b"a",)), Value((b"b",)), ADDRESS))
    rule = "1.2.840.113556.1.4.803"
    assert root(f"(|(u:{rule}:=2)(mail={{address}}))").inner[0] == Extensible(rule, "u", Value((b"2",)), False)
    assert root("(|(ou:dn:=x)(mail={address}))").inner[0] == Extensible("", "ou", Value((b"x",)), True)


def test_escaped_octets_are_octets() -> None:
    assert root(r"(|(a=\2a\28\5c\e4)(mail={address}))").inner[0] == Compared("=", "a", Value((b"*(\\\xe4",)))


def test_a_filter_is_written_as_it_was() -> None:
    text = "(|(mail={address})(cn={local}))"
    assert RECIPIENT_FILTER.text(RECIPIENT_FILTER.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mail={address}",
        "(mail={address}",
        "(mail={address}))",
        "(mail={address})(a=b)",
        "(&)",
        "(!(mail={address})(a=b))",
        "(={address})",
        "(a b={address})",
        r"(mail=\2{address})",
        r"(mail=\zz{address})",
        "(mail=x)",
        "(mail={user})",
        "(:={address})",
        "(" * 40 + "mail={address}" + ")" * 40,
        "(!" * 30 + "(mail={address})" + ")" * 30,
    ],
)
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"filter|wanted|digits"):
        parse_filter(text, KNOWN)
