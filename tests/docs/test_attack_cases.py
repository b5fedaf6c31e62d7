"""Every attack case has a test or a reason, and `docs/attack-cases.md` shows them. Run as a program, this writes it.

A test belongs to a case by the case's id in its name (`test_A01_...`, `test_S02_S03_...`) or at the beginning of the id
of one of its parameters ("A01_lf_dot_lf").
"""

import ast
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "attack-cases.md"
MARK = "<!-- derived from tests/attack_cases.toml -->\n"
AREAS: dict[str, dict[str, dict[str, str]]] = tomllib.loads((TESTS / "attack_cases.toml").read_text())
CASES = {ident: case for cases in AREAS.values() for ident, case in cases.items()}
NEEDED = {"tested": set(), "open": {"needs"}, "differs": {"why"}}

_IN_NAME = re.compile(r"(?<=_)[A-Z]\d{2}(?=_|$)")
_PARAMETER = re.compile(r"([A-Z]\d{2})(?:[_-]\w|$)")


def named_in(source: str) -> set[str]:
    """The ids of cases that the tests of one file name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            found.update(_IN_NAME.findall(node.name))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            match = _PARAMETER.match(node.value)
            found.update(match.groups() if match else ())
    return found


def files_by_case() -> dict[str, list[str]]:
    """The files that test each case."""
    found: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for ident in named_in(path.read_text()) if path != Path(__file__) else ():
            found.setdefault(ident, []).append(str(path.relative_to(TESTS)))
    return found


def page() -> str:
    """The derived part of the page."""
    counts = Counter(case["state"] for case in CASES.values())
    lines = [f"{len(CASES)} cases: " + ", ".join(f"{counts[state]} {state}" for state in NEEDED if counts[state]) + "."]
    for area, cases in AREAS.items():
        lines += ["", f"## {area}", "", "| case | what is sent | what is right | state |", "|---|---|---|---|"]
        lines += [f"| {ident} | {case['sent']} | {case['right']} | {_state(case)} |" for ident, case in cases.items()]
    return "\n".join(lines) + "\n"


def _state(case: dict[str, str]) -> str:
    said = {"tested": "tested", "open": f"open: {case.get('needs')}", "differs": f"differs: {case.get('why')}"}
    note = case.get("note")
    return said[case["state"]] + (f". {note}" if note else "")


def test_every_tested_case_has_a_test() -> None:
    tested = {ident for ident, case in CASES.items() if case["state"] == "tested"}
    assert sorted(tested - files_by_case().keys()) == []


def test_no_test_names_a_case_that_does_not_exist_or_is_open() -> None:
    known = {ident for ident, case in CASES.items() if case["state"] != "open"}
    assert {ident: files for ident, files in files_by_case().items() if ident not in known} == {}


def test_each_case_says_what_is_sent_what_is_right_and_why_it_is_not_tested() -> None:
    for ident, case in CASES.items():
        assert NEEDED[case["state"]] == case.keys() - {"sent", "right", "state", "note"}, ident
        assert all(case.values()), ident
        assert not any("|" in text for text in case.values()), ident


def test_the_page_is_current() -> None:
    assert PAGE.read_text().partition(MARK)[2] == page(), "run python tests/docs/test_attack_cases.py"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def test_A01_x(): ...", {"A01"}),
        ("async def test_S02_S03_x(): ...", {"S02", "S03"}),
        ('ids = ["A01_near", "F04", "F11-small", "A 01", "x_A01", "A011"]', {"A01", "F04", "F11"}),
        ("def helper_A01_x(): ...", set()),
    ],
)
def test_ids_are_found_in_names_of_tests_and_parameters(source: str, found: set[str]) -> None:
    assert named_in(source) == found


if __name__ == "__main__":
    words = PAGE.read_text().partition(MARK)[0] if PAGE.exists() else ""
    PAGE.write_text(words + MARK + page())
