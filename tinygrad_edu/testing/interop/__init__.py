"""The gradients that PyTorch, JAX and Keras compute of anybody's function, checked in one line each."""

from tinygrad_edu.testing.interop.jax_functions import check_jax
from tinygrad_edu.testing.interop.keras_layers import check_keras
from tinygrad_edu.testing.interop.torch_functions import check_torch

__all__ = ["check_jax", "check_keras", "check_torch"]
