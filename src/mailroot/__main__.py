"""`python -m mailroot` is the command line."""

import sys

from mailroot.cli.main import main

sys.exit(main())
