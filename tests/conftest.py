"""What every test may ask for."""

import os
import shutil
from collections.abc import Callable

import pytest


@pytest.fixture
def program() -> Callable[[str], str]:
    """Return a function that finds a program on the path: missing, it skips the test, or fails it in CI."""

    def find(name: str) -> str:
        path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if path is None:
            outcome = pytest.fail if os.environ.get("CI") else pytest.skip
            outcome(f"{name} is not installed (tools/install-debian installs it)")
        return path

    return find
