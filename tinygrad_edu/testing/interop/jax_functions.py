"""check_jax: check JAX's gradients of a function of pytrees."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from functools import partial
from importlib import import_module
from typing import Any, cast

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.errors.extras import remedy
from tinygrad_edu.testing.arrays.array_tree import ArrayTree
from tinygrad_edu.testing.arrays.dtypes import as_numbers, as_real, is_complex
from tinygrad_edu.testing.failures import LawBroken
from tinygrad_edu.testing.flat_function import as_input
from tinygrad_edu.testing.interop.foreign_function import (
    ArrayFunction,
    ForeignFunction,
    ForeignPullback,
    agree_roughly,
    batch_axes,
    check_foreign,
    required,
)
from tinygrad_edu.testing.numeric.sampling import Rng
from tinygrad_edu.testing.op_call import argument_names, title_of
from tinygrad_edu.testing.report.reproduction import reproducible
from tinygrad_edu.testing.verdict import NotApplicable, Report, first_line

Outer = Callable[[str], AbstractContextManager[None]]


@reproducible
def check_jax(
    f: Callable[..., Any],
    *arguments: Any,
    order: int = 1,
    accuracy: float = 0.0,
    skip: Collection[str] = (),
    rng: Rng | None = None,
) -> Report:
    """Check JAX's gradients of a function, including any ``jax.custom_vjp`` and ``jax.custom_jvp`` in it.

    Use it instead of `check` for higher orders, an accuracy, or laws to skip.

    The inputs are the floating-point and complex leaves of the arguments. Everything else, such as integers and random
    keys, is constant. JAX computes in float64 for finite differences, or in the function's own dtypes if it rejects
    float64. The laws are those of `check_torch`; arrays of JAX have no memory layouts, and ``jax.vmap`` makes batches.

    Parameters
    ----------
    f : callable
        Returns an array or a pytree of arrays.
    *arguments
        Pytrees.
    order : int, default 1
    accuracy : float, default 0.0
    skip : collection of str, default ()
    rng : numpy.random.Generator, optional
        The last four are as in `check_torch`.

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
    return check_foreign(jax_function(title_of(f), f, arguments, names, accuracy), order, rng, skip)


def jax_function(
    title: str,
    f: Callable[..., Any],
    arguments: Sequence[Any],
    names: Sequence[str],
    accuracy: float,
    outer: Outer = lambda dtype: nullcontext(),
) -> ForeignFunction:
    """Return a function with a title and names for messages. `outer(dtype)` may set up a dtype."""
    import jax

    leaves, structure = jax.tree_util.tree_flatten_with_path(tuple(arguments))
    paths = [names[path[0].idx] + jax.tree_util.keystr(path[1:]) for path, _ in leaves]
    point = ArrayTree([leaf for _, leaf in leaves], paths, _as_input)
    dtypes = [_dtype(leaf) for _, leaf in leaves if _as_input(leaf) is not None]

    def has_fractions(x: Any) -> bool:
        return isinstance(x, float | complex) or jax.numpy.issubdtype(getattr(x, "dtype", np.int64), jax.numpy.inexact)

    def flat(*inputs: Any) -> list[Any]:
        out = f(*jax.tree_util.tree_unflatten(structure, point.filled(inputs, lambda value: value)))
        return [jax.numpy.asarray(x) for x in jax.tree_util.tree_leaves(out) if has_fractions(x)]

    framework, arrays = _JAX(outer, *_traits(flat, point.arrays)), tuple(as_real(x) for x in point.arrays)
    inputs, compiled = tuple(leaf.name for leaf in point.leaves), partial(framework.run, flat, "value", flat)
    return ForeignFunction(title, compiled, arrays, inputs, tuple(dtypes), framework, accuracy=accuracy)


def _as_input(value: Any) -> Array | None:
    """Return a floating-point or complex number or array in float64 or complex128."""
    array = as_numbers(value)
    if array is not None and is_complex(array):
        return array.astype(np.complex128)
    return as_input(value)


def _dtype(leaf: Any) -> np.dtype[Any]:
    """Return the dtype of a leaf; Python's numbers are float32 or complex64."""
    return np.dtype(getattr(leaf, "dtype", np.complex64 if isinstance(leaf, complex) else np.float32))


# Primitives that draw random numbers, in the text of a program.
_DRAWS = re.compile(r"\b(?:(?:random_bits|random_gamma|rng_bit_generator|rng_uniform)\[|threefry2x32 )")


def _traits(f: ArrayFunction, arrays: Sequence[Array]) -> tuple[bool, bool, bool, bool]:
    """Return whether JAX can compile f and its gradient, can trace f, and whether f draws or has a rule for batches.

    It is not traced if its control flow depends on values or it draws random numbers during tracing. It is not compiled
    if JAX cannot trace its gradient, as that of a ``jax.custom_gradient`` with a computed value in its closure.
    """
    import jax

    try:
        # A new lambda each time, because JAX caches the trace of a function.
        first, second = (jax.make_jaxpr(lambda *inputs: f(*inputs))(*arrays) for _ in range(2))
    except Exception:  # f itself raises the error when it is called
        return False, False, False, False
    programs = {re.sub("0x[0-9a-f]+", "", str(program)) for program in (first, second)}
    same_program = len(programs) == 1 and all(map(np.array_equal, first.consts, second.consts))
    draws = any(map(_DRAWS.search, programs))
    with suppress(Exception):
        if same_program:
            programs.add(str(jax.make_jaxpr(lambda *inputs: _with_gradients(f, inputs))(*arrays)))
            return True, True, draws, any("custom_vmap_call" in text for text in programs)
    return False, same_program, draws, any("custom_vmap_call" in text for text in programs)


