"""The size budget holds, and its script sees each kind of breach."""

import pytest

from tools import budget


def faults(source: str) -> list[str]:
    return [breach.fault for breach in budget.breaches(source, "module.py")]


def function(body: str, parameters: str = "") -> str:
    return f'"""A module."""\n\n\ndef work({parameters}):\n{body}'


def test_the_repository_keeps_the_budget():
    assert [str(breach) for breach in budget.repository_breaches()] == []


def test_a_module_without_docstring_is_a_breach():
    assert faults("x = 1\n") == ["the module has no docstring"]


def test_an_empty_module_needs_no_docstring():
    assert faults("") == []


def test_a_module_of_401_lines_is_a_breach():
    assert faults('"""A module."""\n' + "x = 1\n" * 399) == []
    assert faults('"""A module."""\n' + "x = 1\n" * 400) == ["the module has 401 of 400 lines"]


def test_a_function_of_41_lines_is_a_breach_and_its_docstring_is_free():
    assert faults(function('    """Say\n\n    more.\n    """\n' + "    x = 1\n" * 39)) == []
    assert faults(function("    x = 1\n" * 40)) == ["work has 41 of 40 lines"]


@pytest.mark.parametrize("parameters", ["a, b, c, d, e, f", "self, a, b, c, *, d, e, f"])
def test_six_parameters_besides_self_are_within_the_budget(parameters):
    assert faults(function("    pass\n", parameters)) == []


@pytest.mark.parametrize("parameters", ["a, b, c, d, e, f, g", "a, b, c, /, d, *e, f, **g"])
def test_seven_parameters_are_a_breach(parameters):
    assert faults(function("    pass\n", parameters)) == ["work takes 7 of 6 parameters"]


def test_four_levels_are_a_breach():
    deep = "    for a in b:\n        with c:\n            if d:\n                e()\n"
    assert faults(function(deep)) == []
    deeper = deep.replace("                e()", "                while e:\n                    f()")
    assert faults(function(deeper)) == ["work nests 4 of 3 levels"]


def test_depth_is_seen_in_else_except_finally_and_case():
    inner = "        if a:\n            if b:\n                if c:\n                    d()\n"
    openings = [
        "    if x:\n        pass\n    else:\n",
        "    try:\n        x()\n    except E:\n",
        "    try:\n        x()\n    finally:\n",
    ]
    for opening in openings:
        assert faults(function(opening + inner)) == ["work nests 4 of 3 levels"]
    case = "    match x:\n        case 1:\n" + inner.replace("        ", "            ", 1).replace(
        "\n", "\n    "
    ).rstrip(" ")
    assert faults(function(case)) == ["work nests 4 of 3 levels"]


def test_elif_does_not_nest():
    chain = "    if a:\n        pass\n" + "    elif b:\n        pass\n" * 5
    assert faults(function(chain)) == []


def test_a_breach_names_file_line_and_mend():
    (breach,) = budget.breaches(function("    pass\n", "a, b, c, d, e, f, g"), "src/place.py")
    assert str(breach) == "src/place.py:4: work takes 7 of 6 parameters; group them into a value"
