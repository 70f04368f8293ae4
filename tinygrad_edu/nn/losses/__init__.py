"""Loss functions, each also as a module."""

# ruff: noqa: I001
from typing import TYPE_CHECKING

from tinygrad_edu.errors.hints import public_names as _public_names

# In reading order.
from tinygrad_edu.nn.losses.regression import *
from tinygrad_edu.nn.losses.classification import *
from tinygrad_edu.nn.losses.distributions import *
from tinygrad_edu.nn.losses.margins import *
from tinygrad_edu.nn.losses.similarity import *
from tinygrad_edu.nn.losses.alignment import *

if not TYPE_CHECKING:  # type checkers cannot read a computed list; they use the names of the star imports
    __all__ = _public_names(globals(), __name__, "cross_entropy")
