"""The repository stands alone: no vague names, no machine's paths, no package index, nothing left to do."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VAGUE = {"utils", "util", "common", "helpers", "helper", "base", "manager", "handler", "types", "misc", "info"}
# Written in two halves, so that this file does not find itself.
FORBIDDEN = {
    "a package index": "py"
    + r"pi\.org|python"
    + r"hosted|(?<!emit-)index"
    + "-url|registry"
    + r"\.npmjs|deb\."
    + "debian",
    "a path of one machine": "/wo" + r"rk/|/ro" + r"ot/|/ho" + r"me/[a-z]+/|/o" + "pt/",
    "unfinished work": r"\b(TO" + "DO|FIX" + r"ME|X" + r"XX)\b",
}


def tracked_files() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False, text=True)
    if listing.returncode:
        pytest.skip("not a git repository: a released archive was checked before it was made")
    return [path for name in listing.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def finding(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text)
    return match and f"{text.count(chr(10), 0, match.start()) + 1}: {match.group()}"


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_tracked_file_holds(what):
    found = []
    for path in tracked_files():
        line = finding(FORBIDDEN[what], path.read_bytes().decode("utf-8", "replace"))
        if line:
            found.append(f"{path.relative_to(ROOT)}:{line}")
    assert found == []


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a package index", "--extra-index" + "-url x"),
        ("a path of one machine", "see /wo" + "rk/place"),
        ("unfinished work", "# TO" + "DO: more"),
    ],
)
def test_forbidden_text_is_seen(what, text):
    assert finding(FORBIDDEN[what], f"first line\n{text}").startswith("2: ")


def test_no_module_has_a_vague_name():
    vague = [path for path in (ROOT / "src").rglob("*") if path.stem in VAGUE and path.suffix in ("", ".py")]
    assert vague == []


def requirement_name(requirement: str) -> str:
    return re.match(r"[A-Za-z0-9._-]+", requirement).group().lower().replace("_", "-")


def pinned(file: str) -> dict[str, str]:
    text = (ROOT / "requirements" / file).read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", text, re.MULTILINE))


def test_every_requirement_is_pinned_and_hashed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    run, develop = pinned("run.txt"), pinned("develop.txt")
    assert {requirement_name(name) for name in project["project"]["dependencies"]} <= run.keys()
    assert {requirement_name(name) for name in project["dependency-groups"]["develop"]} <= develop.keys()
    for file in ("run.txt", "develop.txt"):
        blocks = re.split(r"^(?=\S)", (ROOT / "requirements" / file).read_text(), flags=re.MULTILINE)
        assert all("--hash=sha256:" in block for block in blocks if "==" in block)


def test_tests_run_on_the_releases_that_users_get():
    run, develop = pinned("run.txt"), pinned("develop.txt")
    assert {name: develop.get(name) for name in run} == run
