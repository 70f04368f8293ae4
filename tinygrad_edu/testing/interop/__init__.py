"""check_torch, check_jax and check_keras: check the gradients of functions of other frameworks."""

from tinygrad_edu.testing.interop.jax_functions import check_jax
from tinygrad_edu.testing.interop.keras_layers import check_keras
from tinygrad_edu.testing.interop.torch_functions import check_torch

__all__ = ["check_jax", "check_keras", "check_torch"]
