"""check_jax: check JAX's gradients of a function of pytrees."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from importlib import import_module
from typing import Any, cast

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.extras import remedy
from tinygrad_edu.testing.arrays.array_tree import ArrayTree
from tinygrad_edu.testing.flat_function import as_input
from tinygrad_edu.testing.interop.foreign_function import ArrayFunction, ForeignFunction, Load, check_foreign, required
from tinygrad_edu.testing.numeric.sampling import Rng
from tinygrad_edu.testing.op_call import argument_names, title_of
from tinygrad_edu.testing.report.reproduction import reproducible
from tinygrad_edu.testing.verdict import Report

Outer = Callable[[bool], AbstractContextManager[None]]


@reproducible
def check_jax(f: Callable[..., Any], *arguments: Any, order: int = 1, rng: Rng | None = None) -> Report:
    """Check JAX's gradients of a function, including any ``jax.custom_vjp`` and ``jax.custom_jvp`` in it.

    The inputs are the floating-point leaves of the arguments. Everything else, such as integers and random keys, is
    constant. JAX computes in float64 during the check, or in the function's own dtypes if it rejects float64.

    Parameters
    ----------
    f : callable
        Returns an array or a pytree of arrays.
    *arguments
        Pytrees.
    order : int, default 1
        The highest order of derivatives. With 2, the gradient of the gradient is checked too.
    rng : numpy.random.Generator, optional
        Draws the cotangents and the directions. Default: a generator with a fixed seed.

    Raises
    ------
    GradientMismatch, Inconclusive, NotDeterministic, LawBroken, DTypeError
        As in `check_gradient`.
    MissingExtraError
        JAX is not installed; the extra ``keras`` installs it.

    Examples
    --------
    ::

        check_jax(lambda params, x: jnp.tanh(x @ params["w"]), {"w": jnp.ones((3, 2))}, jnp.ones(3), order=2)
    """
    required("jax", "check_jax", remedy("keras"))
    names = argument_names(f, len(arguments))
    return check_jax_function(title_of(f), f, arguments, names, order, rng)


def check_jax_function(
    title: str,
    f: Callable[..., Any],
    arguments: Sequence[Any],
    names: Sequence[str],
    order: int,
    rng: Rng | None,
    session: Outer = lambda wide: nullcontext(),
) -> Report:
    """Check a function as `check_jax` does, with a title and names for messages. `session` may set up float64."""
    import jax

    leaves, structure = jax.tree_util.tree_flatten_with_path(tuple(arguments))
    paths = [names[path[0].idx] + jax.tree_util.keystr(path[1:]) for path, _ in leaves]
    point = ArrayTree([leaf for _, leaf in leaves], paths, as_input)
    dtypes = [np.dtype(getattr(leaf, "dtype", np.float32)) for _, leaf in leaves if as_input(leaf) is not None]

    def has_fractions(x: Any) -> bool:
        return isinstance(x, float) or jax.numpy.issubdtype(getattr(x, "dtype", np.int64), jax.numpy.inexact)

    def flat(*inputs: Any) -> list[Any]:
        out = f(*jax.tree_util.tree_unflatten(structure, point.filled(inputs, lambda value: value)))
        return [jax.numpy.asarray(x) for x in jax.tree_util.tree_leaves(out) if has_fractions(x)]

    inputs = tuple(leaf.name for leaf in point.leaves)
    compiled = _compiled(flat, point.arrays)
    foreign = ForeignFunction(title, compiled, point.arrays, inputs, _vjp_function, partial(_session, session, dtypes))
    return check_foreign(foreign, order, rng)


def _compiled(f: ArrayFunction, arrays: Sequence[Array]) -> ArrayFunction:
    """Compile f, unless its control flow depends on values or it draws random numbers during tracing."""
    import jax

    try:
        # A new lambda each time, because JAX caches the trace of a function.
        first, second = (jax.make_jaxpr(lambda *inputs: f(*inputs))(*arrays) for _ in range(2))
    except Exception:  # f itself raises the error when it is called
        return f
    programs = {re.sub("0x[0-9a-f]+", "", str(program)) for program in (first, second)}
    same_program = len(programs) == 1 and all(map(np.array_equal, first.consts, second.consts))
    return cast(ArrayFunction, jax.jit(f)) if same_program else f


def _vjp_function(f: ArrayFunction, count: int, create_graph: bool) -> ArrayFunction:
    import jax

    def gradients_of(*arrays: Any) -> list[Any]:
        out, pullback = jax.vjp(f, *arrays[:count])
        return list(pullback([g.astype(x.dtype) for g, x in zip(arrays[count:], out, strict=True)]))

    return gradients_of


@contextmanager
def _session(outer: Outer, dtypes: Sequence[Any], wide: bool) -> Iterator[Load]:
    import jax

    def load(arrays: Sequence[Array]) -> list[Any]:
        input_dtypes = [*dtypes, *[None] * (len(arrays) - len(dtypes))]
        return [jax.numpy.asarray(x, None if wide else dtype) for x, dtype in zip(arrays, input_dtypes, strict=True)]

    with outer(wide), _in_64_bits() if wide else nullcontext():
        yield load


def _in_64_bits() -> Any:
    import jax

    # It is experimental in older versions.
    return jax.enable_x64(True) if hasattr(jax, "enable_x64") else import_module("jax.experimental").enable_x64()
