"""One service and one browser for the tests of a module: to start them takes longer than most tests."""

from collections.abc import Callable, Iterator

import pytest

from tests.admin.pages.console import Console, started


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory, program_anywhere: Callable[[str], str]) -> Iterator[Console]:
    """A service that runs, with an administrator and somebody who may only look, and a browser."""
    with started(tmp_path_factory.mktemp("console"), program_anywhere, ("admin", "looker:viewer")) as made:
        yield made
