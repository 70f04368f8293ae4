"""check_keras: check the gradients of a Keras layer or model on the JAX backend."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any
from unittest import mock

from tinygrad_edu.errors import DTypeError, MissingExtraError
from tinygrad_edu.errors.extras import remedy
from tinygrad_edu.testing.interop.foreign_function import check_foreign, required
from tinygrad_edu.testing.interop.jax_functions import jax_function
from tinygrad_edu.testing.numeric.sampling import Rng
from tinygrad_edu.testing.op_call import BoundFunction, argument_names, unbound
from tinygrad_edu.testing.report.reproduction import reproducible
from tinygrad_edu.testing.verdict import Report


@reproducible
def check_keras(
    layer: Any,
    *inputs: Any,
    training: bool = False,
    order: int = 1,
    accuracy: float = 0.0,
    skip: Collection[str] = (),
    rng: Rng | None = None,
) -> Report:
    """Check the gradients of a Keras layer or model with respect to its trainable variables and inputs.

    The check uses float64 and the laws as `check_jax` does. The layer is built if necessary, and not changed otherwise:
    variables that a call updates, such as running means and random states, are constant.

    Parameters
    ----------
    layer : keras.Layer or keras.Model
    *inputs : array_like
    training : bool, default False
        The mode of the call.
    order : int, default 1
    accuracy : float, default 0.0
    skip : collection of str, default ()
    rng : numpy.random.Generator, optional
        The last four are as in `check_torch`.

    Raises
    ------
    GradientMismatch, Inconclusive, NotDeterministic, LawBroken, DTypeError
        As in `check_gradient`; the message names the variable by its path.
    MissingExtraError
        Keras on JAX is not installed; the extra ``keras`` installs it.

    Examples
    --------
    ::

        check_keras(keras.layers.Dense(2, activation="tanh"), np.ones((4, 3)))
    """
    install = f"{remedy('keras')}, and set KERAS_BACKEND=jax before Keras is imported"
    keras = required("keras", "check_keras", install)
    if keras.backend.backend() != "jax":
        raise MissingExtraError(
            f"check_keras requires Keras on JAX, got Keras on {keras.backend.backend()}: {install}."
        )
    call, layer = layer, unbound(layer)
    if not isinstance(layer, keras.Layer):
        raise DTypeError(
            f"check_keras: expected a layer or model, got {type(layer).__name__}; use check_jax for functions."
        )
    if not layer.built:
        call(*inputs)
    variables = layer.trainable_variables
    mode = {"training": training} if "training" in inspect.signature(layer.call).parameters else {}
    if isinstance(call, BoundFunction):
        call = replace(call, kwargs=mode | dict(call.kwargs))
    arguments = argument_names(layer.call, len(inputs)) if call is layer else call.names

    def function(*values: Any) -> Any:
        with keras.StatelessScope() as scope:  # discards the layer's assignments to variables
            for variable, value in zip(variables, values, strict=False):
                scope.add_update((variable, value))
            return call(*values[len(variables) :], **(mode if call is layer else {}))

    names = (*(variable.path for variable in variables), *arguments)
    point, outer = (*(variable.value for variable in variables), *inputs), partial(_computing_in, keras, layer)
    foreign = jax_function(f"layer {type(layer).__name__}", function, point, names, accuracy, outer)
    return check_foreign(foreign, order, rng, skip)


@contextmanager
def _computing_in(keras: Any, layer: Any, dtype: str) -> Iterator[None]:
    """Set a layer and its sublayers to a dtype during the context."""
    floatx, policies = keras.config.floatx(), [(part, part.dtype_policy) for part in layer._flatten_layers()]
    try:
        with _float64_stays():
            keras.config.set_floatx(dtype)
            for part, _ in policies:
                part.dtype_policy = dtype
            yield
    finally:
        keras.config.set_floatx(floatx)
        for part, policy in policies:
            part.dtype_policy = policy


def _float64_stays() -> AbstractContextManager[Any]:
    """Remove float64 from Keras's table of dtypes that are reduced to 32 bits, if Keras has that table."""
    dtypes = import_module("keras.src.backend.common.dtypes")
    return mock.patch.dict(getattr(dtypes, "BIT64_TO_BIT32_DTYPE", {}), float64="float64")
