"""``python -m benchmarks.optimizers``: a step of each optimizer beside PyTorch's, of a million parameters.

They are in 10 matrices, and it is on one core, in one process, in turn. PyTorch has up to three forms: a loop over the
parameters, which it takes on a processor if nobody says otherwise, ``foreach=True`` and ``fused=True``. Each line has
the median times, and for each form the median of the ratios of the pairs, PyTorch's time through ours: above 1 we are
ahead. First all take two steps from the same weights, and must agree.
"""

import argparse
from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np

from benchmarks.cores import available, pin
from benchmarks.statistics import median
from benchmarks.timing import milliseconds
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


FORMS: dict[str, dict[str, bool]] = {"loop": {}, "foreach": {"foreach": True}, "fused": {"fused": True}}
Step = Callable[[], Any]


def steps(name: str, settings: dict[str, Any]) -> tuple[Step, dict[str, Step]]:
    """Return a step of ours, and one of each form that PyTorch has of it, once they agree."""
    rng = np.random.default_rng(0)
    values, gradients = rng.standard_normal((2, 10, 320, 320)).astype(np.float32)
    ours = [from_numpy(x.copy(), requires_grad=True) for x in values]
    for p, g in zip(ours, gradients, strict=True):
        p.grad = g
    mine = getattr(optim, name)(ours, **settings).step
    for _ in range(2):
        mine()
    tolerance = 1e-3 if name == "Muon" else 1e-6  # PyTorch's computes in bfloat16
    others = {}
    for form in forms(name):
        theirs, others[form] = _pytorch(name, {**settings, **FORMS[form]}, values, gradients)
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=tolerance, atol=tolerance)
    return mine, others


def forms(name: str) -> list[str]:
    """Return in which forms PyTorch has an optimizer: in none, where it has not got it."""
    import torch

    if not hasattr(torch.optim, name):
        return []
    taken = signature(getattr(torch.optim, name)).parameters
    return [form for form in FORMS if form == "loop" or form in taken]


def _pytorch(name: str, settings: dict[str, Any], values: Any, gradients: Any) -> tuple[list[Any], Step]:
    """Return PyTorch's parameters after two steps, and the next step."""
    import torch

    theirs = [torch.tensor(x, requires_grad=True) for x in values]
    for q, g in zip(theirs, gradients, strict=True):
        q.grad = torch.tensor(g)
    step = getattr(torch.optim, name)(theirs, **settings).step
    for _ in range(2):
        step()
    return theirs, step


def main() -> None:
    """Print the times of each line, and the ratios."""
    import torch

    parser = argparse.ArgumentParser("python -m benchmarks.optimizers", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50, help="how often each is timed (default: %(default)s)")
    rounds = range(parser.parse_args().rounds)
    pin(available()[:1])
    torch.set_num_threads(1)
    print(f"{'':<66}{'ours, ms':>9}" + "".join(f"{form + ', ms':>12}{'/ ours':>8}" for form in FORMS))
    with single_threaded_blas():
        for name, settings in LINES:
            ours, theirs = steps(name, settings)
            label = f"{name}({', '.join(f'{key}={value}' for key, value in settings.items())})"
            found = [[milliseconds(run) for run in (ours, *theirs.values())] for _ in rounds]
            mine, *others = zip(*found, strict=True)
            columns = (f"{median(t):12.2f}{median([b / a for a, b in zip(mine, t, strict=True)]):8.2f}" for t in others)
            print(f"{label:<66}{median(mine):9.2f}" + "".join(columns))


if __name__ == "__main__":
    main()
