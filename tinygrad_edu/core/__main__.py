"""Print the source of the core, or copy it: ``python -m tinygrad_edu.core [--copy FOLDER [--name NAME]]``."""

from tinygrad_edu.core_copy import main

if __name__ == "__main__":
    raise SystemExit(main())