def _evaluated(program: Any, constants: Sequence[Any], inputs: Sequence[Any]) -> Sequence[Any]:
    """Return the results of a traced program."""
    import jax.extend  # JAX does not import it

    closed = jax.extend.core.ClosedJaxpr(program, constants)
    return cast(Sequence[Any], jax.extend.core.jaxpr_as_fun(closed)(*inputs))


def _with_gradients(f: ArrayFunction, inputs: Sequence[Any]) -> Any:
    """Return the results, and the gradients for cotangents of one."""
    import jax

    results, pullback = jax.vjp(f, *inputs)
    return results, pullback([*map(jax.numpy.ones_like, results)])


# Compiled programs by their text, because JAX compiles every new function, as in each example of a Hypothesis test.
_COMPILED: dict[str, Any] = {}
_MOST_COMPILED = 256
_OPAQUE = re.compile(r"callback|pallas|ffi|0x|\.\.\.")  # the text does not determine the program


def _compiled(function: Callable[..., Any], arguments: Sequence[Any]) -> Callable[..., Any]:
    """Return a function of pytrees of arrays, traced once and compiled."""
    import jax

    traced, shapes = jax.make_jaxpr(function, return_shape=True)(*arguments)
    structure, text = jax.tree_util.tree_structure(shapes), str(traced)
    jitted = _COMPILED.get(text) or jax.jit(partial(_evaluated, traced.jaxpr))
    if not _OPAQUE.search(text):
        if len(_COMPILED) == _MOST_COMPILED:
            _COMPILED.clear()
        _COMPILED[text] = jitted

    def compiled(*values: Any) -> Any:
        results = jitted(traced.consts, jax.tree_util.tree_leaves(values))
        return jax.tree_util.tree_unflatten(structure, results)

    return compiled


