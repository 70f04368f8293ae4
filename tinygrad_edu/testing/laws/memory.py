"""Laws of memory: layouts do not matter, nothing is written to, and a later call changes no earlier gradient."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.failures import CheckFailed, LawBroken
from tinygrad_edu.testing.laws.probe import Probe, agree, same
from tinygrad_edu.testing.purity import copies
from tinygrad_edu.testing.verdict import NotApplicable, Verdict


def nothing_is_written_to(p: Probe) -> None:
    """Check that neither the function nor its gradient writes into an input, a result or a cotangent."""
    arrays, cotangents = copies(p.d.arrays), copies(p.cotangents)
    results, pullback = p.d.record(arrays, range(len(arrays)))
    _require_unchanged(p, "the function", arrays, p.d.arrays, p.d.names)
    before = [x.copy() for x in results]
    first = [g.copy() for g in pullback(cotangents)]
    _require_unchanged(p, "the gradient", cotangents, p.cotangents, ["its cotangent"] * len(cotangents))
    _require_unchanged(p, "the gradient", results, before, ["the result"] * len(results))
    _require_unchanged(p, "the gradient", arrays, p.d.arrays, p.d.names)
    if p.d.keeps_graphs:
        for name, again, once in zip(p.d.names, pullback(copies(p.cotangents)), first, strict=True):
            if not agree(again, once):
                law = f"a second backward through the same graph gives another gradient of {name}, so the first changes"
                raise p.broken(f"{law} a saved value", again, once)


def _require_unchanged(
    p: Probe, writer: str, arrays: Sequence[Array], before: Sequence[Array], names: Sequence[str]
) -> None:
    for name, x, original in zip(names, arrays, before, strict=True):
        if not same(x, original):
            raise LawBroken(f"{p.d.name}: {writer} writes into {name}. Compute on a copy.")


def later_calls(p: Probe) -> None:
    """Check that a call at another point changes neither the graph nor the gradients of an earlier call."""
    d = p.d
    others = [x.copy() if k in d.shared else _moved(x) for k, x in enumerate(d.arrays)]
    _, pullback = d.record(copies(d.arrays), range(len(d.arrays)))
    if d.keeps_graphs:
        _call(p, others, backward=False)
    kept = pullback(copies(p.cotangents))
    p.require_gradients(copies(kept), "a later call of the function changes the gradient of {}")
    _call(p, others, backward=True)
    # Copies, because a measurement of the rounding calls the function again.
    p.require_gradients(copies(kept), "a later call overwrites the gradient of {}, which an earlier call returned")
    p.require_gradients(p.pull(p.cotangents), "the gradient of {} depends on an earlier call")


def _call(p: Probe, arrays: Sequence[Array], backward: bool) -> None:
    """Call the function, and compute its gradients, at another point, which it may reject."""
    with contextlib.suppress(Exception):
        _, pullback = p.d.record(copies(arrays), range(len(arrays)))
        if backward:
            pullback([np.asarray(0.75 * np.flip(g), g.dtype) for g in p.cotangents])


def _moved(x: Array) -> Array:
    """Return other numbers in the same range. A symmetric positive definite matrix remains one."""
    return np.asarray(0.9375 * np.flip(x), x.dtype)


def layouts(p: Probe) -> Iterator[Verdict]:
    """Check that results and gradients do not depend on the memory layouts of the inputs and cotangents."""
    if not p.d.layouts:
        raise NotApplicable("the arrays of this framework have no memory layouts")
    of_cotangents = {"expanded": _expanded, **p.d.layouts}
    of_inputs = {**p.d.layouts, "unchanged": _identical}
    if p.d.is_random:
        of_inputs = dict.fromkeys(of_inputs, _identical)
    # Each layout of inputs is tested with another one of cotangents, and alone if that fails.
    for (name, arrange_x), (of_g, arrange_g) in zip(of_inputs.items(), of_cotangents.items(), strict=True):
        arrangements = (arranged_as(_identical if k in p.d.shared else arrange_x, x) for k, x in enumerate(p.d.arrays))
        inputs, cotangents = [*arrangements], [arranged_as(arrange_g, g) for g in p.cotangents]
        both = _compared(p, f"{name} inputs and {of_g} cotangents", inputs, cotangents)
        if both.status == "right":
            yield both
        else:
            yield _compared(p, f"{name} inputs", inputs, copies(p.cotangents))
            yield _compared(p, f"{of_g} cotangents", copies(p.d.arrays), cotangents)


def _identical(x: Array) -> Array:
    return x.copy()


def _expanded(x: Array) -> Array:
    """Return the first number of x with stride 0 along all axes, as the cotangents of a sum."""
    return np.broadcast_to(x.reshape(-1)[:1].reshape(()), x.shape)


def arranged_as(arrange: Callable[[Array], Array], x: Array) -> Array:
    """Return a copy of an array in a layout; 0-d and empty arrays have only one."""
    return arrange(x) if x.ndim and x.size else x.copy()


def _compared(p: Probe, kind: str, arrays: Sequence[Array], cotangents: Sequence[Array]) -> Verdict:
    """Return the verdict about arrays in a layout, compared with contiguous arrays of the same values.

    A layout of stride 0 is another point, where the function may jump: a matrix of equal rows is singular.
    """
    moves = not all(map(same, arrays, p.d.arrays))
    changed = moves or not all(map(same, cotangents, p.cotangents))
    try:
        expected = p.at(*([np.array(x, order="C") for x in xs] for xs in (arrays, cotangents))) if changed else p
    except (CheckFailed, NotApplicable) as error:
        return Verdict("layouts", kind, reason=f"the function rejects the values: {error}")
    try:
        results, gradients = p.d.evaluate(arrays, cotangents, where=f" for {kind}")
        expected.require_results(results, f"a result differs between {kind} and contiguous ones")
        expected.require_gradients(gradients, f"the gradient of {{}} differs between {kind} and contiguous ones")
    except NotApplicable as reason:  # the function rejects the layout, or the values in it
        return Verdict("layouts", kind, reason=str(reason))
    except CheckFailed as error:
        if moves and not expected.is_stable:
            return Verdict("layouts", kind, reason=f"the results jump between points close to the {kind}")
        return Verdict("layouts", kind, error)
    return Verdict("layouts", kind)
