"""The mathematics: every op, next to its derivatives. ``__all__`` of each file lists its public names.

``registry`` has every `Op` of these files by name. The functions that are composed of ops need no rule of their own.
"""

import sys
from typing import TYPE_CHECKING

from tinygrad_edu.engine import Op
from tinygrad_edu.names import with_keyword_hints
from tinygrad_edu.ops import (
    activations,
    adaptive_pooling,
    arithmetic,
    attention,
    classification,
    contraction,
    convolution,
    cross_entropies,
    diagonals,
    embeddings,
    error_function,
    gather,
    indexing,
    interpolation,
    joining,
    nondifferentiable,
    normalization,
    padding,
    patches,
    pooling,
    powers,
    products,
    reduction,
    repeating,
    scans,
    selection,
    shape,
    sigmoids,
    sorting,
    splitting,
    statistics,
    trigonometry,
)
from tinygrad_edu.ops import creation as creation
from tinygrad_edu.ops import dropout as dropout
from tinygrad_edu.ops import linalg as linalg
from tinygrad_edu.ops import methods as methods  # which attaches them to Tensor
from tinygrad_edu.ops import recurrent as recurrent
from tinygrad_edu.ops.activations import *
from tinygrad_edu.ops.adaptive_pooling import *
from tinygrad_edu.ops.arithmetic import *
from tinygrad_edu.ops.attention import *
from tinygrad_edu.ops.classification import *
from tinygrad_edu.ops.contraction import *
from tinygrad_edu.ops.convolution import *
from tinygrad_edu.ops.cross_entropies import *
from tinygrad_edu.ops.diagonals import *
from tinygrad_edu.ops.embeddings import *
from tinygrad_edu.ops.error_function import *
from tinygrad_edu.ops.gather import *
from tinygrad_edu.ops.indexing import *
from tinygrad_edu.ops.interpolation import *
from tinygrad_edu.ops.joining import *
from tinygrad_edu.ops.nondifferentiable import *
from tinygrad_edu.ops.normalization import *
from tinygrad_edu.ops.padding import *
from tinygrad_edu.ops.patches import *
from tinygrad_edu.ops.pooling import *
from tinygrad_edu.ops.powers import *
from tinygrad_edu.ops.products import *
from tinygrad_edu.ops.reduction import *
from tinygrad_edu.ops.repeating import *
from tinygrad_edu.ops.scans import *
from tinygrad_edu.ops.selection import *
from tinygrad_edu.ops.shape import *
from tinygrad_edu.ops.sigmoids import *
from tinygrad_edu.ops.sorting import *
from tinygrad_edu.ops.splitting import *
from tinygrad_edu.ops.statistics import *
from tinygrad_edu.ops.trigonometry import *

_FILES = (
    arithmetic, selection, powers, sigmoids, error_function, trigonometry, activations, shape, joining, splitting,
    padding, repeating, diagonals, indexing, gather, nondifferentiable, scans, reduction, sorting, statistics, products,
    contraction, classification, cross_entropies, patches, convolution, pooling, adaptive_pooling, interpolation,
    normalization, embeddings, attention,
)  # fmt: skip
if not TYPE_CHECKING:  # a type checker reads no list that is computed, and takes what the stars bring
    __all__ = [name for file in _FILES for name in file.__all__]
    for file in _FILES:
        for name in file.__all__:
            globals()[name] = with_keyword_hints(getattr(file, name), __name__)

registry: dict[str, Op] = {
    value.__name__: value
    for name, file in sys.modules.items()
    if name.startswith(f"{__name__}.")
    for value in vars(file).values()
    if isinstance(value, Op)
}
