"""Create the mutants of a file with vjps of any framework, and run a pytest suite on each of them.

Each mutant runs in its own process, ``python -m tinygrad_edu.testing.mutate.suites my_ops.py text.py``, with pytest's
arguments, which reads the text in place of the file. The file and the caches of pytest and Hypothesis do not change.
"""

import builtins
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec
from pathlib import Path
from types import CodeType

from tinygrad_edu.testing.mutate.faults import ANYWHERE, CONDITIONS_ON_X, NOT_MET, condition_hits, mutant
from tinygrad_edu.testing.mutate.score import Fate
from tinygrad_edu.testing.mutate.sources import Change, Source, changes, vjps_in, wrapped

_NAME = "tinygrad_edu.testing.mutate.suites"  # not __name__, which is "__main__" in a run
PASSED_UNMET = 100  # the exit code if the tests pass and the condition of the wrapper was never met


@dataclass(frozen=True)
class ChangedFile:
    """A file with one broken vjp."""

    source: Source
    vjp: str
    change: Change

    def __str__(self) -> str:
        return f"{self.vjp}: {self.change.kind}"

    def shown(self) -> str:
        """Return the change as a diff of the file."""
        return self.source.diff(self.change)


def changed_files(source: Source, chosen: Sequence[str] = ()) -> Iterator[ChangedFile]:
    """Yield every mutant of the chosen functions of a file, or of all functions that look like vjps."""
    for name, function in vjps_in(source, chosen).items():
        for change in (*(wrapped(source, function, kind) for kind in ANYWHERE), *changes(source, function)):
            yield ChangedFile(source, name, change)


class Suite:
    """Tests that pytest runs, given as its arguments, and their time limit in seconds.

    The default limit is 10 s plus ten times the duration of the tests without a mutant.
    """

    def __init__(self, tests: Sequence[str], timeout: float | None = None) -> None:
        self.tests, self.timeout = tests, timeout

    def first_error(self, source: Source) -> str:
        """Run the unchanged tests, set the default timeout, and return pytest's output if the tests fail."""
        start = time.perf_counter()
        result = self._run(source.path, source.text, None)
        self.timeout = self.timeout or 10 + 10 * (time.perf_counter() - start)
        return "" if result.returncode in (0, PASSED_UNMET) else result.stdout + result.stderr

    def fate(self, changed: ChangedFile) -> Fate:
        """Run the tests on a mutant, and return its fate; its error is "failed test", "timeout" or "error"."""
        start = time.perf_counter()
        try:
            result = self._run(changed.source.path, changed.source.edited(changed.change.edits), self.timeout)
        except subprocess.TimeoutExpired:
            return Fate("timeout", seconds=time.perf_counter() - start)
        unmet = NOT_MET if changed.change.kind in CONDITIONS_ON_X else ""
        error = {0: "", PASSED_UNMET: unmet, 1: "failed test"}.get(result.returncode, "error")
        test = re.search(r"^(?:FAILED|ERROR) (\S+)", result.stdout, re.MULTILINE)
        return Fate(error, test[1] if test else "", time.perf_counter() - start)

    def _run(self, path: Path, text: str, timeout: float | None) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory() as folder:
            mutated = Path(folder) / "text.py"
            mutated.write_text(text, "utf-8")
            one_process = ["-n", "0"] if find_spec("xdist") else []  # a worker process would read the unchanged file
            command = [sys.executable, "-m", _NAME, str(path), str(mutated), *self.tests, "-x", "-q", *one_process]
            environment = {"HYPOTHESIS_STORAGE_DIRECTORY": folder, "PYTHONDONTWRITEBYTECODE": "1"}
            return subprocess.run(
                command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=timeout, check=False
            )


def run_pytest() -> None:
    """Run pytest on a mutant, without assertion rewriting, which would read the unchanged file."""
    import pytest

    path, text, *options = sys.argv[1:]
    read_instead(Path(path), Path(text).read_text("utf-8"))
    code = pytest.main(["--assert=plain", "-p", "no:cacheprovider", *options])
    sys.exit(PASSED_UNMET if code == 0 and not condition_hits else code)


def read_instead(path: Path, text: str) -> None:
    """Patch imports so that a file is executed as `text`, with `mutant` as a builtin."""
    builtins.mutant = mutant  # type: ignore[attr-defined]
    get_code = SourceFileLoader.get_code

    def get_other_code(loader: SourceFileLoader, name: str) -> CodeType | None:
        is_target = os.path.exists(loader.path) and os.path.samefile(loader.path, path)
        return compile(text, loader.path, "exec", dont_inherit=True) if is_target else get_code(loader, name)

    SourceFileLoader.get_code = get_other_code  # type: ignore[assignment,method-assign]


if __name__ == "__main__":
    run_pytest()
