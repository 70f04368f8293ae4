"""Records of the numbers in docs/numbers/: the command, the commit, the date and the processor of each file."""

import csv
import platform
import subprocess
from datetime import date
from functools import partial
from pathlib import Path

from tinygrad_edu.training import Epoch

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "numbers"
RECORD = FOLDER / "measured.csv"
COLUMNS = ("file", "command", "commit", "date", "processor")


def record(name: str, command: str, at: str) -> None:
    """Record the command and the commit of a file that was measured now, with the date and the processor."""
    rows = {row["file"]: row for row in recorded()}
    rows[name] = dict(zip(COLUMNS, (name, command, at, f"{date.today()}", _processor()), strict=True))
    with RECORD.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[name] for name in sorted(rows))


def recorded() -> list[dict[str, str]]:
    """Return the rows of the record."""
    if not RECORD.exists():
        return []
    with RECORD.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def commit() -> str:
    """Return the commit of the checkout, with a plus sign if the code differs from it."""
    git = partial(subprocess.run, cwd=ROOT, check=True, capture_output=True, text=True)
    name = git(["git", "rev-parse", "--short=10", "HEAD"]).stdout.strip()
    changes = git(["git", "status", "--porcelain", "--", "tinygrad_edu", "models", "benchmarks"]).stdout
    return name + "+" * bool(changes.strip())


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def read_history(name: str) -> list[Epoch]:
    """Return the epochs of a file that `models.shared.report.write_history` wrote."""
    with (FOLDER / name).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    own = ("epoch", "loss", "learning_rate", "steps", "seconds")
    return [
        Epoch(
            int(row["epoch"]), float(row["loss"]),
            {metric: float(value) for metric, value in row.items() if metric not in own and value},
            float(row["learning_rate"]), int(row["steps"]), float(row["seconds"]),
        )
        for row in rows
    ]  # fmt: skip
