"""The laws of a differentiable op that `check_op` checks.

Each law takes a `Call`, a random cotangent and the op's gradients, and raises `LawBroken` if it does not hold.
"""

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

__tracebackhide__ = True  # pytest shows the line of the test, and with --full-trace ours

# How many rounding units two sums of the same terms may differ by, which add them up in another order of memory.
_UNITS = {np.dtype(np.float64): 5e4, np.dtype(np.float32): 256, np.dtype(np.float16): 64}


def pull(call: Call, g: Array, wanted: Sequence[int] | None = None) -> list[Array]:
    """Return the gradients that ``backward(g)`` leaves on the inputs, all or those at the positions `wanted`."""
    wanted = range(len(call.arrays)) if wanted is None else wanted
    leaves = [_leaf(x, k in wanted) for k, x in enumerate(call.arrays)]
    call(*leaves).backward(g)
    return [_grad_of(leaves[k]) for k in wanted]


def _leaf(x: Array, requires_grad: bool = True) -> Tensor:
    """Return a leaf on the very memory of x, so that its layout reaches the op."""
    return from_numpy(x, requires_grad)


def _grad_of(leaf: Tensor) -> Array:
    return np.zeros(leaf.shape, leaf.dtype) if leaf.grad is None else leaf.grad


def _demand(holds: bool, call: Call, law: str) -> None:
    if not holds:
        raise LawBroken(f"op {call.name}: {law}.")


