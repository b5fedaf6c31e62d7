"""What every test may ask for."""

import os
import shutil
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings

# No test may depend on the speed of the machine.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture
def program(program_anywhere: Callable[[str], str]) -> Callable[[str], str]:
    """Return a function that finds a program on the path: missing, it skips the test, or fails it in CI."""
    return program_anywhere


@pytest.fixture(scope="session")
def program_anywhere() -> Callable[[str], str]:
    """Return the same for what lasts longer than a test."""

    def find(name: str) -> str:
        path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if path is None:
            outcome = pytest.fail if os.environ.get("CI") else pytest.skip
            outcome(f"{name} is not installed (tools/install-debian installs it)")
        return path

    return find
