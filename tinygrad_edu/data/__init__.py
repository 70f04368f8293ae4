"""Digits to learn from, and the batches that a training loop takes from them."""

from tinygrad_edu.data.batches import batches, one_hot, random_shift, to_float
from tinygrad_edu.data.mnist import Digits, load_embedded, load_file, load_keras
from tinygrad_edu.names import missing_from as _missing_from

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

# To a type checker, which reads no globals(), a __getattr__ would make every name right.
globals()["__getattr__"] = _missing_from("tg.data", __all__)
