"""Gradient checkers: each declares a user-defined op, and calls the checks that its documentation recommends.

- ours: ``check_vjp`` and ``check_op``, as in "Write your own op and check it";
- PyTorch: ``gradcheck`` and ``gradgradcheck`` of a ``torch.autograd.Function``;
- JAX: ``check_grads(order=2, modes=["rev"])`` of a ``custom_vjp``, which has no forward mode, in float64;
- autograd: ``check_grads(order=2, modes=["rev"])`` of a ``primitive``, for the same reason.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import tinygrad_edu as tg
from benchmarks.checkers.rule import Maths, NotExpressible, Rule
from tinygrad_edu.testing import Inconclusive, check_op, check_vjp, run_check

Check = Callable[[Rule], None]

# --- Ours ---


def _array(x: Any) -> np.ndarray:
    return x.data if isinstance(x, tg.Tensor) else x


def _spoil(x: Any) -> None:
    _array(x)[...] *= 1.5


def _fill(x: Any, y: Any) -> None:
    _array(x)[...] = _array(y)


OURS = Maths(
    tg.exp, tg.log, tg.sin, tg.cos, tg.tanh, tg.sqrt, tg.abs, tg.where, tg.concatenate,
    sum=lambda x, axis: tg.sum(x, axis=axis, keepdims=True), max=lambda x, axis: tg.max(x, axis=axis, keepdims=True),
    reshape=tg.reshape, transpose=tg.transpose, flip=lambda x, axis: tg.flip(x, axis=axis),
    cumsum=lambda x, axis: tg.cumsum(x, axis=axis), einsum=tg.einsum, tril=tg.tril,
    inv=tg.linalg.inv, det=tg.linalg.det, solve=tg.linalg.solve, cholesky=tg.linalg.cholesky, eigh=tg.linalg.eigh,
    array=lambda x, like: x.astype(like.dtype), constant=lambda x: x.detach() if isinstance(x, tg.Tensor) else x,
    single=lambda x: tg.astype(tg.astype(x, np.float32), x.dtype), double=lambda x: tg.astype(x, np.float64),
    spoil=_spoil, fill=_fill, is_contiguous=lambda x: _array(x).flags.c_contiguous,
    is_recorded=lambda x: isinstance(x, tg.Tensor),
)  # fmt: skip


def ours() -> Check:
    def check(rule: Rule) -> None:
        op = declare(rule)
        reports = [run_check(check, op, *rule.arrays) for check in (check_vjp, check_op)]
        errors = [report.error for report in reports if report.error is not None]
        if errors:
            raise min(errors, key=lambda error: isinstance(error, Inconclusive))  # a wrong verdict first

    return check


def declare(rule: Rule) -> Any:
    """Declare an op with this vjp and an empty memory."""
    m = replace(OURS, memory={})
    f, names = functools.partial(rule.function.forward, m), "xyz"[: len(rule.arrays)]
    forward = [lambda x: f(x), lambda x, y: f(x, y), lambda x, y, z: f(x, y, z)][len(names) - 1]
    forward.__name__ = "declared"
    op = tg.op(broadcasts=rule.function.broadcasts)(forward)
    op.vjps(**{name: _rule_of(functools.partial(pick, rule, m, k), len(names)) for k, name in enumerate(names)})
    return op


def _rule_of(picked: Callable[..., Any], count: int) -> Callable[..., Any]:
    return [
        lambda g, out, x: picked(g, out, x),
        lambda g, out, x, y: picked(g, out, x, y),
        lambda g, out, x, y, z: picked(g, out, x, y, z),
    ][count - 1]


def pick(rule: Rule, m: Maths, k: int, g: Any, out: Any, *inputs: Any) -> Any:
    """Return the gradient of one input."""
    return rule.backward(m, g, out, *inputs)[k]


# --- PyTorch ---


def pytorch() -> Check:
    import torch
    from torch.autograd import gradcheck, gradgradcheck

    maths = Maths(
        torch.exp, torch.log, torch.sin, torch.cos, torch.tanh, torch.sqrt, torch.abs, torch.where, torch.cat,
        sum=lambda x, axis: x.sum(dim=axis, keepdim=True), max=lambda x, axis: x.amax(dim=axis, keepdim=True),
        reshape=torch.reshape, transpose=torch.permute, flip=lambda x, axis: torch.flip(x, [axis]), cumsum=torch.cumsum,
        einsum=torch.einsum, tril=torch.tril, inv=torch.linalg.inv, det=torch.linalg.det, solve=torch.linalg.solve,
        cholesky=torch.linalg.cholesky, eigh=torch.linalg.eigh, array=lambda x, like: torch.tensor(x, dtype=like.dtype),
        constant=lambda x: x.detach(), single=lambda x: x.float().to(x.dtype), double=lambda x: x.double(),
        spoil=lambda x: x.detach().mul_(1.5), fill=lambda x, y: x.detach().copy_(y),
        is_contiguous=lambda x: x.is_contiguous(), is_recorded=lambda x: x.requires_grad,
    )  # fmt: skip

    def check(rule: Rule) -> None:
        m = replace(maths, memory={})

        class Declared(torch.autograd.Function):
            @staticmethod
            def forward(ctx, *inputs):
                out = rule.function.forward(m, *inputs)
                ctx.save_for_backward(out, *inputs)
                return out

            @staticmethod
            def backward(ctx, g):
                return tuple(rule.backward(m, g, *ctx.saved_tensors))

        torch.manual_seed(0)
        inputs = tuple(_tensor(torch, x) for x in rule.arrays)
        gradcheck(Declared.apply, inputs)
        gradgradcheck(Declared.apply, inputs)

    return check


def _tensor(torch: Any, x: np.ndarray) -> Any:
    """Return a leaf in the same layout; a new one for empty arrays, whose stride of 0 gradcheck rejects."""
    made = torch.from_numpy(x.copy(order="K")) if x.size else torch.zeros(x.shape).double()
    return made.requires_grad_()


# --- JAX ---


class Pure:
    """Memory of frameworks with pure functions: any access raises `NotExpressible`."""

    def __getattribute__(self, name: str) -> Any:
        raise NotExpressible

    def __getitem__(self, key: str) -> Any:
        raise NotExpressible

    def __setitem__(self, key: str, value: Any) -> None:
        raise NotExpressible


def _never(*given: Any) -> Any:
    raise NotExpressible


def jax() -> Check:
    import jax
    import jax.numpy as jnp
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)
    m = Maths(
        jnp.exp, jnp.log, jnp.sin, jnp.cos, jnp.tanh, jnp.sqrt, jnp.abs, jnp.where, jnp.concatenate,
        sum=lambda x, axis: jnp.sum(x, axis=axis, keepdims=True),
        max=lambda x, axis: jnp.max(x, axis=axis, keepdims=True),
        reshape=jnp.reshape, transpose=jnp.transpose, flip=jnp.flip, cumsum=jnp.cumsum, einsum=jnp.einsum,
        tril=jnp.tril, inv=jnp.linalg.inv, det=jnp.linalg.det, solve=jnp.linalg.solve, cholesky=jnp.linalg.cholesky,
        eigh=jnp.linalg.eigh,
        array=lambda x, like: jnp.asarray(x, like.dtype), constant=jax.lax.stop_gradient,
        single=lambda x: x.astype(np.float32).astype(x.dtype), double=lambda x: x.astype(np.float64),
        spoil=_never, fill=_never, is_contiguous=_never, is_recorded=_never, memory=Pure(),
    )  # fmt: skip

    def check(rule: Rule) -> None:
        declared = jax.custom_vjp(lambda *inputs: rule.function.forward(m, *inputs))

        def forward(*inputs: Any) -> Any:
            out = rule.function.forward(m, *inputs)
            return out, (out, inputs)

        declared.defvjp(forward, lambda saved, g: tuple(rule.backward(m, g, saved[0], *saved[1])))
        check_grads(declared, tuple(map(jnp.asarray, rule.arrays)), order=2, modes=["rev"])

    return check


# --- autograd ---


def autograd() -> Check:
    import autograd.numpy as anp
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads
    from autograd.tracer import getval, isbox

    def spoil(x: Any) -> None:
        getval(x)[...] *= 1.5

    def fill(x: Any, y: Any) -> None:
        getval(x)[...] = getval(y)

    def flip(x: Any, axis: int) -> Any:  # autograd's flip has no derivative
        return anp.swapaxes(anp.swapaxes(x, 0, axis)[::-1], 0, axis)

    maths = Maths(
        anp.exp, anp.log, anp.sin, anp.cos, anp.tanh, anp.sqrt, anp.abs, anp.where, anp.concatenate,
        sum=lambda x, axis: anp.sum(x, axis=axis, keepdims=True),
        max=lambda x, axis: anp.max(x, axis=axis, keepdims=True),
        reshape=anp.reshape, transpose=anp.transpose, flip=flip, cumsum=anp.cumsum, einsum=anp.einsum,
        tril=anp.tril, inv=anp.linalg.inv, det=anp.linalg.det, solve=anp.linalg.solve, cholesky=anp.linalg.cholesky,
        eigh=anp.linalg.eigh,
        array=lambda x, like: np.asarray(x, like.dtype), constant=getval,
        single=lambda x: x.astype(np.float32).astype(x.dtype), double=lambda x: x.astype(np.float64),
        spoil=spoil, fill=fill, is_contiguous=lambda x: getval(x).flags.c_contiguous, is_recorded=isbox,
    )  # fmt: skip

    def check(rule: Rule) -> None:
        m = replace(maths, memory={})
        declared = primitive(lambda *inputs: rule.function.forward(m, *inputs))
        count = len(rule.arrays)
        defvjp(declared, *(functools.partial(pulled, rule, m, k) for k in range(count)))
        check_grads(declared, 0 if count == 1 else tuple(range(count)), modes=["rev"], order=2)(*rule.arrays)

    def pulled(rule: Rule, m: Maths, k: int, out: Any, *inputs: Any) -> Callable[[Any], Any]:
        return lambda g: pick(rule, m, k, g, out, *inputs)

    return check


@dataclass(frozen=True)
class Checker:
    """A checker: its name, its package, and a function that returns the check."""

    name: str
    package: str
    make: Callable[[], Check]


CHECKERS = [
    Checker("ours", "tinygrad-edu", ours),
    Checker("PyTorch", "torch", pytorch),
    Checker("JAX", "jax", jax),
    Checker("autograd", "autograd", autograd),
]
