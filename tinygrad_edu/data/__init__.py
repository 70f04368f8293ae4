"""Digits to learn from, and the batches that a training loop takes from them."""

from tinygrad_edu.data.batches import batches, one_hot, random_shift, to_float
from tinygrad_edu.data.mnist import Digits, load_embedded, load_file, load_keras

__all__ = [
    "Digits",
    "batches",
    "load_embedded",
    "load_file",
    "load_keras",
    "one_hot",
    "random_shift",
    "to_float",
]
