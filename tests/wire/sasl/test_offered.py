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


def test_the_strongest_mechanism_is_chosen():
    means = Means(Way.BASIC, reveal=True)
    assert choose(["LOGIN", "plain", "X-OTHER"], means).name == "PLAIN"
    assert choose(["LOGIN"], means).name == "LOGIN"
    assert choose(["X-OTHER"], means) is None


def test_a_password_is_not_shown_on_a_clear_connection():
    assert choose(["PLAIN", "LOGIN"], Means(Way.BASIC, reveal=False)) is None


@pytest.mark.parametrize("way", Way)
def test_a_way_uses_its_own_mechanisms_only(way):
    names = [row.name for row in CLIENT_MECHANISMS]
    chosen = choose(names, Means(way, True, True, True))
    assert chosen is None or chosen.way is way
