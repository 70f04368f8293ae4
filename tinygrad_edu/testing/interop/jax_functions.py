"""check_jax: check the gradients that JAX computes of a function of pytrees."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from importlib import import_module
from typing import Any, cast

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.arrays.array_tree import ArrayTree
from tinygrad_edu.testing.flat_function import as_input
from tinygrad_edu.testing.interop.foreign_function import ArrayFunction, ForeignFunction, Load, check_foreign, required
from tinygrad_edu.testing.numeric.sampling import Rng
from tinygrad_edu.testing.op_call import argument_names, title_of
from tinygrad_edu.testing.report.reproduction import reproducible

__tracebackhide__ = True  # pytest shows the line of the test, and with --full-trace ours

Outer = Callable[[bool], AbstractContextManager[None]]


@reproducible
def check_jax(f: Callable[..., Any], *arguments: Any, order: int = 1, rng: Rng | None = None) -> None:
    """Check the gradients that JAX computes of a function, and of the ``jax.custom_vjp`` and ``custom_jvp`` in it.

    By every floating-point leaf of the arguments; integers, booleans, keys of random numbers and everything else is
    held fixed. JAX computes in 64 bits meanwhile; of what refuses that, gradients in its own dtypes are checked as far
    as those allow.

    Parameters
    ----------
    f : callable
        To an array, or to a pytree of arrays.
    *arguments
        Pytrees.
    order : int
        Up to which derivative: 2 checks the reverse derivative of the reverse derivative, too.
    rng : numpy.random.Generator, optional
        Draws the cotangents and the directions; without it they are the same in every run.

    Raises
    ------
    GradientMismatch, Inconclusive, NotDeterministic, LawBroken, DTypeError
        As in `check_gradient`.
    MissingExtraError
        Without JAX, which the extra ``tinygrad-edu[keras]`` brings.

    Examples
    --------
    ::

        check_jax(lambda params, x: jnp.tanh(x @ params["w"]), {"w": jnp.ones((3, 2))}, jnp.ones(3), order=2)
    """
    required("jax", "check_jax", "pip install 'tinygrad-edu[keras]'")
    names = argument_names(f, len(arguments))
    check_jax_function(title_of(f), f, arguments, names, order, rng)


def check_jax_function(
    title: str,
    f: Callable[..., Any],
    arguments: Sequence[Any],
    names: Sequence[str],
    order: int,
    rng: Rng | None,
    session: Outer = lambda wide: nullcontext(),
) -> None:
    """Do what `check_jax` does, under these names; `session` may prepare for float64."""
    import jax

    found, structure = jax.tree_util.tree_flatten_with_path(tuple(arguments))
    paths = [names[path[0].idx] + jax.tree_util.keystr(path[1:]) for path, _ in found]
    point = ArrayTree([leaf for _, leaf in found], paths, as_input)
    dtypes = [np.dtype(getattr(leaf, "dtype", np.float32)) for _, leaf in found if as_input(leaf) is not None]

    def has_fractions(x: Any) -> bool:
        return isinstance(x, float) or jax.numpy.issubdtype(getattr(x, "dtype", np.int64), jax.numpy.inexact)

    def flat(*inputs: Any) -> list[Any]:
        out = f(*jax.tree_util.tree_unflatten(structure, point.filled(inputs, lambda value: value)))
        return [jax.numpy.asarray(x) for x in jax.tree_util.tree_leaves(out) if has_fractions(x)]

    inputs = tuple(leaf.name for leaf in point.leaves)
    compiled = _compiled(flat, point.arrays)
    theirs = ForeignFunction(title, compiled, point.arrays, inputs, _pulled, partial(_session, session, dtypes))
    check_foreign(theirs, order, rng)


def _compiled(f: ArrayFunction, arrays: Sequence[Array]) -> ArrayFunction:
    """Return f compiled, unless it looks at values, or is another program each time, and so draws random numbers."""
    import jax

    try:
        first, second = (jax.make_jaxpr(lambda *inputs: f(*inputs))(*arrays) for _ in range(2))  # the same is cached
    except Exception:  # of any kind: it is raised again where f is called
        return f
    programs = {re.sub("0x[0-9a-f]+", "", str(program)) for program in (first, second)}
    alike = len(programs) == 1 and all(map(np.array_equal, first.consts, second.consts))
    return cast(ArrayFunction, jax.jit(f)) if alike else f


def _pulled(f: ArrayFunction, count: int, again: bool) -> ArrayFunction:
    import jax

    def pulled(*arrays: Any) -> list[Any]:
        out, pullback = jax.vjp(f, *arrays[:count])
        return list(pullback([g.astype(x.dtype) for g, x in zip(arrays[count:], out, strict=True)]))

    return pulled


@contextmanager
def _session(outer: Outer, dtypes: Sequence[Any], wide: bool) -> Iterator[Load]:
    import jax

    def load(arrays: Sequence[Array]) -> list[Any]:
        own = [*dtypes, *[None] * (len(arrays) - len(dtypes))]
        return [jax.numpy.asarray(x, None if wide else dtype) for x, dtype in zip(arrays, own, strict=True)]

    with outer(wide), _in_64_bits() if wide else nullcontext():
        yield load


def _in_64_bits() -> Any:
    import jax

    # In older ones it is an experiment.
    return jax.enable_x64(True) if hasattr(jax, "enable_x64") else import_module("jax.experimental").enable_x64()
