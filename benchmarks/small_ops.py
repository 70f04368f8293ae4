"""``python -m benchmarks.small_ops``: where the time of a small op goes, in the chain of workload 6.

The chain is run in stages, each with something more than the one before: what a stage adds is what that costs.
"""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

import tinygrad_edu as tg
from benchmarks import ours, workloads
from benchmarks.cores import available, pin
from benchmarks.timing import timed

ZERO = np.zeros((), np.float32)


def numpy_forward(x: ndarray, w: ndarray, b: ndarray, v: ndarray, turns: int) -> list[tuple[ndarray, ndarray]]:
    """Make NumPy's calls of the way forward, and keep what the way back needs."""
    kept = []
    for _ in range(turns):
        bent = np.maximum(np.add(np.multiply(x, w), b), ZERO)
        kept.append((x, bent))
        x = np.multiply(bent, v)
    return kept


def numpy_backward(kept: list[tuple[ndarray, ndarray]], w: ndarray, b: ndarray, v: ndarray) -> tuple[ndarray, ...]:
    """Make NumPy's calls of the way back."""
    g, of_w, of_b, of_v = np.ones_like(w), np.zeros_like(w), np.zeros_like(b), np.zeros_like(v)
    for x, bent in reversed(kept):
        of_v += g * bent
        g = np.where(bent > ZERO, g * v, ZERO)
        of_b += g
        of_w += g * x
        g = g * w
    return g, of_w, of_b, of_v


def stages(sizes: workloads.Sizes) -> dict[str, Callable[[], Any]]:
    """Return the stages, in their order."""
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
        "NumPy's calls, forward": lambda: numpy_forward(x, w, b, v, turns),
        "ops of constants": forward(requires_grad=False),
        "recorded": forward(requires_grad=True),
        "and walked back": ours.chain(sizes, fixed=False),
        "NumPy's calls, backward": lambda: numpy_backward(kept, w, b, v),
    }


def measure(sizes: workloads.Sizes, rounds: int) -> dict[str, float]:
    """Return the median microseconds an op of each stage."""
    runs = stages(sizes)
    return {name: 1000 * timed(run, rounds)["milliseconds"] / sizes["ops"] for name, run in runs.items()}


def shares(found: dict[str, float]) -> dict[str, float]:
    """Return what each part of an op takes, in microseconds: together, the whole."""
    numpy_forward, constants, recorded, whole, numpy_backward = found.values()
    return {
        "NumPy's calls, forward": numpy_forward,
        "the call of the op, and its tensor": constants - numpy_forward,
        "the node": recorded - constants,
        "NumPy's calls, backward": numpy_backward,
        "the rules, and the walk": whole - recorded - numpy_backward,
    }


def main() -> None:
    """Print the parts."""
    parser = argparse.ArgumentParser("python -m benchmarks.small_ops", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200, help="how often each is timed (default: %(default)s)")
    options = parser.parse_args()
    pin(available()[:1])
    found = shares(measure(next(w.sizes for w in workloads.WORKLOADS if w.key == "6"), options.rounds))
    for name, microseconds in {**found, "a small op": sum(found.values())}.items():
        print(f"{name:<36} {microseconds:5.2f} us")


if __name__ == "__main__":
    main()
