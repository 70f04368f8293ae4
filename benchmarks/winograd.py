"""Winograd's convolution, compared with ours: ``python -m benchmarks.winograd``.

Winograd's F(2, 3) along the rows computes two rows of the output from four rows of an image with four matrix products;
ours needs six. In exchange, it adds rows before the products and adds products after them (S. Winograd, Arithmetic
Complexity of Computations, 1980; A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural Networks, 2016,
section 4).
"""

import numpy as np
from numpy import ndarray

from benchmarks import workloads
from benchmarks.cores import available, pin
from benchmarks.timing import timed
from tinygrad_edu.ops.fast.images.chwn import padded_images, samples_first
from tinygrad_edu.ops.images.correlation import correlate
from tinygrad_edu.ops.sliding_windows import window_of
from tinygrad_edu.parallel import single_threaded_blas
from tinygrad_edu.shared.display.command_line import Parser


def kernels_for_products(weight: ndarray) -> ndarray:
    """Return the left factors of the four products, (4, out, C * 3), from kernels (out, C, 3, 3)."""
    first, second, third = weight.transpose(2, 0, 1, 3)
    four = np.stack([first, (first + second + third) / 2, (first - second + third) / 2, third])
    return four.reshape(4, len(weight), -1)


def rows_for_products(images: ndarray, columns: int) -> ndarray:
    """Return the right factors, (4, C * 3, pairs * columns * N), from images (C, 2 * pairs + 2, W, N)."""
    c, height, width, n = images.shape
    pairs = height // 2 - 1
    one, two, three, four = (images[:, k : k + 2 * pairs : 2] for k in range(4))
    rows = np.empty((4, c, pairs, width, n), images.dtype)
    np.subtract(one, three, out=rows[0])
    np.add(two, three, out=rows[1])
    np.subtract(three, two, out=rows[2])
    np.subtract(two, four, out=rows[3])
    by_product, by_c, by_pair, by_column, by_n = rows.strides
    shape, strides = (4, c, 3, pairs, columns, n), (by_product, by_c, by_column, by_pair, by_column, by_n)
    return ndarray(shape, rows.dtype, rows, 0, strides).reshape(4, c * 3, pairs * columns * n)


def convolve(x: ndarray, weight: ndarray, pairs: int = 1) -> ndarray:
    """Return `correlate` of images (N, C, H, W) and kernels (out, C, 3, 3) with padding 1, for even H.

    2 * `pairs` rows of the output are computed at a time; one pair fits into the cache, and is the fastest.
    """
    laid = window_of(x.shape[2:], 3, 1, 1, 1)
    images, kernels, (height, columns) = (
        padded_images(x.transpose(1, 2, 3, 0), laid),
        kernels_for_products(weight),
        laid.size,
    )
    maps = np.empty((len(weight), height, columns, len(x)), x.dtype)
    for start in range(0, height, 2 * pairs):
        stop = min(start + 2 * pairs, height)
        products = np.matmul(kernels, rows_for_products(images[:, start : stop + 2], columns))
        one, two, three, four = products.reshape(4, len(weight), (stop - start) // 2, columns, len(x))
        upper, lower = maps[:, start:stop:2], maps[:, start + 1 : stop : 2]
        np.add(two, three, out=upper)
        upper += one
        np.subtract(two, three, out=lower)
        lower -= four
    return samples_first(maps)


def main() -> None:
    """Print both times."""
    parser = Parser("python -m benchmarks.winograd", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50, help="timings of each function (default: %(default)s)")
    options = parser.parse_args()
    pin(available()[:1])
    sizes = next(w.sizes for w in workloads.WORKLOADS if w.key == "4")
    arrays = workloads.convolution(sizes)
    x, weight = arrays["x"], arrays["w"]
    images = rows_for_products(padded_images(x.transpose(1, 2, 3, 0), window_of(x.shape[2:], 3, 1, 1, 1)), x.shape[3])
    with single_threaded_blas():
        for name, run in {
            "ours": lambda: correlate(x, weight, padding=1),
            "Winograd's": lambda: convolve(x, weight),
            "its products only": lambda: np.matmul(kernels_for_products(weight), images),
        }.items():
            print(f"{name:<20} {timed(run, options.rounds)['milliseconds']:6.2f} ms")


if __name__ == "__main__":
    main()
