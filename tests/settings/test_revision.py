"""Revisions: what is kept of them, whose newer change is not undone, and the way back."""

import json
from datetime import UTC, datetime

import pytest

from mailroot.mail.by import By
from mailroot.mail.faults import Conflict
from mailroot.settings.change import Facts, difference, parse
from mailroot.settings.problem import Problems
from mailroot.settings.revision import Revision, demand_unchanged, revision_from, without

AT = datetime(2026, 11, 28, 12, 30, 5, tzinfo=UTC)
BASE = """\
[servers.default]
home = "Mailroot" # here

[servers.default.domains."local.test"]
type = "default"
"""
LIMITED = BASE + '\n[servers.default.messages]\nsize_limit = "3MB"\n'
WITH_DOMAIN = BASE + '\n[servers.default.domains."New.Example"]\nrelay = true\n'
WITH_SERVER = BASE + '\n[servers.two]\nhome = "Two"\ngeneral.bindings = ["127.0.0.1:2526"]\n'


def made(number: int, before: str, after: str, name: str = "ann") -> Revision:
    facts = Facts(folder="/srv", host="box.test")
    old, new = parse(before, facts), parse(after, facts)
    assert not isinstance(old, Problems), old
    assert not isinstance(new, Problems), new
    return Revision(number, AT, By(name, "rest", "192.0.2.1"), "settings.change", tuple(difference(old, new)), after)


def test_a_revision_is_kept_whole() -> None:
    revision = made(7, BASE, WITH_SERVER)
    assert revision_from(json.loads(json.dumps(revision.as_kept()))) == revision
    assert revision.row == {
        "revision": 7,
        "at": "2026-11-28T12:30:05+00:00",
        "by": "ann",
        "face": "rest",
        "address": "192.0.2.1",
        "operation": "settings.change",
        "changed": ["servers.two"],
    }


@pytest.mark.parametrize(
    "path",
    ["servers.default.messages.size_limit", "servers.default.messages", "servers.default"],
)
def test_a_newer_change_of_the_same_is_told_with_its_author_and_time(path: str) -> None:
    newer = [made(8, BASE, LIMITED)]
    with pytest.raises(Conflict) as refused:
        demand_unchanged([path], newer)
    said = str(refused.value)
    assert 'servers.default.messages.size_limit: "2MB" became "3MB"' in said or "2048KB" in said
    assert "in revision 8, by ann at 2026-11-28 12:30:05 UTC" in said


def test_a_newer_change_of_something_else_is_none() -> None:
    demand_unchanged(["servers.default.messages.session_limit", "service.workers"], [made(8, BASE, LIMITED)])


@pytest.mark.parametrize("changed", [LIMITED, WITH_DOMAIN, WITH_SERVER])
def test_the_newest_revision_is_undone_to_the_octet(changed: str) -> None:
    assert without(changed, made(2, BASE, changed), BASE) == BASE


@pytest.mark.parametrize("changed", [LIMITED, WITH_DOMAIN, WITH_SERVER])
def test_an_older_one_is_undone_and_what_came_later_stays(changed: str) -> None:
    later = changed.replace("# here", "# there") + "\n[service]\nworkers = 3\n"
    undone = without(later, made(2, BASE, changed), BASE)
    facts = Facts(folder="/srv", host="box.test")
    wanted = parse(BASE + "\n[service]\nworkers = 3\n", facts)
    assert parse(undone, facts) == wanted
    assert "# there" in undone


@pytest.mark.parametrize("removed", [LIMITED, WITH_DOMAIN, WITH_SERVER])
def test_what_was_taken_away_comes_back(removed: str) -> None:
    facts = Facts(folder="/srv", host="box.test")
    undone = without(BASE + "\n[service]\nworkers = 3\n", made(2, removed, BASE), removed)
    assert parse(undone, facts) == parse(removed + "\n[service]\nworkers = 3\n", facts)
