"""Laws of differentiable ops, which `check_op` checks.

Each law takes a `Call`, a random cotangent and the op's gradients, and raises `LawBroken` if it does not hold.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import warnings
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, Tensor, from_numpy, no_grad
from tinygrad_edu.testing.arrays.layouts import LAYOUTS
from tinygrad_edu.testing.failures import LawBroken
from tinygrad_edu.testing.laws.mixed_dtypes import check_dtypes
from tinygrad_edu.testing.numeric.finite_differences import largest
from tinygrad_edu.testing.op_call import Call
from tinygrad_edu.transforms import vjp

# The allowed difference, in rounding units, of two sums of the same terms in another order.
_UNITS = {np.dtype(np.float64): 5e4, np.dtype(np.float32): 256, np.dtype(np.float16): 64}


def pull(call: Call, g: Array, positions: Sequence[int] | None = None) -> list[Array]:
    """Return the gradients that ``backward(g)`` computes for the inputs at `positions`, by default all."""
    positions = range(len(call.arrays)) if positions is None else positions
    leaves = [from_numpy(x, requires_grad=k in positions) for k, x in enumerate(call.arrays)]
    call(*leaves).backward(g)
    return [_grad_of(leaves[k]) for k in positions]


_leaf = partial(from_numpy, requires_grad=True)  # shares the memory of the array, and so has its layout


def _grad_of(leaf: Tensor) -> Array:
    return np.zeros(leaf.shape, leaf.dtype) if leaf.grad is None else leaf.grad


def _require(holds: bool, call: Call, law: str) -> None:
    if not holds:
        raise LawBroken(f"op {call.name}: {law}.")


def _accepts(call: Call) -> bool:
    """Whether an op accepts these inputs. For example, NumPy's linear algebra rejects float16."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a constant may overflow in the dtype of the tensors
            call(*map(_leaf, call.arrays))
    except Exception:
        return False
    return True


def _rounding(*arrays: Array) -> float:
    """Return the allowed relative rounding error for the lowest precision among arrays."""
    dtypes = {x.dtype for x in arrays if x.dtype in _UNITS} or {np.dtype(np.float64)}
    return max(_UNITS[dtype] * float(np.finfo(dtype).eps) for dtype in dtypes)


def _cancellation(gradient: Array, g: Array) -> float:
    """Return the allowed rounding error of a gradient whose terms are as large as g and may cancel."""
    units = 16 if gradient.dtype == np.float64 else _UNITS.get(gradient.dtype, 0)
    return units * float(np.finfo(gradient.dtype).eps) * largest(g)


def _value_cancellation(call: Call) -> Array:
    """Return the allowed rounding error of each element of a result whose terms may cancel.

    A sum of n terms has an error of at most n rounding units of the sum of their magnitudes. The terms are the input
    elements times their derivatives.
    """
    value = np.asarray(call(*call.arrays))
    terms = np.zeros(value.shape)
    for index in np.ndindex(value.shape):
        cotangent = np.zeros_like(value)
        cotangent[index] = 1
        slopes = zip(call.arrays, pull(call, cotangent), strict=True)
        terms[index] = sum(np.abs(np.multiply(x, slope, dtype=np.float64)).sum() for x, slope in slopes)
    units = sum(x.size for x in call.arrays)
    return np.where(np.isfinite(terms), units * float(np.finfo(value.dtype).eps) * terms, 0)


def _overflow_mask(*gradients: Array) -> Array:
    """Return where float16 gradients overflow. The laws do not compare these elements."""
    narrow = gradients[0].dtype == np.float16
    mask: Array = np.any([~np.isfinite(x) for x in gradients], axis=0) & narrow
    return mask


def _without_overflow(a: Array, b: Array) -> tuple[Array, Array]:
    """Return two gradients with zeros where one of them overflows."""
    mask = _overflow_mask(a, b)
    return np.where(mask, 0, a), np.where(mask, 0, b)


def _close(a: Array, b: Array, rounding: float = 0.0, floor: float | Array = 0.0) -> bool:
    if np.array_equal(a, b):
        return True
    scale, rounding = largest(b), max(rounding, _rounding(a, b))
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=rounding, atol=rounding * scale + floor, equal_nan=True))


def _same(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))


# --- The laws of the forward function ---


def forward_is_plain(call: Call, reference: Callable[..., Any] | None = None) -> None:
    """Check that an op returns the same values for arrays and Tensors, and that they equal the reference."""
    plain = np.asarray(call(*call.arrays))
    recorded = call(*map(_leaf, call.arrays)).numpy()
    # A constant array takes the dtype of Tensors, but NumPy promotes an array to the wider dtype.
    takes_tensor_dtype = recorded.dtype != plain.dtype and recorded.dtype in {x.dtype for x in call.arrays}
    agrees = _close(recorded, plain) if takes_tensor_dtype else _same(recorded, plain)
    _require(agrees, call, "the result for Tensors differs from the result for plain arrays")
    if reference is not None:
        expected = np.asarray(reference(*call.inputs, **call.settings))
        law = f"the dtype must be {expected.dtype}, as in the reference, got {plain.dtype}"
        _require(plain.dtype == expected.dtype, call, law)
        _require(_close(plain, expected), call, "the result differs from the reference")


