"""`python -m paperlib` is the command line."""

import sys

from paperlib.cli import main

sys.exit(main())
