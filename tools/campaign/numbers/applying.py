"""Predicates of the ledger: whether a difference applies to a program and a finding."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np

from tools.campaign.numbers.closeness import largest
from tools.campaign.numbers.judges import Finding
from tools.campaign.numbers.program import Program

PRODUCTS = (
    "dot", "vdot", "inner", "outer", "matmul", "tensordot", "einsum", "kron", "bmm", "linear", "linalg.multi_dot",
)  # fmt: skip


def refused(*parts: str) -> Callable[[Program, Finding], bool]:
    """Return a predicate: our side raises, and the message contains one of these parts."""
    return lambda program, finding: isinstance(finding.ours, Exception) and any(p in str(finding.ours) for p in parts)


def refused_by(judge: str, *parts: str) -> Callable[[Program, Finding], bool]:
    """Return a predicate: NumPy or PyTorch raises, and the message contains one of these parts."""

    def applies(program: Program, finding: Finding) -> bool:
        return finding.judge.startswith(judge) and any(part in str(finding.theirs) for part in parts)

    return applies


def gradients(program: Program, finding: Finding) -> bool:
    return finding.judge == "PyTorch" and finding.stage in ("first", "second")


def second(program: Program, finding: Finding) -> bool:
    return finding.judge == "PyTorch" and finding.stage == "second"


def values(program: Program, finding: Finding) -> bool:
    return finding.stage == "values"


def ties(program: Program, finding: Finding) -> bool:
    """Return whether gradients differ and an input has equal elements."""
    return gradients(program, finding) and has_ties(program)


def ties_or_nan(program: Program, finding: Finding) -> bool:
    """Return whether gradients differ and an input has equal elements or NaN."""
    return gradients(program, finding) and (has_ties(program) or has_nan(program))


def positions_of_ties(program: Program, finding: Finding) -> bool:
    chosen = has_ties(program) or has_nan(program)
    return finding.stage == "values" and chosen and whole(finding.ours) and whole(finding.theirs)


def has_ties(program: Program) -> bool:
    """Return whether two elements of the inputs have the same magnitude."""
    sizes = np.concatenate([np.abs(x).ravel() for x in program.inputs.values() if x.dtype.kind == "f"] or [np.zeros(0)])
    return len(np.unique(sizes, equal_nan=True)) < len(sizes)


def whole(x: Any) -> bool:
    return isinstance(x, np.ndarray) and bool((np.isfinite(x) & (x == np.round(x))).all())


def apart(finding: Finding) -> Any:
    """Return the differing elements of both results, or None if they are not comparable arrays."""
    if not (isinstance(finding.ours, np.ndarray) and isinstance(finding.theirs, np.ndarray)):
        return None
    if finding.ours.shape != finding.theirs.shape or finding.ours.dtype.kind != "f":
        return None
    with np.errstate(all="ignore"):
        same = np.abs(finding.ours - finding.theirs) <= 1e-8 * np.abs(finding.theirs) + 1e-12 * largest(finding.theirs)
    same |= (finding.ours == finding.theirs) | (np.isnan(finding.ours) & np.isnan(finding.theirs))
    return finding.ours[~same], finding.theirs[~same]


def denormal(program: Program, finding: Finding) -> bool:
    """Return whether the results differ from PyTorch in subnormal numbers only."""
    places = apart(finding)
    return finding.judge == "PyTorch" and places is not None and all((np.abs(x) < 1e-300).all() for x in places)


def on_a_tail(program: Program, finding: Finding) -> bool:
    """Return whether gradients differ, for inputs far from 0 or for results of other calls."""
    return gradients(program, finding) and (len(program.steps) > 1 or max(map(largest, program.inputs.values())) > 5)


def of_one_element(program: Program, finding: Finding) -> bool:
    """Return whether gradients differ for an axis of length 1, only by the rounding error of a cancellation."""
    x = next(iter(program.inputs.values()))
    places, smallest = apart(finding), np.abs(x[x != 0]).min(initial=1) ** (2 if finding.stage == "second" else 1)
    rounding = 64 * float(np.finfo(np.float64).eps)
    with np.errstate(all="ignore"):
        small = places is not None and all((np.abs(numbers) * smallest <= rounding).all() for numbers in places)
    return gradients(program, finding) and 1 in x.shape and small


def their_nan(program: Program, finding: Finding) -> bool:
    """Return whether PyTorch's gradient is NaN at every difference."""
    places = apart(finding)
    return gradients(program, finding) and places is not None and bool(np.isnan(places[1]).all())


def our_nan(program: Program, finding: Finding) -> bool:
    """Return whether our gradient is NaN at every difference."""
    places = apart(finding)
    return gradients(program, finding) and places is not None and bool(np.isnan(places[0]).all())


