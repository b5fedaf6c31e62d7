#!/usr/bin/env python3
"""Pin what pyproject.toml asks for: writes requirements/run.txt and requirements/develop.txt.

Needs pip-tools in the Python that runs it: the oldest one that is supported, since some releases ask for a later one.
Every wheel of a release is hashed as the public index serves it, so the files install on each platform; the machine's
own pip settings are set aside, so that no other index leaks in.
"""

import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = "# Written by tools/pin.py from pyproject.toml; not edited by hand.\n"
OPTIONS = (
    "--generate-hashes --allow-unsafe --strip-extras --no-annotate --no-header --no-config --quiet"
    " --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options"
).split()


def wanted() -> dict[str, list[str]]:
    """Return the requirements of each pinned file; development stands on what runs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    run = project["project"]["dependencies"]
    return {"run": run, "develop": run + project["dependency-groups"]["develop"]}


def neutral_environment() -> dict[str, str]:
    """Return the environment without pip's local settings, apart from the certificates that reach the index."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_") or name == "PIP_CERT"}
    return kept | {"PIP_CONFIG_FILE": os.devnull}


def pin(name: str, requirements: list[str], constraint: Path | None) -> Path:
    """Write requirements/NAME.txt; versions in constraint are kept."""
    target = ROOT / "requirements" / f"{name}.txt"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, f"{name}.in")
        limits = [f"-c {constraint}"] if constraint else []
        source.write_text("\n".join([*requirements, *limits]) + "\n")
        output = Path(folder, target.name)
        command = [sys.executable, "-m", "piptools", "compile", *OPTIONS, "-o", str(output), str(source)]
        subprocess.run(command, check=True, env=neutral_environment(), cwd=folder)
        target.write_text(HEADER + output.read_text())
    return target


def main() -> None:
    """Pin what runs, then what develops it on exactly those releases."""
    lists = wanted()
    run = pin("run", lists["run"], None)
    pin("develop", lists["develop"], run)


if __name__ == "__main__":
    main()
