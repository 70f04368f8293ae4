"""Loss functions, each also as a module."""

from typing import TYPE_CHECKING

from tinygrad_edu.nn.losses import classification, distributions, margins, regression, similarity
from tinygrad_edu.nn.losses.classification import *
from tinygrad_edu.nn.losses.distributions import *
from tinygrad_edu.nn.losses.margins import *
from tinygrad_edu.nn.losses.regression import *
from tinygrad_edu.nn.losses.similarity import *

if not TYPE_CHECKING:  # a type checker reads no list that is computed, and takes what the stars bring
    _FILES = (regression, classification, distributions, margins, similarity)
    __all__ = [name for file in _FILES for name in file.__all__]
