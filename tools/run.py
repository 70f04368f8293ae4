"""Run a program of this checkout in a virtual environment: ``python3 tools/run.py MODULE [ARGUMENT...]``.

It prints and executes three commands: create .venv, install this package with the dependencies of the module, and run
the module. It needs a Python with the standard library only.
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

# The first part of a module's name, and the arguments of `pip install` for it.
REQUIREMENTS = {
    "models": ["-e", ".", "--group", "models"],
    "pytest": ["-e", ".[keras]", "--group", "test"],
    "benchmarks": ["-e", ".", "--group", "benchmarks"],
    "tools": ["-e", ".", "--group", "docs"],
}


def commands(module: str, arguments: list[str], windows: bool = os.name == "nt") -> list[list[str]]:
    """Return the commands that install and run a module, relative to the root of the checkout."""
    python = ".venv\\Scripts\\python.exe" if windows else ".venv/bin/python"
    return [
        [sys.executable, "-m", "venv", "--upgrade-deps", ".venv"],  # --group requires pip 25.1
        [python, "-m", "pip", "install", "-q", *REQUIREMENTS[module.partition(".")[0]]],
        [python, "-m", module, *arguments],
    ]


def main() -> int:
    """Run the commands, and return the exit code of the first that fails."""
    module, *arguments = sys.argv[1:] or ["--help"]
    if module.partition(".")[0] not in REQUIREMENTS:
        print(f"usage: python3 tools/run.py MODULE [ARGUMENT...]; modules: {', '.join(REQUIREMENTS)}", file=sys.stderr)
        return 2
    for command in commands(module, arguments):
        print("$", shlex.join(command), file=sys.stderr, flush=True)
        try:
            code = subprocess.run(command, cwd=Path(__file__).parents[1]).returncode
        except KeyboardInterrupt:  # the program received it, too, and has ended
            return 130
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
