"""Runs the command line: `python -m mailroot`."""

import sys

from mailroot.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
