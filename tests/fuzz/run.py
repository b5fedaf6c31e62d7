"""Runs one target under atheris: `python -m tests.fuzz.run path [libFuzzer options]`."""

import sys

import atheris

with atheris.instrument_imports(include=["mailroot"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz until a failure or the limit that the options name."""
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