def _takes(call: Call) -> bool:
    """Whether an op takes these inputs: some take no float16, as NumPy's linear algebra, or not every value."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # that a number which is held fixed overflows in the dtype of the tensors
            call(*map(_leaf, call.arrays))
    except Exception:
        return False
    return True


def _rounding(*arrays: Array) -> float:
    """Return the relative error that rounding may leave, of the narrowest dtype among arrays."""
    dtypes = {x.dtype for x in arrays if x.dtype in _UNITS} or {np.dtype(np.float64)}
    return max(_UNITS[dtype] * float(np.finfo(dtype).eps) for dtype in dtypes)


def _lost(gradient: Array, g: Array) -> float:
    """Return what rounding may leave of a gradient that is a small difference of terms that are as large as g."""
    units = 16 if gradient.dtype == np.float64 else _UNITS.get(gradient.dtype, 0)
    return units * float(np.finfo(gradient.dtype).eps) * largest(g)


def _lost_of_value(call: Call) -> Array:
    """Return what rounding may leave of each number of a value, where its terms cancel and are added in any order.

    Of a sum of n terms it is at most n units of the sum of their magnitudes. A term is what an input's number adds to
    the value: it times its derivative.
    """
    value = np.asarray(call(*call.arrays))
    terms = np.zeros(value.shape)
    for place in np.ndindex(value.shape):
        seed = np.zeros_like(value)
        seed[place] = 1
        slopes = zip(call.arrays, pull(call, seed), strict=True)
        terms[place] = sum(np.abs(np.multiply(x, slope, dtype=np.float64)).sum() for x, slope in slopes)
    units = sum(x.size for x in call.arrays)
    return np.where(np.isfinite(terms), units * float(np.finfo(value.dtype).eps) * terms, 0)


def _overflown(*gradients: Array) -> Array:
    """Return where gradients are not finite in float16, which ends at 65,504. The laws do not compare these."""
    narrow = gradients[0].dtype == np.float16
    overflown: Array = np.any([~np.isfinite(x) for x in gradients], axis=0) & narrow
    return overflown


def _without_overflow(a: Array, b: Array) -> tuple[Array, Array]:
    """Return two gradients with zeros where one of them has overflown."""
    overflown = _overflown(a, b)
    return np.where(overflown, 0, a), np.where(overflown, 0, b)


def _close(a: Array, b: Array, rounding: float = 0.0, floor: float | Array = 0.0) -> bool:
    if np.array_equal(a, b):
        return True
    scale, rounding = largest(b), max(rounding, _rounding(a, b))
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=rounding, atol=rounding * scale + floor, equal_nan=True))


def _same(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))


# --- The laws of the forward ---


def forward_is_plain(call: Call, reference: Callable[..., Any] | None = None) -> None:
    """On arrays an op is its forward function; on Tensors it computes the same; and both equal the reference."""
    plain = np.asarray(call(*call.arrays))
    recorded = call(*map(_leaf, call.arrays)).numpy()
    # What is plain follows the dtype of Tensors, and beside arrays NumPy takes the wider one.
    follows = recorded.dtype != plain.dtype and recorded.dtype in {x.dtype for x in call.arrays}
    same = _close(recorded, plain) if follows else _same(recorded, plain)
    _demand(same, call, "on Tensors it computes something else than on plain arrays")
    if reference is not None:
        expected = np.asarray(reference(*call.inputs, **call.settings))
        _demand(plain.dtype == expected.dtype, call, f"its dtype is {plain.dtype}, its reference's {expected.dtype}")
        _demand(_close(plain, expected), call, "its value is not that of its reference")


def records_nothing_under_no_grad(call: Call) -> None:
    """Under no_grad the result requires no gradient."""
    with no_grad():
        out = call(*(_leaf(x) for x in call.arrays))
    _demand(not out.requires_grad, call, "it records under no_grad()")


# --- The laws of the rules, each of (call, cotangent, the gradients of the two) ---


def nothing_is_mutated(call: Call, g: Array) -> None:
    """Neither forward nor backward write into the inputs, the result or the cotangent."""
    leaves = [_leaf(x) for x in call.arrays]
    before = [x.copy() for x in call.arrays]
    out = call(*leaves)
    value, given = out.numpy().copy(), g.copy()
    for k, name in enumerate(call.names):
        _demand(_same(call.arrays[k], before[k]), call, f"its forward writes into {name}")
    out.backward(g)
    _demand(_same(g, given), call, "a rule writes into the gradient that it is given")
    _demand(_same(out.numpy(), value), call, "a rule writes into the result")
    for k, name in enumerate(call.names):
        _demand(_same(call.arrays[k], before[k]), call, f"a rule writes into {name}")


def linear_in_g(call: Call, g: Array, gradients: Sequence[Array]) -> None:
    """Of the gradient that it is given, a rule is a linear function; of zero it makes zero."""
    h = -0.75 * np.flip(g)
    both = np.asarray(2 * g - 3 * h)
    # Terms that cancel leave their rounding, and they are as large as g times what it is multiplied with.
    larger = max(1.0, *(largest(x) for x in call.arrays))
    for name, m, a, b in zip(call.names, pull(call, both), gradients, pull(call, h), strict=True):
        overflown, rounding, lost = _overflown(m, a, b), _rounding(a), larger * _lost(a, both)
        m, a, b = (x.astype(np.float64) for x in (m, a, b))
        scale = rounding * largest(2 * np.abs(a) + 3 * np.abs(b)) + lost
        near = overflown | (np.abs(m - (2 * a - 3 * b)) <= scale)
        _demand(bool(np.all(near)), call, f"the rule of {name} is not linear in g")
    for name, zero in zip(call.names, pull(call, np.zeros_like(g)), strict=True):
        _demand(not np.any((zero != 0) & ~_overflown(zero)), call, f"the rule of {name} does not give zero for g = 0")


def gradients_share_no_memory(call: Call, g: Array, gradients: Sequence[Array]) -> None:
    """No gradient shares memory with another, with an input or with the cotangent."""
    others = [*zip(call.names, call.arrays, strict=True), ("the gradient that the rule is given", g)]
    for k, (name, gradient) in enumerate(zip(call.names, gradients, strict=True)):
        for other, array in [*others, *zip(call.names[:k], gradients[:k], strict=True)]:
            _demand(not np.may_share_memory(gradient, array), call, f"the gradient of {name} shares memory of {other}")


def dtypes_are_kept(call: Call, _: Array, __: Sequence[Array]) -> None:
    """In float32, in every mixture with float64, and in float16, each gradient has its input's dtype and its value."""
    choices: list[Any] = [np.float32, np.float64]
    mixtures = itertools.product(choices, repeat=len(call.arrays)) if len(call.arrays) < 3 else [[np.float32] * 9]
    for dtypes in (*mixtures, [np.float16] * len(call.arrays)):
        narrow = call.replaced([x.astype(t) for x, t in zip(call.arrays, dtypes, strict=False)])
        if np.float32 in dtypes or (np.float16 in dtypes and _takes(narrow)):
            check_dtypes(narrow, order=1)


def layouts_agree(call: Call, g: Array, _: Sequence[Array]) -> None:
    """Arrays and cotangents of any memory layout give what their contiguous copies give."""
    # Terms that cancel leave their rounding, which is another where they are added in another order.
    scale = max(1.0, *(largest(x) for x in call.arrays))
    lost = 16 * float(np.finfo(g.dtype).eps) * scale * largest(g)
    for layout, arrange in LAYOUTS.items():
        arranged = call.map_arrays(partial(_arranged, arrange))
        contiguous = arranged.map_arrays(lambda x: np.array(x, order="C"))
        seed = _arranged(arrange, g)
        try:
            truth = pull(contiguous, np.array(seed, order="C"))
        except Exception:  # what the op refuses in any layout: equal elements, as of stride 0, have no inverse
            continue
        what = f"with {layout} inputs and gradient"
        found, wanted = (np.asarray(same(*same.arrays)) for same in (arranged, contiguous))
        near = _close(found, wanted) or _close(found, wanted, floor=_lost_of_value(contiguous))
        _demand(near, call, f"{what}, its value is another")
        for name, found, wanted in zip(call.names, pull(arranged, seed), truth, strict=True):
            near = _close(found, wanted, floor=lost + _lost(wanted, g))
            _demand(near, call, f"{what}, the gradient of {name} is another")


