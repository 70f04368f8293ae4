"""check_vmap: check that vmap of a function equals a loop over the samples, values and gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, Function, Tensor, from_numpy, values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.shared.pytree import tree_leaves
from tinygrad_edu.testing.failures import LawBroken
from tinygrad_edu.testing.numeric.sampling import Rng, draw_signed, seeded
from tinygrad_edu.testing.op_call import title_of
from tinygrad_edu.testing.report.reproduction import reproducible
from tinygrad_edu.testing.verdict import Report
from tinygrad_edu.transforms import vjp
from tinygrad_edu.transforms.vmap import vmap

# The rounding error of two orders of addition, relative to the largest number of a sample.
_ROUNDING = 2.0**-34


@reproducible
def check_vmap(f: Function, *arrays: Any, in_axes: Any = 0, rng: Rng | None = None) -> Report:
    """Check that `vmap` of a function equals a loop over the samples: values, and gradients at random cotangents.

    The gradients are those of ``vmap(f)``, and those inside of it, as in ``vmap(grad(f))``.

    Parameters
    ----------
    f : callable
        Takes Tensors, and returns a Tensor or a pytree of Tensors.
    *arrays : array_like
        The arguments of all samples. Floating-point arrays are converted to float64, and f is differentiated with
        respect to them.
    in_axes : int, None or sequence of them, default 0
        The axis of the samples in each array, as in `vmap`; None for an array that all samples share.
    rng : numpy.random.Generator, optional
        Draws the cotangents. Default: a seeded one.

    Raises
    ------
    LawBroken
        A value or a gradient differs.
    ShapeError
        The arrays have different numbers of samples, or none is mapped.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> check_vmap(lambda x, w: tg.tanh(x @ w), np.ones((3, 2)), np.ones((2, 4)), in_axes=(0, None))
    <Report: right>
    """
    axes = tuple(in_axes) if isinstance(in_axes, list | tuple) else (in_axes,) * len(arrays)
    values = [np.asarray(values_of(x)) for x in arrays]
    points = [from_numpy(x.astype(np.float64) if x.dtype.kind == "f" else x) for x in values]
    report, loop = Report(f"vmap of {title_of(f)}"), _Loop(f, points, axes)
    if report.run("vmap equals a loop: values", loop.require_values):
        cotangents = loop.draw_cotangents(seeded(rng))
        report.run("vmap equals a loop: gradients", loop.require_gradients, cotangents)
        report.run("vmap equals a loop: gradients inside", loop.require_gradients_inside, cotangents)
    return report.conclude()


class _Loop:
    """The samples of a function, computed one by one."""

    def __init__(self, f: Function, points: Sequence[Tensor], axes: Sequence[int | None]) -> None:
        self.f, self.points, self.axes, self.name = f, points, axes, title_of(f)
        self.floating = [k for k, x in enumerate(points) if x.dtype.kind == "f"]
        counts = {x.shape[axis] for x, axis in zip(points, axes, strict=True) if axis is not None}
        if len(counts) != 1:
            raise ShapeError(f"check_vmap: the mapped axes must have one length, got {sorted(counts) or 'no axis'}.")
        (self.count,) = counts
        self.results = [vjp(self._of_floating(row), *self._floats(row)) for row in map(self._sample, range(self.count))]
        self.leaves = [list(tree_leaves(out)) for out, _ in self.results]

    def _sample(self, index: int) -> list[Any]:
        pairs = zip(self.points, self.axes, strict=True)
        return [x if axis is None else from_numpy(np.array(x.numpy().take(index, axis))) for x, axis in pairs]

    def _floats(self, row: Sequence[Any]) -> list[Any]:
        return [row[k] for k in self.floating]

    def _of_floating(self, row: Sequence[Any], f: Function | None = None) -> Function:
        """Return f as a function of the floating-point arguments only, which returns floating-point Tensors."""

        def function(*floats: Any) -> Any:
            arguments = list(row)
            for k, x in zip(self.floating, floats, strict=True):
                arguments[k] = x
            return [x if isinstance(x, Tensor) else Tensor(x) for x in tree_leaves((f or self.f)(*arguments))]

        return function

    def draw_cotangents(self, rng: Rng) -> list[list[Array]]:
        """Return a cotangent for each leaf of the result of each sample."""
        return [[draw_signed(rng, x.shape) for x in leaves] for leaves in self.leaves]

    def require_values(self) -> None:
        """Require equal values."""
        found = list(tree_leaves(vmap(self.f, self.axes)(*self.points)))
        if len(found) != len(self.leaves[0]):
            raise LawBroken(f"vmap of {self.name}: {len(found)} results, where the loop has {len(self.leaves[0])}.")
        for k, x in enumerate(found):
            self._require_equal(f"result {k}", x, [leaves[k] for leaves in self.leaves])

    def require_gradients(self, cotangents: Sequence[Sequence[Array]]) -> None:
        """Require equal gradients of vmap(f). That of a shared array is the sum over the samples."""
        mapped = vmap(self.f, self.axes)
        _, pullback = vjp(self._of_floating(self.points, mapped), *self._floats(self.points))
        found = pullback([np.stack(each) for each in zip(*cotangents, strict=True)])
        for k, g, each in zip(self.floating, found, self._gradients(cotangents), strict=True):
            axis = self.axes[k]
            if axis is None:
                self._require_equal(f"gradient of argument {k}", g[None], [np.sum(each, axis=0)])
            else:
                self._require_equal(f"gradient of argument {k}", np.moveaxis(np.asarray(values_of(g)), axis, 0), each)

    def require_gradients_inside(self, cotangents: Sequence[Sequence[Array]]) -> None:
        """Require equal gradients of each sample inside of vmap, also for a shared array."""

        def gradients(gs: Any, *row: Any) -> Any:
            return vjp(self._of_floating(row), *self._floats(row))[1](gs)

        stacked = [np.stack(each) for each in zip(*cotangents, strict=True)]
        found = vmap(gradients, (0, *self.axes))(stacked, *self.points)
        for k, g, each in zip(self.floating, found, self._gradients(cotangents), strict=True):
            self._require_equal(f"gradient of argument {k} inside of vmap", g, each)

    def _gradients(self, cotangents: Sequence[Sequence[Array]]) -> list[list[Array]]:
        """Return, for each floating-point argument, the gradients of all samples."""
        rows = [pullback(list(gs)) for (_, pullback), gs in zip(self.results, cotangents, strict=True)]
        return [[np.asarray(values_of(g)) for g in each] for each in zip(*rows, strict=True)]

    def _require_equal(self, what: str, found: Any, wanted: Sequence[Any]) -> None:
        """Raise unless two results are equal up to rounding errors."""
        actual = np.asarray(values_of(found))
        expected = np.stack([np.asarray(values_of(x)) for x in wanted])
        if actual.shape != expected.shape:
            raise LawBroken(f"vmap of {self.name}: {what} has shape {actual.shape}, the loop's {expected.shape}.")
        axes = tuple(range(1, expected.ndim))
        largest = np.max(np.abs(expected), axes, keepdims=True, initial=1.0, where=np.isfinite(expected))
        wrong = ~np.isclose(actual, expected, _ROUNDING, _ROUNDING * largest, equal_nan=True)
        if np.any(wrong):
            index = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise LawBroken(
                f"vmap of {self.name}: {what} differs from the loop in {np.count_nonzero(wrong)} of {wrong.size} "
                f"elements, first at {index}: {actual[index]} instead of {expected[index]}."
            )
