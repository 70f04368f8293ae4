"""Types of the batches of a DataLoader, for type checkers."""

from typing import Any, TypedDict

import numpy as np
from typing_extensions import TypeVar

from tinygrad_edu.data.lazy_batch import Augment
from tinygrad_edu.data.samplers import Sampler

Batch = TypeVar("Batch", default=Any)

class Options(TypedDict, total=False):
    """The options of a DataLoader that keep the type of a batch."""

    batch_size: int
    shuffle: bool | None
    rng: np.random.Generator | None
    drop_last: bool
    augment: Augment | None
    sampler: Sampler | None
    workers: int
