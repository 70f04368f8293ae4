"""Alias of ``python -m tools.campaign``: ``python -m tests.campaign``."""

import sys

from tools.campaign.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
