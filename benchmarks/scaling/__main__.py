"""Steps on threads and processes, PyTorch's steps, and a model of both: ``python -m benchmarks.scaling``.

By default, this writes docs/numbers/scaling.csv and draws docs/images/scaling.png. It takes three minutes, or half a
minute with ``--quick``.
"""

from pathlib import Path

from benchmarks.scaling.measuring import QUICK, Plan, measure, read, write
from benchmarks.scaling.picture import draw
from benchmarks.scaling.report import Report
from tinygrad_edu.shared.display.command_line import Parser

DOCS = Path(__file__).parents[2] / "docs"


def main() -> None:
    """Measure, or read the results of an earlier run; print the tables, and draw the picture."""
    parser = Parser("python -m benchmarks.scaling", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds: half a minute")
    parser.add_argument("--read", action="store_true", help="read the file of results instead of measuring")
    parser.add_argument(
        "--csv", type=Path, default=DOCS / "numbers" / "scaling.csv", help="file of results (default: %(default)s)"
    )
    parser.add_argument("--picture", type=Path, default=DOCS / "images" / "scaling.png", help="default: %(default)s")
    given = parser.parse_args()
    if not given.read:
        write([*measure(QUICK if given.quick else Plan())], given.csv)
    report = Report(read(given.csv))
    for line in report.lines():
        print(line)
    draw(report, given.picture)


if __name__ == "__main__":
    main()
