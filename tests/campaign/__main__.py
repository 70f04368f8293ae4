"""Old name of the campaign: ``python -m tests.campaign`` runs ``python -m tools.campaign``."""

import sys

from tools.campaign.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
