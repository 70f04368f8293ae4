"""``python -m benchmarks.scaling``: steps on threads, processes and beside PyTorch's, their pieces, and the paper.

Writes docs/scaling.csv and draws docs/images/scaling.png from it, unless told otherwise. Takes three minutes, and half
of one with ``--quick``.
"""

import argparse
from pathlib import Path

from benchmarks.scaling.measuring import QUICK, Plan, measure, read, write
from benchmarks.scaling.picture import draw
from benchmarks.scaling.report import Report

DOCS = Path(__file__).parents[2] / "docs"


def main() -> None:
    """Measure, or read what was measured; print the tables, and draw."""
    parser = argparse.ArgumentParser("python -m benchmarks.scaling", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds: half a minute")
    parser.add_argument("--read", action="store_true", help="measure nothing: take what the file of results has")
    parser.add_argument("--csv", type=Path, default=DOCS / "scaling.csv", help="the file of results (%(default)s)")
    parser.add_argument("--picture", type=Path, default=DOCS / "images" / "scaling.png", help="(%(default)s)")
    given = parser.parse_args()
    if not given.read:
        write([*measure(QUICK if given.quick else Plan())], given.csv)
    report = Report(read(given.csv))
    for line in report.lines():
        print(line)
    draw(report, given.picture)


if __name__ == "__main__":
    main()