class _JAX:
    """JAX, with a context for each dtype, in which it draws other random numbers from the same key.

    It compiles one program for the values of a function, and one for each of its derivatives, in each dtype.
    """

    conjugates, is_random = True, False

    def __init__(
        self, outer: Outer, is_compilable: bool, is_traceable: bool, draws_by_dtype: bool, has_rule: bool
    ) -> None:
        self.layouts: Mapping[str, Callable[[Array], Array]] = {}
        self._outer, self._is_traceable, self.draws_by_dtype = outer, is_traceable, draws_by_dtype
        self._is_compilable, self._has_rule, self._programs = is_compilable, has_rule, dict[Any, Any]()
        self._wide, self._dtype, self._stack = True, "", ExitStack()  # as text, because NumPy's float64 equals None

    @contextmanager
    def session(self, wide: bool) -> Iterator[None]:
        """Compute in 64 bits while arrays of float64 are loaded, if `wide`."""
        self._wide, self._dtype = wide, ""
        with ExitStack() as self._stack:
            yield

    def run(self, f: ArrayFunction, kind: Any, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return function(*arguments), by a program for this kind of function that is derived from f."""
        if not self._can_compile(arguments):
            return function(*arguments)
        return self._kept(f, kind, arguments, lambda: _compiled(function, arguments))(*arguments)

    def _can_compile(self, arguments: Sequence[Any]) -> bool:
        import jax

        tracer = jax.core.Tracer  # in a function that JAX traces already
        return self._is_compilable and not any(isinstance(x, tracer) for x in jax.tree_util.tree_leaves(arguments))

    def _kept(self, f: ArrayFunction, kind: Any, arguments: Sequence[Any], make: Callable[[], Any]) -> Any:
        """Return what `make` returned for arguments of these shapes and dtypes."""
        import jax

        leaves, structure = jax.tree_util.tree_flatten(arguments)
        key = f, kind, structure, *((x.shape, str(x.dtype)) for x in leaves)
        if key not in self._programs:
            self._programs[key] = make()
        return self._programs[key]

    def load(self, arrays: Sequence[Array], needs: Collection[int]) -> list[Any]:
        import jax

        dtype = str(arrays[0].real.dtype)
        if self._wide and dtype != self._dtype:
            self._stack.close()
            self._dtype = dtype
            self._stack.enter_context(in_64_bits(dtype == "float64"))
            self._stack.enter_context(self._outer(dtype))
        return [jax.numpy.asarray(x) for x in arrays]

    def load_like(self, array: Array, result: Any) -> Any:
        import jax

        return jax.numpy.asarray(array).astype(result.dtype)

    def unload(self, value: Any) -> Array:
        return np.asarray(value)

    def vjp(
        self, f: ArrayFunction, inputs: Sequence[Any], needs: Collection[int], graph: bool
    ) -> tuple[Sequence[Any], ForeignPullback]:
        import jax

        def of_needed(inputs: Sequence[Any]) -> Any:
            def function(*values: Any) -> Any:
                every = dict(enumerate(inputs)) | dict(zip(needs, values, strict=True))
                return list(f(*every.values()))

            return jax.vjp(function, *(inputs[k] for k in needs))

        def both(inputs: Sequence[Any], cotangents: Sequence[Any]) -> Any:
            results, pullback = of_needed(inputs)
            return results, pullback(cotangents)

        if self._can_compile(inputs):
            shapes = self._kept(f, "shapes", inputs, lambda: jax.eval_shape(f, *inputs))
            run = partial(self.run, f, ("vjp", *needs), both, inputs)
            results = run([np.zeros(x.shape, x.dtype) for x in shapes])[0]
        else:
            run, (results, pullback) = None, of_needed(inputs)

        def pull(cotangents: Sequence[Any]) -> Sequence[Any]:
            filled = [jax.numpy.zeros_like(x) if g is None else g for g, x in zip(cotangents, results, strict=True)]
            return cast(Sequence[Any], run(filled)[1] if run else pullback(filled))

        return results, pull

    def jvp(self, f: ArrayFunction, inputs: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        import jax

        def push(inputs: Sequence[Any], tangents: Sequence[Any]) -> Any:
            return jax.jvp(f, tuple(inputs), tuple(tangents))[1]

        try:
            return cast(Sequence[Any], self.run(f, "jvp", push, inputs, tangents))
        except (NotImplementedError, TypeError) as error:
            if isinstance(error, NotImplementedError) or "forward-mode" in str(error):
                raise NotApplicable(f"JAX has no forward derivative: {first_line(error)}") from error
            raise

    def has_only_forward(self, error: Exception) -> bool:
        return "Reverse-mode differentiation does not work" in str(error)

    def batched(
        self, f: ArrayFunction, inputs: Sequence[Any], axes: Sequence[int | None], load: Callable[[Sequence[Any]], Any]
    ) -> tuple[Sequence[Any], dict[str, Sequence[Any]]]:
        import jax

        if not self._is_traceable:
            raise NotApplicable("JAX cannot trace the function without its values")

        def gradients(inputs: Sequence[Any], cotangents: Sequence[Any]) -> dict[str, Any]:
            outside = jax.vjp(jax.vmap(f), *inputs)[1](cotangents)
            inside = jax.vmap(lambda g, *samples: jax.vjp(f, *samples)[1](g))(cotangents, *inputs)
            return {"the gradient of vmap": outside, "vmap of the gradient": inside}

        try:
            results = self.run(f, "vmap", jax.vmap(f), *inputs)
            cotangents = load(results)
            if self._has_rule:
                self._require_shared_inputs(f, inputs, cotangents)
            return results, self.run(f, "gradients of vmap", gradients, inputs, cotangents)
        except (NotImplementedError, ValueError) as error:  # the latter for a loop whose length depends on the sample
            if isinstance(error, NotImplementedError) or self.has_only_forward(error):
                raise NotApplicable(f"JAX cannot batch the function: {first_line(error)}") from error
            raise

    def _require_shared_inputs(self, f: ArrayFunction, inputs: Sequence[Any], cotangents: Sequence[Any]) -> None:
        """Require the same for inputs that all samples share. JAX itself moves the axes of batches to the front."""
        import jax

        tried = [axes for axes in batch_axes([x.ndim for x in inputs]) if None in axes]

        def gradients(gs: Sequence[Any], *samples: Any) -> Any:
            results, pullback = jax.vjp(f, *samples)
            return f(*samples), results, pullback(gs)

        def both(axes: Sequence[int | None], inputs: Sequence[Any], cotangents: Sequence[Any]) -> Any:
            pairs = list(zip(inputs, axes, strict=True))
            moved = [x[0] if axis is None else jax.numpy.moveaxis(x, 0, axis) for x, axis in pairs]
            repeated = [x[:1] + jax.numpy.zeros_like(x) if axis is None else x for x, axis in pairs]
            return jax.vmap(gradients, (0, *axes))(cotangents, *moved), jax.vmap(gradients)(cotangents, *repeated)

        def every(inputs: Sequence[Any], cotangents: Sequence[Any]) -> Any:
            return [both(axes, inputs, cotangents) for axes in tried]

        for axes, pair in zip(tried, self.run(f, "shared inputs", every, inputs, cotangents), strict=True):
            found, expected = (map(self.unload, jax.tree_util.tree_leaves(part)) for part in pair)
            if not all(map(agree_roughly, found, expected)):
                raise LawBroken(
                    f"the results or gradients of jax.vmap with in_axes={axes} differ from those of the samples. A "
                    f"rule of custom_vmap gets an input that is not batched without an axis."
                )


def in_64_bits(flag: bool) -> Any:
    """Return a context in which JAX computes in 64 bits, or does not."""
    import jax

    # It is experimental in older versions.
    return jax.enable_x64(flag) if hasattr(jax, "enable_x64") else import_module("jax.experimental").enable_x64(flag)
