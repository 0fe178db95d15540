"""`python -m docaxis`: the same as the `docaxis` command."""

import sys

from docaxis.cli import main

sys.exit(main())
