"""Laws that only ops on Tensors have, and a call of an op as a `Differentiable` for the general laws.

Each law of the vjps takes a `Call` and its `Probe`, and raises `LawBroken` if it does not hold.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import weakref
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, Tensor, from_numpy, no_grad, values_of
from tinygrad_edu.testing.arrays.layouts import LAYOUTS
from tinygrad_edu.testing.differentiable import Differentiable, ResultPullback
from tinygrad_edu.testing.failures import LawBroken
from tinygrad_edu.testing.laws.functions import arranged_as
from tinygrad_edu.testing.laws.mixed_dtypes import require_input_dtype
from tinygrad_edu.testing.laws.probe import Probe, agree, same
from tinygrad_edu.testing.op_call import Call
from tinygrad_edu.testing.verdict import NotApplicable
from tinygrad_edu.transforms import vjp


def differentiable(call: Call) -> Differentiable:
    """Return a call of an op for the general laws, with mixtures of float32 and float64 as narrow dtypes."""
    choices: list[Any] = [np.float32, np.float64]
    count = len(call.arrays)
    mixtures = itertools.product(choices, repeat=count) if count < 3 else [[np.float32] * count]
    dtypes = [dtypes for dtypes in mixtures if np.float32 in dtypes]
    return Differentiable(
        f"op {call.name}", call.names, call.arrays, lambda arrays: [np.asarray(call(*arrays))], partial(_record, call),
        [*dtypes, [np.float16] * count], selects_inputs=True, keeps_graphs=True,
    )  # fmt: skip


def _record(call: Call, arrays: Sequence[Array], needs: Collection[int]) -> tuple[list[Array], ResultPullback]:
    """Return the result of a call, and a function from its cotangent to the gradients that backward() computes."""
    leaves = [from_numpy(x, requires_grad=k in needs) for k, x in enumerate(arrays)]
    out = call(*leaves)
    require_input_dtype(call, out, arrays)

    def pullback(cotangents: Sequence[Array | None]) -> list[Array]:
        (g,) = cotangents
        try:
            if g is not None:
                out.backward(g, retain_graph=True)
        except np.linalg.LinAlgError as error:
            raise NotApplicable(f"the matrix is singular: {error}") from error
        gradients = [_grad_of(leaf) for leaf in leaves]
        for leaf, gradient, name in zip(leaves, gradients, call.names, strict=True):
            leaf.grad = None
            law = f"the gradient of {name} must have the dtype {leaf.dtype} of {name}, got {gradient.dtype}"
            _require(gradient.dtype == leaf.dtype, call, law)
        return gradients

    return [out.numpy()], pullback


_leaf = partial(from_numpy, requires_grad=True)  # shares the memory of the array, and so has its layout


def _grad_of(leaf: Tensor) -> Array:
    return np.zeros(leaf.shape, leaf.dtype) if leaf.grad is None else leaf.grad


def _require(holds: bool, call: Call, law: str) -> None:
    if not holds:
        raise LawBroken(f"op {call.name}: {law}.")


# --- The laws of the forward function ---


def forward_is_plain(call: Call, reference: Callable[..., Any] | None = None) -> None:
    """Check that an op returns the same values for arrays and Tensors, and that they equal the reference."""
    plain = np.asarray(call(*call.arrays))
    recorded = call(*map(_leaf, call.arrays)).numpy()
    # A constant array takes the dtype of Tensors, but NumPy promotes an array to the wider dtype.
    takes_tensor_dtype = recorded.dtype != plain.dtype and recorded.dtype in {x.dtype for x in call.arrays}
    agrees = agree(recorded, plain) if takes_tensor_dtype else same(recorded, plain)
    _require(agrees, call, "the result for Tensors differs from the result for plain arrays")
    if reference is not None:
        expected = np.asarray(reference(*call.inputs, **call.settings))
        law = f"the dtype must be {expected.dtype}, as in the reference, got {plain.dtype}"
        _require(plain.dtype == expected.dtype, call, law)
        _require(agree(plain, expected), call, "the result differs from the reference")


def records_nothing_under_no_grad(call: Call) -> None:
    """Check that the result requires no gradient under no_grad."""
    with no_grad():
        out = call(*(_leaf(x) for x in call.arrays))
    _require(not out.requires_grad, call, "the result requires a gradient under no_grad()")


# --- The laws of the vjps ---


def constants_in_any_layout(call: Call, p: Probe) -> None:
    """Check that results and gradients do not depend on the memory layouts of constants, such as labels."""
    if len(call.arrays) == sum(isinstance(x, np.ndarray) for x in call.inputs):
        raise NotApplicable("no input is a constant array")
    for layout, arrange in LAYOUTS.items():
        arranged = call.map_arrays(partial(arranged_as, arrange))
        contiguous = arranged.map_arrays(lambda x: np.array(x, order="C"))
        with contextlib.suppress(NotApplicable):  # stride 0 may be a singular matrix
            q = replace(p, d=differentiable(contiguous)).at(contiguous.arrays, p.cotangents)
            results, gradients = differentiable(arranged).evaluate(contiguous.arrays, p.cotangents)
            law = f"differs between constants in the layout {layout} and contiguous ones"
            q.require_results(results, f"the result {law}")
            q.require_gradients(gradients, f"the gradient of {{}} {law}")


def used_k_times(call: Call, p: Probe) -> None:
    """Check that the gradient of an input that is used several times is the sum over all uses."""
    leaves = [_leaf(x) for x in call.arrays]
    (call(*leaves) + call(*leaves) * 2.0 + call(*leaves) * 4.0).backward(p.cotangents[0])
    for k, (name, leaf, once) in enumerate(zip(call.names, leaves, p.gradients, strict=True)):
        law = f"the gradient of {name}, used three times, is not the sum of 3 gradients"
        p.require_gradient(k, _grad_of(leaf), 7 * once, law, 7)


def tensors_as_arrays(call: Call, p: Probe) -> None:
    """Check that a vjp returns the same values for Tensors, as in higher derivatives, and for arrays."""
    _, pullback = vjp(call, *call.arrays)
    recorded = [values_of(g) for g in pullback(Tensor(p.cotangents[0], requires_grad=True))]
    p.require_gradients(recorded, "the vjp of {} returns different values for Tensors and for arrays")


def one_tensor_as_two_inputs(call: Call, p: Probe) -> None:
    """Check that the gradient of a tensor that is passed as two inputs is the sum of their gradients."""
    for a, b in itertools.combinations(range(len(call.arrays)), 2):
        x, y = call.arrays[a], call.arrays[b]
        if x.shape != y.shape or x.dtype != y.dtype:
            continue
        with contextlib.suppress(NotApplicable):  # the op rejects equal inputs
            q = p.at([x.copy() if k == b else array for k, array in enumerate(call.arrays)], p.cotangents)
            leaves = [_leaf(array) for array in q.d.arrays]
            leaves[b] = leaves[a]
            call(*leaves).backward(p.cotangents[0])
            pair = f"{call.names[a]} and {call.names[b]}"
            law = f"the gradient of one Tensor passed as {pair} is not the sum of their gradients"
            q.require_gradient(a, _grad_of(leaves[a]), q.gradients[a] + q.gradients[b], law, 2)


def memory_is_freed(call: Call, p: Probe) -> None:
    """Check that reference counting alone frees the arrays of deleted tensors after backward()."""
    leaves = [_leaf(x.copy()) for x in call.arrays]
    collected = gc.isenabled()
    gc.disable()
    try:
        out = call(*leaves)
        node = out._node
        names, alive = ("the result", *call.names), [weakref.ref(t._data) for t in (out, *leaves)]
        alive += [weakref.ref(x) for x in node.saved.values() if type(x) is np.ndarray and x.base is None]
        out.backward(p.cotangents[0])
        del out, leaves
        names += ("a saved value",) * (len(alive) - len(names))
        for name, array in zip(names, alive, strict=True):
            is_freed = array() is None or any(array() is x for x in call.inputs)
            _require(is_freed, call, f"after backward(), {name} is still referenced")
    finally:
        if collected:
            gc.enable()


TENSOR_LAWS: dict[str, Callable[[Call, Probe], None]] = {
    "layouts of constants": constants_in_any_layout, "used several times": used_k_times,
    "one tensor as two inputs": one_tensor_as_two_inputs, "tensors as arrays": tensors_as_arrays,
    "memory is freed": memory_is_freed,
}  # fmt: skip