def records_nothing_under_no_grad(call: Call) -> None:
    """Check that the result requires no gradient under no_grad."""
    with no_grad():
        out = call(*(_leaf(x) for x in call.arrays))
    _require(not out.requires_grad, call, "the result requires a gradient under no_grad()")


# --- The laws of the vjps: functions of a call, a cotangent, and the gradients of the call for the cotangent ---


def nothing_is_mutated(call: Call, g: Array) -> None:
    """Check that neither forward nor backward writes into the inputs, the result or the cotangent."""
    leaves = [_leaf(x) for x in call.arrays]
    before = [x.copy() for x in call.arrays]
    out = call(*leaves)
    value, original_g = out.numpy().copy(), g.copy()
    for k, name in enumerate(call.names):
        _require(_same(call.arrays[k], before[k]), call, f"the forward function writes into {name}")
    out.backward(g)
    _require(_same(g, original_g), call, "a vjp writes into the upstream gradient g")
    _require(_same(out.numpy(), value), call, "a vjp writes into the result")
    for k, name in enumerate(call.names):
        _require(_same(call.arrays[k], before[k]), call, f"a vjp writes into {name}")


def linear_in_g(call: Call, g: Array, gradients: Sequence[Array]) -> None:
    """Check that a vjp is linear in its cotangent, and returns zeros for a cotangent of zeros."""
    h = -0.75 * np.flip(g)
    combined = np.asarray(2 * g - 3 * h)
    # The terms may be as large as g times an input, and may cancel.
    input_scale = max(1.0, *(largest(x) for x in call.arrays))
    for name, m, a, b in zip(call.names, pull(call, combined), gradients, pull(call, h), strict=True):
        overflow, rounding, error = _overflow_mask(m, a, b), _rounding(a), input_scale * _cancellation(a, combined)
        m, a, b = (x.astype(np.float64) for x in (m, a, b))
        scale = rounding * largest(2 * np.abs(a) + 3 * np.abs(b)) + error
        is_linear = overflow | (np.abs(m - (2 * a - 3 * b)) <= scale)
        _require(bool(np.all(is_linear)), call, f"the vjp of {name} is not linear in g")
    for name, zero in zip(call.names, pull(call, np.zeros_like(g)), strict=True):
        _require(not np.any((zero != 0) & ~_overflow_mask(zero)), call, f"the vjp of {name} is not zero for g = 0")


def gradients_share_no_memory(call: Call, g: Array, gradients: Sequence[Array]) -> None:
    """Check that no gradient shares memory with another, with an input or with the cotangent."""
    other_arrays = [*zip(call.names, call.arrays, strict=True), ("the upstream gradient g", g)]
    for k, (name, gradient) in enumerate(zip(call.names, gradients, strict=True)):
        for other_name, array in [*other_arrays, *zip(call.names[:k], gradients[:k], strict=True)]:
            law = f"the gradient of {name} shares memory with {other_name}"
            _require(not np.may_share_memory(gradient, array), call, law)


def dtypes_are_kept(call: Call, _: Array, __: Sequence[Array]) -> None:
    """Check the dtypes and values of gradients in float32, in float16 and in mixtures with float64."""
    choices: list[Any] = [np.float32, np.float64]
    mixtures = itertools.product(choices, repeat=len(call.arrays)) if len(call.arrays) < 3 else [[np.float32] * 9]
    for dtypes in (*mixtures, [np.float16] * len(call.arrays)):
        narrow = call.with_arrays([x.astype(t) for x, t in zip(call.arrays, dtypes, strict=False)])
        if np.float32 in dtypes or (np.float16 in dtypes and _accepts(narrow)):
            check_dtypes(narrow, order=1)


def layouts_agree(call: Call, g: Array, _: Sequence[Array]) -> None:
    """Check that inputs and cotangents of any memory layout give the same results as contiguous ones."""
    # If terms cancel, the rounding error depends on the order of the additions.
    scale = max(1.0, *(largest(x) for x in call.arrays))
    error = 16 * float(np.finfo(g.dtype).eps) * scale * largest(g)
    for layout, arrange in LAYOUTS.items():
        arranged = call.map_arrays(partial(_arranged, arrange))
        contiguous = arranged.map_arrays(lambda x: np.array(x, order="C"))
        cotangent = _arranged(arrange, g)
        try:
            expected = pull(contiguous, np.array(cotangent, order="C"))
        except Exception:  # the op rejects these values in any layout, such as a singular matrix with stride 0
            continue
        problem = f"differs between {layout} and contiguous inputs and cotangents"
        actual, reference = (np.asarray(c(*c.arrays)) for c in (arranged, contiguous))
        agrees = _close(actual, reference) or _close(actual, reference, floor=_value_cancellation(contiguous))
        _require(agrees, call, f"the result {problem}")
        for name, actual, reference in zip(call.names, pull(arranged, cotangent), expected, strict=True):
            agrees = _close(actual, reference, floor=error + _cancellation(reference, g))
            _require(agrees, call, f"the gradient of {name} {problem}")


