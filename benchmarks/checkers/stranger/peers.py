"""The three checkers, each called as a stranger would call it: a function of a pair and of whether it is wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import torch
from jax.test_util import check_grads

from tinygrad_edu.testing import check, check_jax, check_keras, check_torch


class CannotCheckError(Exception):
    """The checker has no way to check this kind of function."""


def ours(pair, wrong):
    made = pair.make(wrong)
    if pair.framework == "numpy":
        return check(made.pop("f"), *pair.args, **made)
    args = [jnp.asarray(x) for x in pair.args] if pair.framework == "jax" else pair.args
    report = check(made, *args)
    if pair.options.get("order", 2) == 2:
        report = {"torch": check_torch, "jax": check_jax, "keras": check_keras}[pair.framework](made, *args, order=2)
    return report


def claims(pair, wrong):
    """Return f, the pullback and the forward derivative of NumPy arrays, or None for the ones that are not claimed."""
    made = pair.make(wrong)
    f, vjp = made["f"], made.get("vjp")
    if "grad" in made:
        vjp = lambda *args: tuple(args[-1] * d for d in as_tuple(made["grad"](*args[:-1])))
    if "hess" in made:
        f = made["grad"]
    matrix = made.get("hess", made.get("jac"))
    if matrix is not None:
        vjp = lambda *args: tuple(np.tensordot(args[-1], j, np.ndim(args[-1])) for j in as_tuple(matrix(*args[:-1])))
    return f, vjp, made.get("jvp")


def as_tuple(values):
    return values if isinstance(values, tuple) else (values,)


def like(arrays, args):
    """Return Python floats where the stranger's function takes them."""
    return [float(a) if isinstance(b, float) else np.asarray(a) for a, b in zip(arrays, args, strict=True)]


def gradcheck(pair, wrong):
    if pair.framework in ("jax", "keras"):
        raise CannotCheckError
    if pair.framework == "torch":
        f, inputs = pair.make(wrong), [x.detach().clone().requires_grad_() for x in pair.args]
        options = {"check_forward_ad": True} if pair.options.get("forward") else {}
        torch.autograd.gradcheck(f, inputs, check_batched_grad=pair.style == "vmap", **options)
        return torch.autograd.gradgradcheck(f, inputs)
    inputs = [torch.as_tensor(np.array(x)).requires_grad_() for x in pair.args]
    f, vjp, jvp = claims(pair, wrong)
    if vjp is not None:
        torch.autograd.gradcheck(numpy_function(f, vjp, jvp, pair.args).apply, inputs, check_forward_ad=jvp is not None)
    else:
        function = numpy_function(f, vjp, jvp, pair.args)
        torch.autograd.gradcheck(function.apply, inputs, check_forward_ad=True, check_backward_ad=False)
    return None


def numpy_function(f, vjp, jvp, args):
    """Return the autograd.Function of a NumPy function and its derivatives, as the tutorial of PyTorch writes it."""

    class Wrapped(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *tensors):
            ctx.values = like([t.detach().numpy() for t in tensors], args)
            return torch.as_tensor(np.array(f(*ctx.values)))

        @staticmethod
        def backward(ctx, g):
            return tuple(torch.as_tensor(np.array(d)) for d in as_tuple(vjp(*ctx.values, g.numpy())))

        @staticmethod
        def jvp(ctx, *tangents):
            return torch.as_tensor(np.array(jvp(*ctx.values, *like([t.numpy() for t in tangents], args))))

    return Wrapped


def jax_check_grads(pair, wrong):
    order, modes = pair.options.get("order", 2), ["rev"]
    if pair.framework == "torch":
        raise CannotCheckError
    if pair.framework == "numpy":
        f, vjp, jvp = claims(pair, wrong)
        if vjp is not None:
            check_grads(callback(f, vjp, pair.args), [jnp.asarray(x) for x in pair.args], 1, modes=["rev"])
        if jvp is not None:
            check_grads(forward_callback(f, jvp, pair.args), [jnp.asarray(x) for x in pair.args], 1, modes=["fwd"])
        return
    made = pair.make(wrong)
    if pair.framework == "keras":
        made.dtype_policy = "float64"
        made.build(pair.args[0].shape)
        weights = [jnp.asarray(v.value, dtype=float) for v in made.trainable_variables]
        f, inputs = (lambda w, x: made.stateless_call(w, [], x)[0]), (weights, jnp.asarray(pair.args[0]))
    else:
        f, inputs = made, [jnp.asarray(x) for x in pair.args]
        modes = ["fwd", "rev"] if isinstance(made, jax.custom_jvp) else modes
    check_grads(f, inputs, order, modes=modes)


def call(f, shapes, *arrays):
    """Call a NumPy function from JAX."""
    structure = jax.tree.map(lambda s: jax.ShapeDtypeStruct(s.shape, s.dtype), shapes)
    cast = lambda *values: jax.tree.map(lambda v, s: np.asarray(v, s.dtype), f(*values), structure)
    return jax.pure_callback(cast, structure, *arrays)


def callback(f, vjp, args):
    result = np.asarray(f(*args))
    run = jax.custom_vjp(lambda *arrays: call(lambda *a: np.asarray(f(*like(a, args))), result, *arrays))
    # The strangers' pairs are written in PyTorch's convention for complex numbers.
    pull = lambda *a: tuple(np.conj(d) for d in as_tuple(vjp(*like(a[:-1], args), np.conj(a[-1]))))
    run.defvjp(lambda *a: (run(*a), a), lambda saved, g: call(pull, tuple(np.asarray(a) for a in args), *saved, g))
    return run


def forward_callback(f, jvp, args):
    result = np.asarray(f(*args))
    run = jax.custom_jvp(lambda *arrays: call(lambda *a: np.asarray(f(*like(a, args))), result, *arrays))
    push = lambda *a: np.asarray(jvp(*like(a[: len(args)], args), *like(a[len(args) :], args)))
    run.defjvp(lambda primals, tangents: (run(*primals), call(push, result, *primals, *tangents)))
    return run
