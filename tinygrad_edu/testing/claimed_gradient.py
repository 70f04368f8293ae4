"""ClaimedGradient: a claimed gradient as a function of the cotangent, and the laws about it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, Function
from tinygrad_edu.testing.arrays.array_tree import has_leaves, match_leaves, outline
from tinygrad_edu.testing.arrays.dtypes import as_complex, as_numbers, as_real, is_complex, is_floating, is_real
from tinygrad_edu.testing.arrays.layouts import LAYOUTS
from tinygrad_edu.testing.decision import compare
from tinygrad_edu.testing.differentiable import Differentiable, ResultPullback, require_same
from tinygrad_edu.testing.failures import GradientMismatch
from tinygrad_edu.testing.flat_function import Claim, FlatFunction, call_unwritten, ravel_arrays, unravel_arrays
from tinygrad_edu.testing.laws.functions import arranged_as, run_laws
from tinygrad_edu.testing.laws.slope import verdicts_elsewhere
from tinygrad_edu.testing.numeric.extrapolation import SAFETY
from tinygrad_edu.testing.numeric.finite_differences import derivative_along
from tinygrad_edu.testing.numeric.rounding import EXACT
from tinygrad_edu.testing.numeric.sampling import Rng, draw_signed
from tinygrad_edu.testing.report.mismatch import wrong_shape
from tinygrad_edu.testing.verdict import Report, Verdict

Layouts = Mapping[str, Callable[[Array], Array]]
Details = Callable[[Claim, int, Rng], str]


@dataclass(frozen=True)
class ClaimedGradient:
    """A claimed gradient of a function: a function of the cotangent, both as real arrays.

    `grad` takes the arguments, and then the cotangent unless `takes_cotangent` is false. `details` returns lines for
    the message about a wrong gradient of one input.
    """

    flat: FlatFunction
    grad: Function
    rng: Rng
    takes_cotangent: bool = True
    details: Details | None = None
    push: Callable[[Sequence[Array], Sequence[Array]], list[Array]] | None = None  # a claimed forward derivative

    def __call__(self, cotangent: Array) -> tuple[Array, ...]:
        """Return copies of the claimed gradients."""
        gradients = self.pull(self.arguments(cotangent), cotangent.item() if cotangent.size == 1 else 1.0)
        return tuple(map(np.array, gradients))

    def pull(self, arguments: Sequence[Any], factor: float) -> tuple[Array, ...]:
        """Return the claimed gradients for arguments of `grad`, times a factor if it takes no cotangent."""
        gradients = self._arrays(match_inputs(self.flat, self.grad(*arguments)))
        if self.takes_cotangent:
            return gradients
        return tuple(np.asarray(g * factor, g.dtype if is_floating(g.dtype) else None) for g in gradients)

    @cached_property
    def cotangent(self) -> Array:
        """A random cotangent; one if the gradient takes none."""
        shape = ravel_arrays(self.flat.result.arrays).shape
        return draw_signed(self.rng, shape) if self.takes_cotangent else np.ones(shape)

    @cached_property
    def gradients(self) -> tuple[Array, ...]:
        """The claimed gradients for the random cotangent."""
        return self(self.cotangent)

    @property
    def missing(self) -> list[str]:
        """The names of inputs whose gradient is None."""
        gradients = match_inputs(self.flat, self.grad(*self.arguments(self.cotangent)))
        return [name for name, g in zip(self.flat.names, gradients, strict=True) if g is None]

    def arguments(self, cotangent: Array) -> tuple[Any, ...]:
        """Return arguments for `grad` at the point."""
        flat = self.flat
        parts = unravel_arrays(cotangent, flat.result.arrays)
        return *flat.arguments(flat.arrays), *self.nested(parts, flat.result.copied)

    def nested(self, cotangents: Sequence[Array], place: Callable[..., tuple[Any, ...]]) -> tuple[Any, ...]:
        """Return cotangents as the last argument of `grad`, if it takes one."""
        return place(self.flat.conjugated(cotangents), lambda _: None) if self.takes_cotangent else ()

    def _arrays(self, derivatives: list[Any]) -> tuple[Array, ...]:
        """Return the gradients as real arrays. Raise `GradientMismatch` for another shape than that of the input."""
        flat, inputs = self.flat, self.flat.point.arrays
        gradients = filled_in(derivatives, inputs)
        for k, (g, x) in enumerate(zip(gradients, inputs, strict=True)):
            if g.shape != x.shape:
                raise wrong_shape(replace(flat.claim(self.cotangent, tuple(gradients)), arrays=inputs), k)
        return tuple(as_real_like(g, x) for g, x in zip(flat.conjugated(gradients), inputs, strict=True))


# --- The structure of a claimed gradient ---


def match_inputs(flat: FlatFunction, claimed: Any, outer: tuple[int, ...] = ()) -> list[Any]:
    """Return the derivative for each input. The shape of each is `outer`, followed by the shape of the input.

    `claimed` has the structure of all arguments, of the arguments with inputs, or of the only one with inputs.
    """
    shapes = [(*outer, *x.shape) for x in flat.point.arrays]
    parts = flat.point.parts
    differentiable = tuple(part for part in parts if has_leaves(part))
    nests = [parts] if len(differentiable) == len(parts) else [parts, differentiable]
    # The rows of an array may be gradients of several arguments; an array for a single one has its shape.
    nests = [nest for nest in nests if isinstance(claimed, list | tuple) or len(nest) > 1]
    matches = [gradients for nest in nests if (gradients := match_leaves(nest, claimed)) is not None]
    expected = differentiable[0] if len(differentiable) == 1 else differentiable
    single = match_leaves(expected, claimed)
    if single is not None and (not isinstance(claimed, list | tuple) or have_shapes(single, shapes)):
        matches.append(single)
    found = next((gradients for gradients in matches if have_shapes(gradients, shapes)), None)
    is_array = len(differentiable) > 1 and not isinstance(claimed, dict | list | tuple)  # not rows of gradients
    if found is None and (is_array or not matches):
        raise GradientMismatch(
            f"{flat.name}: the gradient must have the structure of the inputs, {outline(expected)}, got "
            f"{outline(claimed)}. Leave out constants such as integers, or return None for them. A float is an input; "
            f"to keep one constant, bind it: lambda x: f(x, 2.0)."
        )
    return matches[-1] if found is None else found


def have_shapes(claimed: list[Any], shapes: Sequence[tuple[int, ...]]) -> bool:
    """Whether numbers have these shapes. None has any shape."""
    arrays = [None if g is None else as_numbers(g) for g in claimed]
    return all(g is None or g.shape == shape for g, shape in zip(arrays, shapes, strict=True))


def filled_in(claimed: list[Any], like: Sequence[Array]) -> list[Array]:
    """Return derivatives as arrays, with zeros for None."""
    return [np.zeros(x.shape) if g is None else np.asarray(as_numbers(g)) for g, x in zip(claimed, like, strict=True)]


def as_real_like(g: Array, x: Array) -> Array:
    """Return the derivative of a number, or by a number, as a real array, with one more axis if x is complex."""
    if not is_complex(x):
        return g
    return np.stack([g, np.zeros_like(g)], axis=-1) if is_real(g.dtype) else as_real(g)


# --- The laws ---


def is_pure(report: Report, flat: FlatFunction) -> bool:
    """Run the laws that a function must obey to have a derivative. Return whether its results do not vary."""
    report.run("no writes", lambda: call_unwritten(flat.name, flat.f, flat.arguments(flat.arrays), flat.point.names))
    return report.run(
        "deterministic", lambda: require_same(flat.name, ravel_arrays(flat.result.arrays), flat.value(*flat.arrays))
    )


def run_gradient_laws(report: Report, claimed: ClaimedGradient, law: str = "slope") -> None:
    """Run the laws about a claimed gradient. `law` is the name of the comparison with finite differences."""
    if report.run("structure", _require_structure, claimed):
        report.run("no writes", _require_unwritten, claimed)
        if report.run("deterministic", _require_same_gradients, claimed):
            report.run(law, gradient_verdicts, claimed, law)
    if report.status != "wrong":
        layouts = {} if "layouts" in report.skip else dict(_accepted_layouts(claimed.flat))
        run_laws(report, differentiable_gradient(claimed, layouts), claimed.rng)


def _require_structure(claimed: ClaimedGradient) -> None:
    claimed.gradients  # noqa: B018 - it raises


def _require_unwritten(claimed: ClaimedGradient) -> None:
    names = (*claimed.flat.point.names, *["the cotangent"] * claimed.takes_cotangent)
    call_unwritten(f"the derivative of {claimed.flat.name}", claimed.grad, claimed.arguments(claimed.cotangent), names)


def _require_same_gradients(claimed: ClaimedGradient) -> None:
    first, second = (
        np.concatenate([g.reshape(-1).astype(np.complex128) for g in gradients])
        for gradients in (claimed.gradients, claimed(claimed.cotangent))
    )
    require_same(f"the gradient of {claimed.flat.name}", first, second)


def gradient_verdicts(claimed: ClaimedGradient, law: str) -> Iterator[Verdict]:
    """Yield a verdict about the gradient of each input, with details for a wrong one, also at another point."""
    claim = claimed.flat.claim(claimed.cotangent, claimed.gradients)
    is_right = True
    for verdict in compare(claim, claimed.rng, claimed if claimed.takes_cotangent else None, law):
        if isinstance(verdict.error, GradientMismatch):
            k = claimed.flat.names.index(verdict.subject)
            yield replace(verdict, error=_with_details(verdict.error, claimed, claim, k))
            is_right = False
        else:
            yield verdict
    if is_right:
        yield from verdicts_elsewhere(differentiable_gradient(claimed, {}), claim, law)


def differentiable_gradient(claimed: ClaimedGradient, layouts: Layouts) -> Differentiable:
    """Return a function and its claimed gradient for the general laws. Its narrow dtypes are those of the arguments."""
    flat = claimed.flat
    is_real_function = not any(map(is_complex, (*flat.point.arrays, *flat.result.arrays)))

    def value(arrays: Sequence[Array]) -> list[Array]:
        return [as_real(x) for x in flat.call(flat.arguments(arrays, is_copied=False)).arrays]

    def record(arrays: Sequence[Array], needs: Collection[int]) -> tuple[list[Array], ResultPullback]:
        results = value(arrays)

        def pullback(cotangents: Sequence[Array | None]) -> list[Array]:
            filled = [np.zeros_like(x) if g is None else g for g, x in zip(cotangents, results, strict=True)]
            pairs = zip(filled, flat.result.arrays, strict=True)
            nested = claimed.nested([as_complex(g) if is_complex(x) else g for g, x in pairs], flat.result.placed)
            factor = filled[0].item() if not claimed.takes_cotangent else 1.0
            return list(claimed.pull([*flat.arguments(arrays, is_copied=False), *nested], factor))

        return results, pullback

    given = [np.asarray(as_numbers(leaf.given)).dtype for leaf in flat.point.leaves]
    narrow = [dtype if is_floating(dtype) else np.dtype(np.float64) for dtype in given]
    dtypes = [narrow] if is_real_function and any(dtype.itemsize < 8 for dtype in narrow) else []
    return Differentiable(
        flat.name, flat.names, flat.arrays, value, record, dtypes, layouts, accuracy=flat.accuracy, push=claimed.push
    )


def _accepted_layouts(flat: FlatFunction) -> Iterator[tuple[str, Callable[[Array], Array]]]:
    """Yield the layouts of inputs that the function accepts; PyTorch, for example, rejects negative strides."""
    for name, arrange in LAYOUTS.items():
        with contextlib.suppress(Exception):
            arrays = [as_real(arranged_as(arrange, x)) for x in flat.point.arrays]
            flat.call(flat.arguments(arrays, is_copied=False))
            yield name, arrange


# --- The message about a wrong gradient ---


def _with_details(mismatch: GradientMismatch, claimed: ClaimedGradient, claim: Claim, k: int) -> GradientMismatch:
    """Add details about a wrong gradient to its message, after the first line."""
    lines: list[str] = []
    with contextlib.suppress(Exception):  # f may raise at other points
        if claimed.missing:
            lines.append(f"grad returned None, which means zero, for {', '.join(claimed.missing)}")
        lines += _about_complex(claimed, claim, k)
        lines += [claimed.details(claim, k, claimed.rng)] if claimed.details else []
    headline, _, rest = str(mismatch).partition("\n")
    mismatch.args = ("\n".join([headline, *(f"  {line}" for line in lines if line), *filter(None, [rest])]),)
    return mismatch


def _about_complex(claimed: ClaimedGradient, claim: Claim, k: int) -> Iterator[str]:
    """Yield lines about the gradient of a complex function."""
    flat, input_is_complex = claimed.flat, is_complex(claimed.flat.point.arrays[k])
    result_is_complex = any(map(is_complex, flat.result.arrays))
    if not (input_is_complex or result_is_complex):
        return
    names = [claim.names[k]] * input_is_complex + ["the result"] * result_is_complex
    yield f"The last index of {' and of '.join(names)} is 0 for the real part, and 1 for the imaginary part."
    other: Any = "jax" if flat.convention == "torch" else "torch"
    gradients = replace(claimed, flat=replace(flat, convention=other))(claimed.cotangent)
    if agrees(claim, k, gradients[k], claimed.rng):
        yield f'A conjugate is missing or extra: the gradient is correct with convention="{other}".'
    elif input_is_complex and agrees(claim, k, claim.gradients[k] * [1, -1], claimed.rng):
        yield "It is the conjugate of the correct gradient."


def agrees(claim: Claim, k: int, gradient: Array, rng: Rng) -> bool:
    """Whether another gradient of input `k` agrees with the numeric derivatives along two random directions."""
    for direction in [draw_signed(rng, gradient.shape) for _ in range(2)]:
        slope = derivative_along(claim.of_input(k), claim.arrays[k], direction, claim.value, claim.scale)
        terms = gradient * direction
        allowed = SAFETY * np.sum(np.abs(claim.cotangent) * slope.error) + EXACT * np.sum(np.abs(terms))
        if not abs(np.sum(terms) - np.sum(claim.cotangent * slope.value)) <= allowed:
            return False
    return True
