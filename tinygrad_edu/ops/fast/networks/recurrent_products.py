"""Products of recurrent layers: the gates' inputs, the gradients of the parameters, and the products at each step.

The inputs of the gates are computed for several steps at once, and the gradients of the parameters from several steps.
In a shard, another thread does both while the loop over the steps continues.

The weights are copied once into blocks of columns, so small that BLAS multiplies without a copy of its own at each
step: for 16 samples and 1,024 units, in less than half the time.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy import ndarray

from tinygrad_edu.ops.fast.products import product
from tinygrad_edu.shared.speed.blas import most_in_place
from tinygrad_edu.shared.speed.threads import even_slices, map_ahead, map_parts
from tinygrad_edu.shared.speed.thresholds import SizeThreshold


def _rows(x: ndarray) -> ndarray:
    """Merge the axes of steps and samples: (..., T, N, size) -> (..., T * N, size)."""
    return x.reshape(*x.shape[:-3], -1, x.shape[-1])


def by_gate(weight: ndarray, gates: int) -> ndarray:
    """Return a weight (gates * H, K) as (gates, H, K), or a bias (gates * H,) as (gates, H)."""
    return weight.reshape(gates, len(weight) // gates, *weight.shape[1:])


# --- Inputs of the gates, and gradients of the parameters ---

# Smallest number of rows (steps times samples) for which inputs of the gates are computed at once, and number of
# multiplications from which threads share a product, and number of parts.
_ROWS, _LARGE, _PARTS = map(SizeThreshold, (512, 2**24, 2))


def _chunks(steps: int, samples: int, rows: int) -> list[slice]:
    """Split the steps into slices of about this many rows."""
    return even_slices(steps, max(1, steps * samples // rows))


def gate_inputs(x: ndarray, w_ih: ndarray, b_ih: ndarray) -> Iterator[ndarray]:
    """Yield x @ w_ih.T + b_ih of each gate for one step after the other, (gates, N, H).

    The weights are (gates, H, K), the biases (gates, H). A bias is the weight of an additional input, which is 1.
    """
    (steps, samples, width), (gates, hidden, _) = x.shape, w_ih.shape
    chunks, weights = _chunks(steps, samples, _ROWS), np.concatenate([w_ih, b_ih[..., None]], axis=2)

    def compute(chunk: slice) -> ndarray:
        count = chunk.stop - chunk.start
        rows = np.empty((count * samples, width + 1), x.dtype)
        rows[:, :-1], rows[:, -1] = _rows(x[chunk]), 1
        return product(rows, weights.swapaxes(1, 2)).reshape(gates, count, samples, hidden)

    for inputs in map_ahead(compute, chunks, len(chunks) > 1):
        yield from inputs.swapaxes(0, 1)


def put_weight_gradient(g: ndarray, x: ndarray, out: ndarray) -> None:
    """Write the gradient of a weight, summed over all steps, given its inputs x and the upstream gradient g."""
    product(_rows(g).swapaxes(-1, -2), _rows(x), out=out.reshape(*g.shape[:-3], g.shape[-1], x.shape[-1]))


def put_bias_gradient(g: ndarray, out: ndarray) -> None:
    """Write the sum of g over all steps and samples. A product with ones is faster than a sum."""
    rows = _rows(g)
    np.matmul(np.ones(rows.shape[-2], g.dtype), rows, out=out.reshape(len(g), -1))


def _put_x_gradient(g: ndarray, w_ih: ndarray, out: ndarray) -> None:
    """Write the sum over gates of g @ w_ih."""
    (first, *others), (first_weight, *weights), rows = _rows(g), by_gate(w_ih, len(g)), _rows(out)
    product(first, first_weight, out=rows)
    for gate, weight in zip(others, weights, strict=True):
        rows += product(gate, weight)


PutGradients = Callable[[slice, list[ndarray]], None]


def put_parameter_gradients(
    bptt: Callable[[slice], None], puts: Sequence[PutGradients], x: ndarray, h: ndarray, out: list[ndarray]
) -> None:
    """Write the gradients of the parameters: sums over chunks of steps, from the last to the first.

    `bptt` computes the gradients of the gates in a chunk. The functions `puts` take the chunk and arrays like `out`,
    and each writes the gradients of some parameters. The gradients of the weights in a chunk take no more memory than
    those of its gates.
    """
    (steps, samples, inputs), hidden = x.shape, h.shape[-1]
    chunks, parts = _chunks(steps, samples, max(_ROWS, inputs + hidden)), list[list[ndarray]]()

    def tasks() -> Iterator[tuple[PutGradients, slice, list[ndarray]]]:
        for chunk in reversed(chunks):
            bptt(chunk)
            parts.append([np.empty_like(total) for total in out] if parts else out)
            yield from ((put, chunk, parts[-1]) for put in puts)

    is_large = len(chunks) > 1 and steps * samples * out[0].size >= _LARGE
    for _ in map_ahead(lambda task: task[0](*task[1:]), tasks(), is_large):
        pass
    for others in parts[1:]:
        for total, part in zip(out, others, strict=True):
            total += part


def put_input_gradients(
    g: ndarray, x: ndarray, w_ih: ndarray, x_requires_grad: bool, d_x: ndarray, d_w_ih: ndarray, d_b_ih: ndarray
) -> None:
    """Write the gradients of x, w_ih and b_ih, given those of the gates' inputs."""
    put_weight_gradient(g, x, d_w_ih)
    put_bias_gradient(g, d_b_ih)
    if x_requires_grad:
        _put_x_gradient(g, w_ih, d_x)
    else:
        d_x[...] = 0


