"""`python -m mailroot` is the command line."""

import sys

from mailroot.cli.entry import main

sys.exit(main())
