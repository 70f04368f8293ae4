"""The campaign under its first name: ``python -m tests.campaign``, which is ``python -m tools.campaign``."""

import sys

from tools.campaign.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