def _arranged(arrange: Callable[[Array], Array], x: Array) -> Array:
    return arrange(x) if x.ndim and x.size else x


def inputs_are_independent(call: Call, g: Array, gradients: Sequence[Array]) -> None:
    """Check that the gradient of an input does not depend on which other inputs require one."""
    for k, name in enumerate(call.names):
        (single,) = pull(call, g, [k])
        _require(_same(single, gradients[k]), call, f"the gradient of {name} depends on which other inputs require one")


def used_k_times(call: Call, g: Array, gradients: Sequence[Array]) -> None:
    """Check that the gradient of an input that is used several times is the sum over all uses."""
    leaves = [_leaf(x) for x in call.arrays]
    (call(*leaves) + call(*leaves) * 2.0 + call(*leaves) * 4.0).backward(g)
    for name, leaf, once in zip(call.names, leaves, gradients, strict=True):
        agrees = _close(*_without_overflow(_grad_of(leaf), 7 * once), floor=_cancellation(once, g))
        _require(agrees, call, f"the gradient of {name}, used three times, is not the sum of 3 gradients")


def tensors_as_arrays(call: Call, g: Array, gradients: Sequence[Array]) -> None:
    """Check that a vjp returns the same values for Tensors, as in higher derivatives, and for arrays."""
    _, pullback = vjp(call, *call.arrays)
    for name, recorded, plain in zip(call.names, pullback(Tensor(g, requires_grad=True)), gradients, strict=True):
        agrees = _close(recorded.numpy(), plain, floor=_cancellation(plain, g))
        _require(agrees, call, f"the vjp of {name} returns different values for Tensors and for arrays")


def each_result_keeps_its_own(call: Call, g: Array, gradients: Sequence[Array]) -> None:
    """Check that a later call of the op does not change the gradients of an earlier one."""
    later_call = call.map_arrays(lambda x: np.flip(x) if x.ndim else x * 1)
    leaves = [_leaf(x) for x in call.arrays]
    out = call(*leaves)
    with contextlib.suppress(Exception):  # the op may reject reversed inputs
        later_call(*(_leaf(x) for x in later_call.arrays))
    out.backward(g)
    for name, leaf, expected in zip(call.names, leaves, gradients, strict=True):
        _require(_same(_grad_of(leaf), expected), call, f"the vjp of {name} uses values of a later call")


def one_tensor_as_two_inputs(call: Call, g: Array, _: Sequence[Array]) -> None:
    """Check that the gradient of a tensor that is passed as two inputs is the sum of their gradients."""
    for a, b in itertools.combinations(range(len(call.arrays)), 2):
        x, y = call.arrays[a], call.arrays[b]
        twice = call.with_arrays([x.copy() if k == b else array for k, array in enumerate(call.arrays)])
        if x.shape != y.shape or x.dtype != y.dtype or not _accepts(twice):
            continue
        try:
            separate = pull(twice, g)
        except np.linalg.LinAlgError:  # a singular matrix
            continue
        leaves = [_leaf(array) for array in twice.arrays]
        leaves[b] = leaves[a]
        twice(*leaves).backward(g)
        total = separate[a] + separate[b]
        agrees = _close(*_without_overflow(_grad_of(leaves[a]), total), floor=_cancellation(separate[a], g))
        pair = f"{call.names[a]} and {call.names[b]}"
        _require(agrees, twice, f"the gradient of one Tensor passed as {pair} is not the sum of their gradients")


def memory_is_freed(call: Call, g: Array, _: Sequence[Array]) -> None:
    """Check that reference counting alone frees the arrays of deleted tensors after backward()."""
    leaves = [_leaf(x.copy()) for x in call.arrays]
    collected = gc.isenabled()
    gc.disable()
    try:
        out = call(*leaves)
        node = out._node
        names, alive = ("the result", *call.names), [weakref.ref(t._data) for t in (out, *leaves)]
        alive += [weakref.ref(x) for x in node.saved if type(x) is np.ndarray and x.base is None]
        out.backward(g)
        del out, leaves
        names += ("a saved value",) * (len(alive) - len(names))
        for name, array in zip(names, alive, strict=True):
            is_freed = array() is None or any(array() is x for x in call.inputs)
            _require(is_freed, call, f"after backward(), {name} is still referenced")
    finally:
        if collected:
            gc.enable()


LAWS: tuple[Callable[[Call, Array, Sequence[Array]], None], ...] = (
    linear_in_g, gradients_share_no_memory, dtypes_are_kept, layouts_agree, inputs_are_independent,
    used_k_times, each_result_keeps_its_own, one_tensor_as_two_inputs, tensors_as_arrays, memory_is_freed,
)  # fmt: skip
