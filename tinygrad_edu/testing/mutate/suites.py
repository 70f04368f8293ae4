"""Create the mutants of a file with vjps of any framework, and run a pytest suite on each of them.

Each mutant runs in its own process, which reads the changed text in place of the file. The file and the caches of
pytest and Hypothesis do not change.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tinygrad_edu.testing.mutate.pytest_runner import PASSED_UNMET
from tinygrad_edu.testing.mutate.score import Fate
from tinygrad_edu.testing.mutate.sources import Change, Source, changes, vjps_in, wrapped
from tinygrad_edu.testing.mutate.wrappers import ANYWHERE, CONDITIONS_ON_X, NOT_MET


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

    def fate(self, mutant: ChangedFile) -> Fate:
        """Run the tests on a mutant, and return its fate; its error is "failed test", "timeout" or "error"."""
        start = time.perf_counter()
        try:
            result = self._run(mutant.source.path, mutant.source.edited(mutant.change.edits), self.timeout)
        except subprocess.TimeoutExpired:
            return Fate("timeout", seconds=time.perf_counter() - start)
        unmet = NOT_MET if mutant.change.kind in CONDITIONS_ON_X else ""
        error = {0: "", PASSED_UNMET: unmet, 1: "failed test"}.get(result.returncode, "error")
        test = re.search(r"^(?:FAILED|ERROR) (\S+)", result.stdout, re.MULTILINE)
        return Fate(error, test[1] if test else "", time.perf_counter() - start)

    def _run(self, path: Path, text: str, timeout: float | None) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory() as folder:
            mutated = Path(folder) / "text.py"
            mutated.write_text(text, "utf-8")
            runner = "tinygrad_edu.testing.mutate.pytest_runner"
            one_process = ["-n", "0"] if find_spec("xdist") else []  # a worker process would read the unchanged file
            command = [sys.executable, "-m", runner, str(path), str(mutated), *self.tests, "-x", "-q", *one_process]
            environment = {"HYPOTHESIS_STORAGE_DIRECTORY": folder, "PYTHONDONTWRITEBYTECODE": "1"}
            return subprocess.run(
                command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=timeout, check=False
            )
