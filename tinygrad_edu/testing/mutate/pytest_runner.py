"""Run pytest on a mutant: imports of one file execute the text of another, and the file itself does not change.

``python -m tinygrad_edu.testing.mutate.pytest_runner my_ops.py text.py ...``; the other arguments are pytest's.
"""

from __future__ import annotations

import builtins
import os
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType

import pytest

from tinygrad_edu.testing.mutate.wrappers import condition_hits, mutant

# The exit code if the tests pass and the condition of the wrapper was never met.
PASSED_UNMET = 100


def read_instead(path: Path, text: str) -> None:
    """Patch imports so that a file is executed as `text`, with `mutant` as a builtin."""
    builtins.mutant = mutant  # type: ignore[attr-defined]
    get_code = SourceFileLoader.get_code

    def get_other_code(loader: SourceFileLoader, name: str) -> CodeType | None:
        is_target = os.path.exists(loader.path) and os.path.samefile(loader.path, path)
        return compile(text, loader.path, "exec", dont_inherit=True) if is_target else get_code(loader, name)

    SourceFileLoader.get_code = get_other_code  # type: ignore[assignment,method-assign]


def run_pytest() -> None:
    """Run pytest without assertion rewriting, which would read the unchanged file."""
    path, text, *options = sys.argv[1:]
    read_instead(Path(path), Path(text).read_text("utf-8"))
    code = pytest.main(["--assert=plain", "-p", "no:cacheprovider", *options])
    sys.exit(PASSED_UNMET if code == 0 and not condition_hits else code)


if __name__ == "__main__":
    run_pytest()
