"""Compare a hundred training steps of each model with PyTorch: losses, and the time of a step.

python -m benchmarks.twins [NAME ...]
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import numpy as np

from tinygrad_edu.shared.display.command_line import Parser, invalid_names

TWINS = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py") if path.stem != "steps")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each model."""
    parser = Parser("python -m benchmarks.twins", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"models, of {', '.join(TWINS)} (default: all)")
    names = parser.parse_args(arguments).names or TWINS
    if unknown := {*names} - {*TWINS}:
        parser.error(invalid_names(sorted(unknown), TWINS))
    for name in names:
        ours, theirs, seconds, their_seconds = import_module(f"benchmarks.twins.{name}").compare()
        apart = np.max(np.abs(np.array(ours) / np.array(theirs) - 1))
        times = [1e3 * total / len(ours) for total in (seconds, their_seconds)]
        print(
            f"{name:<14} losses differ by at most {apart:.1e}; time per step: {times[0]:.2f} ms, PyTorch {times[1]:.2f}"
        )


if __name__ == "__main__":
    main()
