"""The pullback of a claimed Jacobian, and the wrong entry of a Jacobian."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, Function
from tinygrad_edu.testing.arrays.array_tree import is_number_list, match_leaves, outline
from tinygrad_edu.testing.arrays.dtypes import as_numbers, is_complex, is_floating, unit_of
from tinygrad_edu.testing.claimed_gradient import ClaimedGradient, as_real_like, match_inputs
from tinygrad_edu.testing.failures import GradientMismatch
from tinygrad_edu.testing.flat_function import Claim, FlatFunction, ravel_arrays, unravel_arrays
from tinygrad_edu.testing.numeric.extrapolation import SAFETY
from tinygrad_edu.testing.numeric.finite_differences import derivative_along
from tinygrad_edu.testing.numeric.rounding import EXACT
from tinygrad_edu.testing.numeric.sampling import Rng, draw_signed

_TINY = float(np.finfo(np.float64).tiny)


def gradient_of_jacobian(flat: FlatFunction, jacobian: Function, rng: Rng) -> ClaimedGradient:
    """Return the pullback of a function that takes the arguments of `flat` and returns the Jacobian."""
    rule = _JacobianRule(flat, jacobian)
    return ClaimedGradient(flat, rule.pull, rng, details=rule.details)


@dataclass(frozen=True)
class _JacobianRule:
    """A Jacobian as a list of rows, one for each array of the result, with a block for each input.

    For complex inputs and results, a block is the complex derivative. If the result is real, it is the gradient.
    """

    flat: FlatFunction
    jacobian: Function

    def blocks(self, point: Sequence[Any]) -> list[list[Array]]:
        """Return the blocks. The shape of each is the shape of the result, followed by the shape of the input."""
        result, claimed = self.flat.result, self.jacobian(*point)
        rows = match_leaves(result.parts[0], claimed, of_any_type=True)
        if rows is None:
            raise GradientMismatch(
                f"{self.flat.name}: the Jacobian must have the structure of the result, {outline(result.parts[0])}, "
                f"with the derivatives by the inputs in place of each array, got {outline(claimed)}."
            )
        return [self._row(*pair) for pair in zip(rows, result.arrays, strict=True)]

    def _row(self, row: Any, out: Array) -> list[Array]:
        if hasattr(row, "rmatvec"):  # a LinearOperator of SciPy
            row = row @ np.eye(row.shape[1])
        derivatives = match_inputs(self.flat, np.array(row) if is_number_list(row) else row, out.shape)
        inputs = zip(derivatives, self.flat.names, self.flat.point.arrays, strict=True)
        return [_block(self.flat.name, name, block, out, x) for block, name, x in inputs]

    def pull(self, *arguments: Any) -> tuple[Any, ...]:
        """Return the gradients, given the arguments and a cotangent."""
        *point, cotangent = arguments
        rows, cotangents = self.blocks(point), match_leaves(self.flat.result.parts[0], cotangent)
        assert cotangents is not None
        gradients = []
        for k, x in enumerate(self.flat.point.arrays):
            pairs = zip(cotangents, rows, strict=True)
            terms = [self._pulled(np.asarray(g), row[k], is_complex(x)) for g, row in pairs]
            gradients.append(sum(terms[1:], terms[0]))
        return self.flat.point.filled(gradients, lambda _: None)

    @np.errstate(all="ignore")
    def _pulled(self, g: Array, block: Array, to_complex: bool) -> Array:
        """Return the product of a cotangent and a block, in the precision of the block."""
        product = np.tensordot(g, _wide(block, is_complex(g) and self.flat.convention == "torch"), g.ndim)
        product = product.real if is_complex(g) and not to_complex else product
        if not is_floating(block.real.dtype):
            return product
        return product.astype(np.result_type(block.dtype, np.complex64) if is_complex(product) else block.real.dtype)

    def _pushed(self, k: int, direction: Array, blocks: Sequence[Array]) -> Array:
        """Return the claimed derivative along a direction of input `k`. `blocks` are the column of that input."""
        (tangent,) = unravel_arrays(direction, [self.flat.point.arrays[k]])
        parts = []
        for block, out in zip(blocks, self.flat.result.arrays, strict=True):
            is_gradient = is_complex(tangent) and not is_complex(out)
            terms = _wide(block, is_gradient and self.flat.convention == "torch") * tangent
            product = np.sum(np.where(tangent == 0, 0, terms), axis=tuple(range(out.ndim, terms.ndim)))
            parts.append(as_real_like(product.real if is_gradient else product, out))
        return ravel_arrays(parts)

    # --- The message about a wrong Jacobian ---

    @np.errstate(all="ignore")  # the Jacobian may be infinite
    def details(self, claim: Claim, k: int, rng: Rng) -> str:
        """Return whether the Jacobian by input `k` is transposed, or else its worst entry."""
        blocks = [row[k] for row in self.blocks(self.flat.arguments(self.flat.arrays))]
        elements, ndim = np.arange(claim.arrays[k].size), self.flat.point.arrays[k].ndim
        if len(blocks) == 1 and ndim and blocks[0].shape[:ndim] == blocks[0].shape[ndim:]:
            transposed = np.moveaxis(blocks[0], range(ndim), range(ndim, 2 * ndim))
            if np.all(self._gaps(claim, k, elements, [transposed], rng)[0] <= 1):
                return f"The Jacobian by {claim.names[k]} is transposed."
        while len(elements) > 1:
            halves = np.array_split(elements, 2)
            elements = max(halves, key=lambda half: np.max(self._gaps(claim, k, half, blocks, rng)[0]))
        gaps, claimed, numeric, error = self._gaps(claim, k, elements, blocks, rng)
        row = int(np.argmax(gaps))
        if gaps.flat[row] <= 1:
            return ""
        entry = f"{_at('result', row, gaps.shape)} by {_at(claim.names[k], elements[0], claim.arrays[k].shape)}"
        return (
            f"In the Jacobian, the derivative of {entry} is wrong: analytic {claimed.flat[row]:.10g}, numeric "
            f"{numeric.flat[row]:.10g} (to within {error.flat[row]:.1g})."
        )

    def _gaps(
        self, claim: Claim, k: int, elements: Array, blocks: Sequence[Array], rng: Rng
    ) -> tuple[Array, Array, Array, Array]:
        """Compare along a direction of some elements of input `k`.

        Return the differences relative to the allowed ones, the claimed and the numeric derivatives, and their errors.
        """
        direction = np.zeros(claim.arrays[k].shape)
        direction.flat[elements] = draw_signed(rng, elements.shape) if len(elements) > 1 else 1.0
        slope = derivative_along(claim.of_input(k), claim.arrays[k], direction, claim.value, claim.scale)
        claimed = self._pushed(k, direction, blocks)
        size = self._pushed(k, np.abs(direction), [np.abs(block) for block in blocks])
        rounding = max(EXACT, *(64 * unit_of(block.real.dtype) for block in blocks)) * np.abs(size)
        gaps = np.abs(claimed - slope.value) / (SAFETY * slope.error + rounding + _TINY)
        return np.where(np.isnan(gaps), np.inf, gaps), claimed, slope.value, slope.error


def _at(name: str, position: int, shape: tuple[int, ...]) -> str:
    """Return the code for an element of an array."""
    return f"{name}[{', '.join(map(str, np.unravel_index(position, shape)))}]" if shape else name


def _block(name: str, input_name: str, block: Any, out: Array, x: Array) -> Array:
    """Return a block in its shape. For a result of one element, it may have the shape of the input, or one row."""
    shape = (*out.shape, *x.shape)
    if block is None:
        return np.zeros(shape)
    array = as_numbers(block)
    assert array is not None
    if array.shape == shape or (out.size == 1 and array.shape in (x.shape, (1, *x.shape))):
        return array.reshape(shape)
    transposed = " It is transposed." if array.shape == (*x.shape, *out.shape) else ""
    raise GradientMismatch(
        f"{name}: the Jacobian by {input_name} must have the shape of the result, {out.shape}, and then that of "
        f"{input_name}, {x.shape}, got {array.shape}.{transposed}"
    )


def _wide(block: Array, is_conjugated: bool) -> Array:
    wide = block.astype(np.complex128 if is_complex(block) else np.float64)
    return np.conj(wide) if is_conjugated else wide
