"""``python -m benchmarks.optimizers``: a step of each optimizer beside PyTorch's, of a million parameters.

They are in 10 matrices, and it is on one core, in one process, in turn: each line has the median times, and the median
of the ratios of the pairs. First both take two steps from the same weights, and must agree.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.cores import available, pin
from benchmarks.statistics import median
from tinygrad_edu import from_numpy, optim
from tinygrad_edu.parallel import single_threaded_blas

LINES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 1e-3}),
    ("SGD", {"lr": 1e-3, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True, "weight_decay": 1e-4}),
    ("AdamW", {}),
    ("NAdam", {}),
    ("RMSprop", {}),
    ("RMSprop", {"centered": True, "momentum": 0.9}),
    ("Adagrad", {}),
    ("Muon", {}),
    ("Lion", {}),
]


def steps(name: str, settings: dict[str, Any]) -> tuple[Callable[[], Any], Callable[[], Any] | None]:
    """Return a step of ours and one of PyTorch's, None where it has no such optimizer, once they agree."""
    import torch

    rng = np.random.default_rng(0)
    values, gradients = rng.standard_normal((2, 10, 320, 320)).astype(np.float32)
    ours = [from_numpy(x.copy(), requires_grad=True) for x in values]
    theirs = [torch.tensor(x, requires_grad=True) for x in values]
    for p, q, g in zip(ours, theirs, gradients, strict=True):
        p.grad, q.grad = g, torch.tensor(g)
    mine = getattr(optim, name)(ours, **settings)
    if not hasattr(torch.optim, name):
        return mine.step, None
    other = getattr(torch.optim, name)(theirs, **settings)
    for step in (mine.step, other.step) * 2:
        step()
    tolerance = 1e-3 if name == "Muon" else 1e-6  # PyTorch's computes in bfloat16
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=tolerance, atol=tolerance)
    return mine.step, other.step


def milliseconds(step: Callable[[], Any]) -> float:
    """Return how long one step takes."""
    begin = time.perf_counter()
    step()
    return 1000 * (time.perf_counter() - begin)


def main() -> None:
    """Print both times of each line, and their ratio."""
    import torch

    parser = argparse.ArgumentParser("python -m benchmarks.optimizers", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50, help="how often each is timed (default: %(default)s)")
    rounds = range(parser.parse_args().rounds)
    pin(available()[:1])
    torch.set_num_threads(1)
    print(f"{'':<70}{'ours, ms':>9}{'PyTorch':>9}{'ratio':>7}")
    with single_threaded_blas():
        for name, settings in LINES:
            ours, theirs = steps(name, settings)
            label = f"{name}({', '.join(f'{key}={value}' for key, value in settings.items())})"
            if theirs is None:
                print(f"{label:<70}{median([milliseconds(ours) for _ in rounds]):9.2f}")
                continue
            pairs = [(milliseconds(ours), milliseconds(theirs)) for _ in rounds]
            mine, their = (median(times) for times in zip(*pairs, strict=True))
            print(f"{label:<70}{mine:9.2f}{their:9.2f}{median([a / b for a, b in pairs]):7.2f}")


if __name__ == "__main__":
    main()
