"""A step of each optimizer with a million parameters, compared with PyTorch: ``python -m benchmarks.optimizers``.

The parameters are 10 matrices unless the line names another number and shape. Both frameworks run in one process and
alternate. PyTorch has up to three versions: a loop over the parameters, its default on a CPU, ``foreach=True`` and
``fused=True``. Each line has the median times and, for each version, the median of the ratios ours / PyTorch: below 1,
ours is faster. Before the timing, two steps from equal weights are compared.

``--cores 2`` uses two threads for both. The sixteenth consecutive step is then timed, because idle threads of the other
framework may occupy a core for some milliseconds.
"""

from collections.abc import Callable
from contextlib import nullcontext
from inspect import signature
from typing import Any

import numpy as np

from benchmarks.cores import available, pin
from benchmarks.statistics import median
from benchmarks.timing import milliseconds
from tinygrad_edu import from_numpy, optim
from tinygrad_edu.parallel import single_threaded_blas
from tinygrad_edu.shared.display.command_line import Parser

MATRICES = (10, 320, 320)
# Optimizers, their hyperparameters, and the number and shape of the matrices.
LINES: list[tuple[str, dict[str, Any], tuple[int, int, int]]] = [
    ("SGD", {"lr": 1e-3}, MATRICES),
    ("SGD", {"lr": 1e-3, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4}, MATRICES),
    ("Adam", {}, MATRICES),
    ("Adam", {}, (200, 32, 32)),
    ("Adam", {}, (2, 1000, 2000)),
    ("Adam", {}, (1, 2000, 2000)),
    ("Adam", {"amsgrad": True, "weight_decay": 1e-4}, MATRICES),
    ("AdamW", {}, MATRICES),
    ("NAdam", {}, MATRICES),
    ("RMSprop", {}, MATRICES),
    ("RMSprop", {"centered": True, "momentum": 0.9}, MATRICES),
    ("Adagrad", {}, MATRICES),
    ("Muon", {}, MATRICES),
    ("Lion", {}, MATRICES),
]

FORMS: dict[str, dict[str, bool]] = {"loop": {}, "foreach": {"foreach": True}, "fused": {"fused": True}}
Step = Callable[[], Any]


def steps(name: str, settings: dict[str, Any], matrices: tuple[int, int, int]) -> tuple[Step, dict[str, Step]]:
    """Return our step, and a step of each of PyTorch's versions, after comparing their results."""
    rng = np.random.default_rng(0)
    values, gradients = rng.standard_normal((2, *matrices)).astype(np.float32)
    ours = [from_numpy(x.copy(), requires_grad=True) for x in values]
    for p, g in zip(ours, gradients, strict=True):
        p.grad = g
    mine = getattr(optim, name)(ours, **settings).step
    for _ in range(2):
        mine()
    tolerance = 1e-3 if name == "Muon" else 1e-6  # PyTorch's Muon computes in bfloat16
    others = {}
    for form in forms(name):
        theirs, others[form] = _pytorch(name, {**settings, **FORMS[form]}, values, gradients)
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=tolerance, atol=tolerance)
    return mine, others


def forms(name: str) -> list[str]:
    """Return the versions of an optimizer in PyTorch; empty if PyTorch does not have it."""
    import torch

    if not hasattr(torch.optim, name):
        return []
    taken = signature(getattr(torch.optim, name)).parameters
    return [form for form in FORMS if form == "loop" or form in taken]


def _pytorch(name: str, settings: dict[str, Any], values: Any, gradients: Any) -> tuple[list[Any], Step]:
    """Return PyTorch's parameters after two steps, and a function that takes another step."""
    import torch

    theirs = [torch.tensor(x, requires_grad=True) for x in values]
    for q, g in zip(theirs, gradients, strict=True):
        q.grad = torch.tensor(g)
    step = getattr(torch.optim, name)(theirs, **settings).step
    for _ in range(2):
        step()
    return theirs, step


def main() -> None:
    """Print the times and ratios of each optimizer."""
    import torch

    parser = Parser("python -m benchmarks.optimizers", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50, help="timings of each optimizer (default: %(default)s)")
    parser.add_argument("--only", default="", help="prefix of the optimizers, such as Adam (default: all)")
    parser.add_argument("--cores", type=int, default=1, help="threads of both frameworks (default: %(default)s)")
    given = parser.parse_args()
    pin(available()[: given.cores])
    torch.set_num_threads(given.cores)
    before = 0 if given.cores == 1 else 15
    print(f"{'':<66}{'ours, ms':>9}" + "".join(f"{form + ', ms':>12}{'ratio':>7}" for form in FORMS))
    with single_threaded_blas() if given.cores == 1 else nullcontext():
        for name, settings, matrices in (line for line in LINES if line[0].startswith(given.only)):
            ours, theirs = steps(name, settings, matrices)
            found = [[milliseconds(run, before) for run in (ours, *theirs.values())] for _ in range(given.rounds)]
            mine, *others = zip(*found, strict=True)
            columns = (f"{median(t):12.2f}{median([a / b for a, b in zip(mine, t, strict=True)]):7.2f}" for t in others)
            print(f"{label(name, settings, matrices):<66}{median(mine):9.2f}" + "".join(columns))


def label(name: str, settings: dict[str, Any], matrices: tuple[int, int, int]) -> str:
    """Describe an optimizer, its hyperparameters and the matrices."""
    count, *shape = matrices
    of = "" if matrices == MATRICES else f" of {count} x {' x '.join(map(str, shape))}"
    return f"{name}({', '.join(f'{key}={value}' for key, value in settings.items())}){of}"


if __name__ == "__main__":
    main()
