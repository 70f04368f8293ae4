"""Recurrent layers, attention and convolutions, compared with PyTorch in float32: ``python -m benchmarks.layers``.

Both run in one process and alternate. Each line has the median times and the median of the ratios of the pairs. Before
the timing, outputs and gradients are compared, with equal weights. ``--cores 2`` uses two threads for both. A pause
precedes each pass, because idle threads of PyTorch spin for some milliseconds and would occupy the second core.
"""

import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np

from benchmarks.cores import available, pin
from benchmarks.statistics import median
from benchmarks.timing import milliseconds
from tinygrad_edu import Tensor, nn
from tinygrad_edu.parallel import single_threaded_blas
from tinygrad_edu.shared.display.command_line import Parser

# Layers and input shapes: (steps, samples, features) for recurrent layers, samples first for the others.
LINES = (
    *((f"{layer}(16, 16)", (32, 4, 16)) for layer in ("RNN", "LSTM", "GRU")),
    *((f"{layer}(64, 64)", (32, 32, 64)) for layer in ("RNN", "LSTM", "GRU")),
    *((f"{layer}(256, 256)", (64, 64, 256)) for layer in ("RNN", "LSTM", "GRU")),
    ("TransformerEncoderLayer(128, 4, 512, 0.0, batch_first=True)", (16, 64, 128)),
    ("TransformerEncoderLayer(128, 4, 2048, 0.0, batch_first=True)", (16, 64, 128)),
    ("Conv2d(32, 64, 3, padding=1)", (32, 32, 28, 28)),
    ("Conv2d(32, 64, 3, 2, 1)", (32, 32, 28, 28)),
    ("Conv2d(64, 64, 1)", (32, 64, 28, 28)),
    ("Conv2d(32, 64, 1, 2)", (32, 32, 28, 28)),
    ("Conv2d(64, 64, 3, padding=1, groups=64)", (32, 64, 28, 28)),
    ("Conv2d(64, 64, 3, 2, 1, groups=64)", (32, 64, 28, 28)),
    ("Conv2d(64, 64, 3, padding=1, groups=4)", (32, 64, 28, 28)),
    ("Conv2d(16, 32, 3, padding=2, dilation=2)", (32, 16, 28, 28)),
    ("Conv2d(16, 16, 3, padding=1)", (128, 16, 28, 28)),
    ("Conv2d(128, 128, 3, padding=1)", (32, 128, 14, 14)),
    ("Conv2d(256, 256, 3, padding=1)", (32, 256, 7, 7)),
    ("ConvTranspose2d(64, 32, 3, padding=1)", (32, 64, 28, 28)),
    ("ConvTranspose2d(64, 32, 4, 2, 1)", (32, 64, 14, 14)),
)
PAUSE = 0.02  # seconds
OTHER_NAMES = {"Conv2d": nn.Conv2D, "ConvTranspose2d": nn.ConvTranspose2D}


def passes(layer: str, shape: tuple[int, ...]) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return a forward and backward pass of our layer and of PyTorch's, after comparing their results."""
    import torch

    rng = np.random.default_rng(0)
    values = rng.standard_normal(shape).astype(np.float32)
    ours, theirs = (eval(layer, space) for space in (vars(nn) | OTHER_NAMES, vars(torch.nn)))
    ours.load_state_dict(theirs.state_dict())
    x, y = Tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    g = rng.standard_normal(first(ours(x)).shape).astype(np.float32)

    def mine() -> Any:
        ours.zero_grad()
        x.grad = None
        output = first(ours(x))
        output.backward(g)
        return output

    def other() -> Any:
        theirs.zero_grad()
        y.grad = None
        output = first(theirs(y))
        output.backward(torch.from_numpy(g))
        return output

    found, wanted = mine().numpy(), other().detach().numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    gradients = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        largest = float(np.abs(parameter.grad).max())
        np.testing.assert_allclose(parameter.grad, gradients[name].grad.numpy(), rtol=1e-4, atol=1e-5 * largest)
    return mine, other


def first(output: Any) -> Any:
    """Return the output of a layer, or the first of several outputs."""
    return output[0] if isinstance(output, tuple) else output


def rested(run: Callable[[], Any]) -> float:
    """Return the milliseconds of one pass, after a pause in which idle threads fall asleep."""
    time.sleep(PAUSE)
    return milliseconds(run)


def main() -> None:
    """Print both times of each layer, and their ratio."""
    import torch

    parser = Parser("python -m benchmarks.layers", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30, help="timings of each layer (default: %(default)s)")
    parser.add_argument("--only", default="", help="prefix of the layers, such as Conv (default: all)")
    parser.add_argument("--cores", type=int, default=1, help="threads of both frameworks (default: %(default)s)")
    given = parser.parse_args()
    pin(available()[: given.cores])
    torch.set_num_threads(given.cores)
    print(f"{'':<62}{'ours, ms':>9}{'PyTorch':>9}{'ours / PyTorch':>16}")
    with single_threaded_blas() if given.cores == 1 else nullcontext():
        for layer, shape in (line for line in LINES if line[0].startswith(given.only)):
            ours, theirs = passes(layer, shape)
            pairs = [(rested(ours), rested(theirs)) for _ in range(given.rounds)]
            mine, their = (median(times) for times in zip(*pairs, strict=True))
            print(f"{layer:<62}{mine:9.2f}{their:9.2f}{median([a / b for a, b in pairs]):16.2f}")


if __name__ == "__main__":
    main()
