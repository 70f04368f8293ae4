"""check_keras: check the gradients of a Keras layer or model on the JAX backend."""

import inspect
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from importlib import import_module
from typing import Any
from unittest import mock

from tinygrad_edu.errors import DTypeError, MissingExtraError
from tinygrad_edu.testing.interop.foreign_function import required
from tinygrad_edu.testing.interop.jax_functions import check_jax_function
from tinygrad_edu.testing.numeric.sampling import Rng
from tinygrad_edu.testing.op_call import argument_names
from tinygrad_edu.testing.report.reproduction import reproducible

__tracebackhide__ = True  # pytest shows the line of the test, and with --full-trace ours


@reproducible
def check_keras(layer: Any, *inputs: Any, training: bool = False, order: int = 1, rng: Rng | None = None) -> None:
    """Check the gradients of a layer or model of Keras by each trainable variable and floating-point input.

    As `check_jax` does, in float64 where the layer can. The layer is built if it is not, and else left as it was: what
    it would update, as the averages of a normalization, is held fixed, and so is the state of its random numbers.

    Parameters
    ----------
    layer : keras.Layer or keras.Model
    *inputs : array_like
    training : bool
        The mode to call it in.
    order, rng
        As in `check_jax`.

    Raises
    ------
    GradientMismatch, Inconclusive, NotDeterministic, LawBroken, DTypeError
        As in `check_gradient`; the message names the variable by its path.
    MissingExtraError
        Without Keras on JAX, which the extra ``tinygrad-edu[keras]`` brings.

    Examples
    --------
    ::

        check_keras(keras.layers.Dense(2, activation="tanh"), np.ones((4, 3)))
    """
    install = "pip install 'tinygrad-edu[keras]', and set KERAS_BACKEND=jax before Keras is imported"
    keras = required("keras", "check_keras", install)
    if keras.backend.backend() != "jax":
        raise MissingExtraError(f"check_keras needs Keras on JAX, and it runs on {keras.backend.backend()}: {install}")
    if not isinstance(layer, keras.Layer):
        raise DTypeError(
            f"check_keras takes a layer or model, not a {type(layer).__name__}; check_jax takes functions."
        )
    if not layer.built:
        layer(*inputs)
    variables = layer.trainable_variables
    mode = {"training": training} if "training" in inspect.signature(layer.call).parameters else {}

    def function(*values: Any) -> Any:
        with keras.StatelessScope() as scope:  # what the layer assigns is forgotten at its end
            for variable, value in zip(variables, values, strict=False):
                scope.add_update((variable, value))
            return layer(*values[len(variables) :], **mode)

    arguments = argument_names(layer.call, len(inputs))
    names = (*(variable.path for variable in variables), *arguments)
    check_jax_function(
        f"layer {type(layer).__name__}",
        function,
        (*(variable.value for variable in variables), *inputs),
        names,
        order,
        rng,
        partial(_session, keras, layer),
    )


@contextmanager
def _session(keras: Any, layer: Any, wide: bool) -> Iterator[None]:
    """Let a layer and those in it compute in float64, if wide."""
    floatx, policies = keras.config.floatx(), [(part, part.dtype_policy) for part in layer._flatten_layers()]
    try:
        with _float64_stays() if wide else nullcontext():
            keras.config.set_floatx("float64" if wide else floatx)
            for part, policy in policies:
                part.dtype_policy = "float64" if wide else policy
            yield
    finally:
        keras.config.set_floatx(floatx)
        for part, policy in policies:
            part.dtype_policy = policy


def _float64_stays() -> AbstractContextManager[Any]:
    """Take out of a table of Keras that two arrays of float64 make one of float32, if it has that table."""
    dtypes = import_module("keras.src.backend.common.dtypes")
    return mock.patch.dict(getattr(dtypes, "BIT64_TO_BIT32_DTYPE", {}), float64="float64")
