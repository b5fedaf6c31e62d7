"""A demand for what is not built is refused by name, never ignored."""

import pytest

from mailroot.settings.change import Facts, parse
from mailroot.settings.problem import Problems
from mailroot.settings.service import Settings

FACTS = Facts(folder="/etc/mailroot", host="box.example")


@pytest.mark.parametrize(
    "line",
    [
        "service.queue = 'postgresql://db'",
    ],
)
def test_a_promise_that_cannot_be_kept_is_a_problem(line: str) -> None:
    loaded = parse(line, FACTS)
    assert isinstance(loaded, Problems)
    problem = loaded.problems[0]
    assert problem.path == line.split(" =", maxsplit=1)[0].replace("'", '"')
    assert "not built yet" in problem.wrong
    assert problem.mend


@pytest.mark.parametrize("line", ["access.tls = 'off'", "access.tls = 'offer'", "delivery.security.tls = 'off'"])
def test_what_promises_nothing_is_taken(line: str) -> None:
    assert isinstance(parse(f"servers.default.{line}", FACTS), Settings)
