"""Profile of a small op, in the chain of workload 6: ``python -m benchmarks.small_ops``.

The chain runs in stages. Each stage adds one part of an op to the stage before. The difference of two stages is the
cost of that part.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

import tinygrad_edu as tg
from benchmarks import ours, workloads
from benchmarks.cores import available, pin
from benchmarks.timing import timed
from tinygrad_edu.shared.display.command_line import Parser

ZERO = np.zeros((), np.float32)


def numpy_forward(x: ndarray, w: ndarray, b: ndarray, v: ndarray, turns: int) -> list[tuple[ndarray, ndarray]]:
    """Make the NumPy calls of the forward pass; return the values that the backward pass needs."""
    kept = []
    for _ in range(turns):
        bent = np.maximum(np.add(np.multiply(x, w), b), ZERO)
        kept.append((x, bent))
        x = np.multiply(bent, v)
    return kept


def numpy_backward(kept: list[tuple[ndarray, ndarray]], w: ndarray, b: ndarray, v: ndarray) -> tuple[ndarray, ...]:
    """Make the NumPy calls of the backward pass."""
    g, of_w, of_b, of_v = np.ones_like(w), np.zeros_like(w), np.zeros_like(b), np.zeros_like(v)
    for x, bent in reversed(kept):
        of_v += g * bent
        g = np.where(bent > ZERO, g * v, ZERO)
        of_b += g
        of_w += g * x
        g = g * w
    return g, of_w, of_b, of_v


def stages(sizes: workloads.Sizes) -> dict[str, Callable[[], Any]]:
    """Return the stages in order."""
    *arrays, turns = workloads.chain(sizes)
    x, w, b, v = arrays
    kept = numpy_forward(x, w, b, v, turns)

    def forward(requires_grad: bool) -> Callable[[], Any]:
        leaves = [tg.Tensor(a, requires_grad=requires_grad) for a in arrays]

        def run() -> Any:
            x, w, b, v = leaves
            for _ in range(turns):
                x = tg.relu(x * w + b) * v
            return x

        return run

    return {
        "NumPy calls, forward": lambda: numpy_forward(x, w, b, v, turns),
        "ops of constants": forward(requires_grad=False),
        "recorded": forward(requires_grad=True),
        "with the backward pass": ours.chain(sizes, fixed=False),
        "NumPy calls, backward": lambda: numpy_backward(kept, w, b, v),
    }


def measure(sizes: workloads.Sizes, rounds: int) -> dict[str, float]:
    """Return the median microseconds per op of each stage."""
    runs = stages(sizes)
    return {name: 1000 * timed(run, rounds)["milliseconds"] / sizes["ops"] for name, run in runs.items()}


def shares(found: dict[str, float]) -> dict[str, float]:
    """Return the microseconds of each part of an op; their sum is the time of the op."""
    numpy_forward, constants, recorded, whole, numpy_backward = found.values()
    return {
        "NumPy calls, forward": numpy_forward,
        "call of the op, and its tensor": constants - numpy_forward,
        "node of the graph": recorded - constants,
        "NumPy calls, backward": numpy_backward,
        "vjps, and the backward loop": whole - recorded - numpy_backward,
    }


def main() -> None:
    """Print the parts of a small op."""
    parser = Parser("python -m benchmarks.small_ops", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200, help="timings of each stage (default: %(default)s)")
    options = parser.parse_args()
    pin(available()[:1])
    found = shares(measure(next(w.sizes for w in workloads.WORKLOADS if w.key == "6"), options.rounds))
    for name, microseconds in {**found, "a small op, total": sum(found.values())}.items():
        print(f"{name:<36} {microseconds:5.2f} us")


if __name__ == "__main__":
    main()
