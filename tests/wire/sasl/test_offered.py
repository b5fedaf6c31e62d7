"""Which mechanisms are offered to a client, and which are used with a server."""

from dataclasses import replace

import pytest

from mailroot.wire.sasl.client import CLIENT_MECHANISMS, Means, Way, choose
from mailroot.wire.sasl.server import MECHANISMS, Kind, Need, Terms, offered

ALL = Terms(True, True, True, True, True, frozenset(Need))


def test_everything_is_offered_where_everything_is_there():
    assert list(offered(ALL)) == list(dict.fromkeys(row.name for row in MECHANISMS))


def test_no_password_mechanism_is_offered_in_clear_where_tls_is_asked_for():
    terms = replace(ALL, tls=False, binding=False)
    assert all(row.kind is Kind.INTEGRATED for row in offered(terms).values())
    assert "PLAIN" in offered(replace(terms, basic_requires_tls=False))


@pytest.mark.parametrize("kind", Kind)
def test_a_kind_that_is_off_is_not_offered(kind):
    rows = offered(replace(ALL, **{kind.value: False})).values()
    assert all(row.kind is not kind for row in rows)


@pytest.mark.parametrize("need", Need)
def test_what_the_accounts_cannot_answer_is_not_offered(need):
    rows = offered(replace(ALL, answers=frozenset(Need) - {need})).values()
    assert all(row.needs is not need for row in rows)


@pytest.mark.parametrize(
    ("offered", "means", "name"),
    [
        ("LOGIN plain X-OTHER", Means(Way.BASIC, reveal=True), "PLAIN"),
        ("LOGIN", Means(Way.BASIC, reveal=True), "LOGIN"),
        ("PLAIN CRAM-MD5", Means(Way.BASIC, reveal=True), "CRAM-MD5"),
        ("PLAIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS", Means(Way.BASIC, True, binding=True), "SCRAM-SHA-256-PLUS"),
        ("PLAIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS", Means(Way.BASIC, True), "SCRAM-SHA-256"),
        ("NTLM GSSAPI LOGIN", Means(Way.INTEGRATED, False, context=True), "GSSAPI"),
        ("NTLM GSSAPI LOGIN", Means(Way.INTEGRATED, False), "NTLM"),
        ("XOAUTH2 OAUTHBEARER LOGIN", Means(Way.OAUTH2, True), "OAUTHBEARER"),
        ("XOAUTH2 LOGIN", Means(Way.OAUTH2, True), "XOAUTH2"),
    ],
)
def test_the_strongest_mechanism_is_chosen(offered, means, name):
    assert choose(offered.split(), means).name == name


@pytest.mark.parametrize(
    ("offered", "means"),
    [
        ("X-OTHER", Means(Way.BASIC, True)),
        ("", Means(Way.BASIC, True)),
        ("GSSAPI", Means(Way.INTEGRATED, True)),
        ("SCRAM-SHA-256-PLUS", Means(Way.BASIC, True)),
        ("XOAUTH2", Means(Way.OAUTH2, False)),
    ],
)
def test_there_may_be_no_mechanism(offered, means):
    assert choose(offered.split(), means) is None


def test_samba_decides_ntlm_where_the_accounts_have_no_hashes():
    rows = offered(replace(ALL, answers=frozenset({Need.NT_CONTEXT, Need.CONTEXT})))
    assert list(rows) == ["GSSAPI", "GSS-SPNEGO", "NTLM"]
    assert rows["NTLM"].needs is Need.NT_CONTEXT
    assert offered(ALL)["NTLM"].needs is Need.NT


def test_a_password_is_not_shown_on_a_clear_connection():
    assert choose(["PLAIN", "LOGIN"], Means(Way.BASIC, reveal=False)) is None


@pytest.mark.parametrize("way", Way)
def test_a_way_uses_its_own_mechanisms_only(way):
    names = [row.name for row in CLIENT_MECHANISMS]
    chosen = choose(names, Means(way, True, True, True))
    assert chosen is None or chosen.way is way