# --- Products at each step ---

Product = Callable[[ndarray, ndarray], object]
# Blocks have a multiple of this many columns, at least two times as many.
_COLUMNS = SizeThreshold(8)


def _block_columns(samples: int, length: int, width: int) -> int:
    """Return the number of columns of a block for products (samples, length) @ (length, width).

    It divides the width. All columns if BLAS copies nothing, or if no divisor is suitable.
    """
    most = most_in_place() // max(1, samples * length)
    if samples < 2 or most >= width:  # BLAS copies nothing
        return width
    return max((n for n in range(2 * _COLUMNS, most + 1, _COLUMNS) if width % n == 0), default=width)


def _in_blocks(matrices: ndarray, columns: int) -> ndarray:
    """Return matrices (gates, K, M) as blocks of columns, each contiguous: (gates, blocks, K, columns)."""
    gates, length, width = matrices.shape
    return np.ascontiguousarray(matrices.reshape(gates, length, width // columns, columns).swapaxes(1, 2))


def _multiply(x: ndarray, blocks: ndarray, out: ndarray) -> None:
    """Write x @ blocks, (gates, blocks, N, columns); for large weights on several threads."""

    def fill(part: slice) -> None:
        np.matmul(x, blocks[:, part], out=out[:, part])

    map_parts(fill, even_slices(blocks.shape[1], _PARTS), out.size * blocks.shape[2] >= _LARGE)


def projection(weight: ndarray, samples: int) -> Product:
    """Return a function of a state h (N, K) and `out` that writes h @ weight.T of each gate, (gates, N, H).

    The weight is (gates, H, K).
    """
    matrices = weight.swapaxes(1, 2)
    gates, length, width = matrices.shape
    columns = _block_columns(samples, length, width)
    if columns == width:
        contiguous = np.ascontiguousarray(matrices)
        return lambda h, out: np.matmul(h, contiguous, out=out)
    blocks = _in_blocks(matrices, columns)
    products = np.empty((gates, width // columns, samples, columns), weight.dtype)

    def project(h: ndarray, out: ndarray) -> None:
        _multiply(h, blocks, products)
        out.reshape(gates, samples, -1, columns)[...] = products.swapaxes(1, 2)

    return project


def back_projection(weight: ndarray, gates: int, samples: int) -> Product:
    """Return a function of gradients g (gates, N, H) and `out` that writes the sum over gates of g @ weight, (N, K)."""
    matrices = by_gate(weight, gates)
    _, length, width = matrices.shape
    columns = _block_columns(samples, length, width)
    if columns == width:
        rows = np.empty((samples, len(weight)), weight.dtype)  # one product for all gates
        gate_rows = rows.reshape(samples, gates, length).swapaxes(0, 1)

        def multiply(g: ndarray, out: ndarray) -> None:
            gate_rows[...] = g
            np.matmul(rows, weight, out=out)

        return multiply
    blocks = _in_blocks(matrices, columns)
    products = np.empty((gates, width // columns, samples, columns), weight.dtype)

    def multiply_blocks(g: ndarray, out: ndarray) -> None:
        _multiply(g[:, None], blocks, products)
        np.add.reduce(products, axis=0, out=out.reshape(samples, -1, columns).swapaxes(0, 1))

    return multiply_blocks