def _arranged(arrange: Callable[[Array], Array], x: Array) -> Array:
    return arrange(x) if x.ndim and x.size else x


def inputs_are_independent(call: Call, g: Array, gradients: Sequence[Array]) -> None:
    """Whichever other inputs require a gradient, that of an input is the same."""
    for k, name in enumerate(call.names):
        (alone,) = pull(call, g, [k])
        _demand(_same(alone, gradients[k]), call, f"the gradient of {name} depends on which other inputs require one")


def used_k_times(call: Call, g: Array, gradients: Sequence[Array]) -> None:
    """Give an input that is used several times the sum of what each use alone would give it."""
    leaves = [_leaf(x) for x in call.arrays]
    (call(*leaves) + call(*leaves) * 2.0 + call(*leaves) * 4.0).backward(g)
    for name, leaf, once in zip(call.names, leaves, gradients, strict=True):
        near = _close(*_without_overflow(_grad_of(leaf), 7 * once), floor=_lost(once, g))
        _demand(near, call, f"used three times, {name} does not get the sum of 3 gradients")


def tensors_as_arrays(call: Call, g: Array, gradients: Sequence[Array]) -> None:
    """On Tensors, where it can be differentiated once more, a rule computes the same as on bare arrays."""
    _, pullback = vjp(call, *call.arrays)
    for name, recorded, plain in zip(call.names, pullback(Tensor(g, requires_grad=True)), gradients, strict=True):
        near = _close(recorded.numpy(), plain, floor=_lost(plain, g))
        _demand(near, call, f"the rule of {name} computes something else on Tensors")


def each_result_keeps_its_own(call: Call, g: Array, gradients: Sequence[Array]) -> None:
    """After another call of the op, a result still has the gradients of its own inputs."""
    other = call.map_arrays(lambda x: np.flip(x) if x.ndim else x * 1)
    leaves = [_leaf(x) for x in call.arrays]
    out = call(*leaves)
    with contextlib.suppress(Exception):  # which may not take its inputs in reverse
        other(*(_leaf(x) for x in other.arrays))
    out.backward(g)
    for name, leaf, wanted in zip(call.names, leaves, gradients, strict=True):
        _demand(_same(_grad_of(leaf), wanted), call, f"the rule of {name} uses values of a later call")


def one_tensor_as_two_inputs(call: Call, g: Array, _: Sequence[Array]) -> None:
    """Give a Tensor that stands for two inputs, of one shape and dtype, the sum of what they would get."""
    for a, b in itertools.combinations(range(len(call.arrays)), 2):
        x, y = call.arrays[a], call.arrays[b]
        twice = call.replaced([x.copy() if k == b else array for k, array in enumerate(call.arrays)])
        if x.shape != y.shape or x.dtype != y.dtype or not _takes(twice):
            continue
        try:
            apart = pull(twice, g)
        except np.linalg.LinAlgError:  # singular, and so refused by a rule
            continue
        leaves = [_leaf(array) for array in twice.arrays]
        leaves[b] = leaves[a]
        twice(*leaves).backward(g)
        near = _close(*_without_overflow(_grad_of(leaves[a]), apart[a] + apart[b]), floor=_lost(apart[a], g))
        both = f"{call.names[a]} and {call.names[b]}"
        _demand(near, twice, f"one Tensor as {both} does not get the sum of their gradients")


def memory_is_freed(call: Call, g: Array, _: Sequence[Array]) -> None:
    """After backward() a node keeps none of the arrays of dropped tensors; reference counts alone free them."""
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
            gone = array() is None or any(array() is x for x in call.inputs)
            _demand(gone, call, f"after backward(), {name} is still kept alive")
    finally:
        if collected:
            gc.enable()


LAWS: tuple[Callable[[Call, Array, Sequence[Array]], None], ...] = (
    linear_in_g, gradients_share_no_memory, dtypes_are_kept, layouts_agree, inputs_are_independent,
    used_k_times, each_result_keeps_its_own, one_tensor_as_two_inputs, tensors_as_arrays, memory_is_freed,
)  # fmt: skip
