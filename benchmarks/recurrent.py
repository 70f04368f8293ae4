"""``python -m benchmarks.recurrent``: the recurrent layers beside PyTorch's, forward and backward, in float32.

In one process, in turn: each line has the median times, and the median of the ratios of the pairs. First both compute
the same from the same weights. ``--cores 2`` gives both two threads.
"""

import argparse
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np

from benchmarks.cores import available, pin
from benchmarks.statistics import median
from tinygrad_edu import Tensor, nn
from tinygrad_edu.parallel import single_threaded_blas

LAYERS = ("RNN", "LSTM", "GRU")
# Steps, samples, and the length of inputs and states.
SIZES = ((32, 4, 16), (32, 32, 64), (64, 64, 256))


def passes(layer: str, steps: int, samples: int, size: int) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return a pass, forward and backward, of ours and of PyTorch's, once they agree."""
    import torch

    values = np.random.default_rng(0).standard_normal((steps, samples, size)).astype(np.float32)
    ours, theirs = getattr(nn, layer)(size, size), getattr(torch.nn, layer)(size, size)
    ours.load_state_dict(theirs.state_dict())
    x, y = Tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)

    def mine() -> Any:
        ours.zero_grad()
        x.grad = None
        output = ours(x)[0]
        output.sum().backward()
        return output

    def other() -> Any:
        theirs.zero_grad()
        y.grad = None
        output = theirs(y)[0]
        output.sum().backward()
        return output

    found, wanted = mine().numpy(), other().detach().numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    gradients = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        largest = float(np.abs(parameter.grad).max())
        np.testing.assert_allclose(parameter.grad, gradients[name].grad.numpy(), rtol=1e-4, atol=1e-5 * largest)
    return mine, other


def milliseconds(run: Callable[[], Any]) -> float:
    """Return how long one pass takes."""
    begin = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - begin)


def main() -> None:
    """Print both times of each line, and their ratio."""
    import torch

    parser = argparse.ArgumentParser("python -m benchmarks.recurrent", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30, help="how often each is timed (default: %(default)s)")
    parser.add_argument("--cores", type=int, default=1, help="threads of either (default: %(default)s)")
    given = parser.parse_args()
    pin(available()[: given.cores])
    torch.set_num_threads(given.cores)
    print(f"{'steps, samples, size':<30}{'ours, ms':>9}{'PyTorch':>9}{'ratio':>7}")
    with single_threaded_blas() if given.cores == 1 else nullcontext():
        for sizes in SIZES:
            for layer in LAYERS:
                ours, theirs = passes(layer, *sizes)
                pairs = [(milliseconds(ours), milliseconds(theirs)) for _ in range(given.rounds)]
                mine, their = (median(times) for times in zip(*pairs, strict=True))
                print(f"{layer:<6}{sizes!s:<24}{mine:9.2f}{their:9.2f}{median([a / b for a, b in pairs]):7.2f}")


if __name__ == "__main__":
    main()