def finite(program: Program) -> bool:
    return all(np.isfinite(x).all() for x in program.inputs.values())


def has_infinities(program: Program) -> bool:
    return any(np.isinf(x).any() for x in program.inputs.values() if x.dtype.kind == "f")


def has_nan(program: Program) -> bool:
    return any(np.isnan(x).any() for x in program.inputs.values() if x.dtype.kind == "f")


def beyond_float16(program: Program, finding: Finding) -> bool:
    """Return whether an integer or its square exceeds the range of float16, next to a float16 input."""
    integers = [x for x in program.inputs.values() if x.dtype.kind in "iu"]
    halves = any(x.dtype == np.float16 for x in program.inputs.values())
    return finding.judge == "NumPy, Tensors" and halves and any(largest(x) ** 2 >= 65520 for x in integers)


def beyond_squares(program: Program, finding: Finding) -> bool:
    """Return whether the square of an input may overflow or underflow."""
    floats = [x for x in program.inputs.values() if x.dtype.kind == "f" and x.size]
    numbers = np.concatenate([np.abs(x[np.isfinite(x) & (x != 0)], dtype=np.float64) for x in floats] or [np.zeros(0)])
    judged = finding.judge == "PyTorch" or bool(program.functions & set(PRODUCTS))
    return judged and bool(((numbers > 1e100) | (numbers < 1e-100)).any())


def infinite_products(program: Program, finding: Finding) -> bool:
    """Return whether results differ only where one is not finite, and an input is not finite."""
    places = apart(finding)
    judged = finding.judge == "PyTorch" or bool(program.functions & set(PRODUCTS))
    not_finite = places is not None and not (np.isfinite(places[0]) & np.isfinite(places[1])).any()
    return judged and not_finite and not finite(program)


def partial_products_overflow(program: Program, finding: Finding) -> bool:
    """Return whether a sum of products of two inputs may overflow their common dtype or a floating Tensor's."""
    inputs = list(program.inputs.values())
    floats = [x.dtype for x in inputs if x.dtype.kind == "f"] if finding.judge == "NumPy, Tensors" else []
    return finding.judge.startswith("NumPy") and any(
        largest(x) * largest(y) * max(x.size, y.size) > min(map(_greatest, (np.result_type(x, y), *floats)))
        for x, y in combinations(inputs, 2)
    )


def _greatest(dtype: np.dtype[Any]) -> float:
    if dtype.kind == "b":
        return 1.0
    return float((np.finfo if dtype.kind == "f" else np.iinfo)(dtype).max)


def singular(program: Program, finding: Finding) -> bool:
    """Return whether an input, or the symmetric matrix of one of its triangles, is singular up to rounding."""
    with np.errstate(all="ignore"):
        inputs = [np.asarray(x, np.float64) for x in program.inputs.values() if x.ndim > 1 and x.size]
        square = [x for x in inputs if x.shape[-1] == x.shape[-2]]
        halves = [
            half(x) + np.swapaxes(half(x, k), -1, -2) for x in square for half, k in ((np.triu, 1), (np.tril, -1))
        ]
        matrices = [x for x in (*inputs, *halves) if np.isfinite(x).all()]
        return any(not (np.linalg.cond(x) <= 1e12).all() for x in matrices)  # of zeros, it is NaN


def next_to_ends(program: Program) -> bool:
    """Return whether an input is so close to 0 or 1 that PyTorch's 1e-10 changes p (1 - p)."""
    return any(
        (np.minimum(np.abs(x), np.abs(1 - x)) < 0.05).any() for x in program.inputs.values() if x.dtype.kind == "f"
    )


def zero_d(program: Program, finding: Finding) -> bool:
    return finding.stage == "shapes" and any(not x.ndim for x in program.inputs.values())


def empty(program: Program, finding: Finding) -> bool:
    return any(not x.size for x in program.inputs.values())


def signs_of_zeros(program: Program, finding: Finding) -> bool:
    x, y = finding.ours, finding.theirs
    if not (
        finding.stage == "values" and isinstance(x, np.ndarray) and isinstance(y, np.ndarray) and x.dtype.kind == "f"
    ):
        return False
    close = np.isclose(x, y, rtol=16 * float(np.finfo(x.dtype).eps), atol=0, equal_nan=True)
    return finding.judge.startswith("NumPy") and bool(close.all())


def decided_by_a_zero(program: Program, finding: Finding) -> bool:
    telling = {"arctan2", "copysign", "divide", "reciprocal", "rsqrt", "power"}
    zeros = any((x == 0).any() for x in program.inputs.values())
    return len(program.steps) > 1 and bool(program.functions & telling) and zeros
