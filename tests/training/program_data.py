"""Data of training programs: batches with and without masks, as arrays, tensors and loaders."""

from itertools import pairwise

import numpy as np

import tinygrad_edu as tg
from tests.training.program_losses import LOSSES
from tests.training.program_models import CLASSES, FEATURES, STEPS
from tinygrad_edu import data
from tinygrad_edu.parallel import shards
from tinygrad_edu.shared.pytree import tree_map

LOADED = ("loader", "augmented")


def sizes_of(program):
    """Return the sizes of the batches of an epoch."""
    if program.batches in LOADED:
        return [part.stop - part.start for part in shards(sum(program.sizes), program.sizes[0])]
    return list(program.sizes)


def parts_of(sizes):
    """Return the slices of samples of batches with the given sizes."""
    ends = np.cumsum([0, *sizes]).tolist()
    return [slice(start, end) for start, end in pairwise(ends)]


def samples_of(program):
    """Return the arrays of the inputs and the target. Masks exclude the ends of sequences, or samples."""
    rng, count = np.random.default_rng(program.seed), sum(program.sizes)
    positions = (STEPS,) if program.stem == "sequences" else ()
    x = rng.normal(size=(count, *positions, FEATURES)).astype(program.dtype)
    x = np.asfortranarray(x) if program.seed % 2 else x
    scale = rng.uniform(0.5, 1.5, size=count).astype(program.dtype)
    values = rng.normal(size=(count, CLASSES, *positions)).astype(program.dtype)
    labels = rng.integers(0, CLASSES, size=(count, *positions))
    counts = np.ones(labels.shape, bool)
    if program.masks == "random":
        counts = rng.random(labels.shape) < 0.6
    elif program.masks != "none":
        lengths = np.sort(rng.integers(0, 3, size=count))  # sorted, shortest first
        counts = np.arange(labels[0].size) < lengths[:, None] if positions else lengths > 0
        counts = counts if program.masks == "first" else counts[::-1]
    if program.batches not in LOADED:
        for part in parts_of(program.sizes):
            counts[part.start] |= not counts[part].any()  # a batch without labels has no mean
    target = {
        "labels": (np.where(counts, labels, -100),),
        "values": (values,),
        "shares": (1 / (1 + np.exp(-values)),),
        "masked": (values, counts.reshape(count, -1).any(axis=1).astype(program.dtype)),
    }[LOSSES[program.losses[0]].target]
    return ((x, scale) if program.nested else (x,)), target


def batch_of(program, *arrays):
    """Return a batch of inputs and target."""
    (x, *target), scale = arrays, None
    if program.nested:
        scale, *target = target
    inputs = x if scale is None else {"x": x, "scale": scale}
    if program.batches == "trained":
        inputs = tree_map(lambda leaf: tg.Tensor(leaf, requires_grad=True), inputs)
    return inputs, tuple(target) if len(target) > 1 else target[0]


def augmented(x, *others, rng):
    return (x * (1 + 0.5 * rng.random(x.shape)).astype(x.dtype), *others)


def is_nested(program):
    return program.nested or LOSSES[program.losses[0]].target == "masked"


def is_lazy(program):
    """Return whether samples of a loader are read and augmented on the thread that computes their shard."""
    return program.batches in ("loader", "augmented") and not is_nested(program)


def batches_of(program, rng, lazy_augment=True):
    """Return the batches, an iterable for each epoch."""
    arrays = [array for part in samples_of(program) for array in part]
    if program.batches not in LOADED:
        return [batch_of(program, *(array[part] for array in arrays)) for part in parts_of(program.sizes)]
    augments = program.batches == "augmented" and (lazy_augment or not is_lazy(program))
    return data.DataLoader(
        *arrays, batch_size=program.sizes[0], rng=rng, augment=augmented if augments else None,
        transform=None if is_lazy(program) else lambda *arrays: batch_of(program, *arrays),
    )  # fmt: skip


def evaluated_batches(program):
    """Return all samples, in batches without a loader."""
    arrays = [array for part in samples_of(program) for array in part]
    return [batch_of(program, *(array[part] for array in arrays)) for part in parts_of(sizes_of(program))]


def rows_in(nest):
    """Return the first array of a pytree."""
    while isinstance(nest, tuple | list | dict):
        nest = next(iter(nest.values() if isinstance(nest, dict) else nest))
    return nest


def rows_of(nest, part):
    return tree_map(lambda leaf: leaf[part], nest)


def as_tensors(inputs):
    return tree_map(lambda leaf: leaf if isinstance(leaf, tg.Tensor) else tg.Tensor(leaf), list(inputs))
