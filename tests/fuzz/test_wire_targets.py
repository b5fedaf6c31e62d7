"""The fuzz targets, driven by Hypothesis in every run and by atheris where it is installed."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

_PIECES = [
    b"<",
    b">",
    b"@",
    b'"',
    b"\\",
    b":",
    b",",
    b".",
    b"a",
    b"[",
    b"]",
    b"IPv6:",
    b"::1",
    b" ",
    b"+",
    b"=",
    b"\n\n",
    b"NTLMSSP\0\3\0\0\0",
    b"FROM:",
    b"TO:",
    b"Bcc: ",
    b"Content-Type: multipart/x; boundary=b\r\n",
    b"\r\n",
    b"\r\n--b",
    b"\x30\x05",
    b"\x04\x03",
    b"(|(mail={address})",
    b"(!(a=*))",
    b")",
]
OCTETS = st.lists(st.sampled_from(_PIECES) | st.binary(max_size=3), max_size=30).map(b"".join)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@settings(max_examples=300, deadline=None)
@given(octets=OCTETS)
def test_target_holds(target: Callable[[bytes], None], octets: bytes) -> None:
    target(octets)


@pytest.mark.parametrize("name", TARGETS)
def test_target_holds_under_coverage_guidance(name: str) -> None:
    pytest.importorskip("atheris")
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'src'}"}
    command = [sys.executable, "-m", "tests.fuzz.run", name, "-max_total_time=10"]
    subprocess.run(command, cwd=root, env=environment, check=True, timeout=60, capture_output=True)
