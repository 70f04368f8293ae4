"""Updates of large parameters in chunks that fit into the cache, on several threads."""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from typing import Any, TypeVar

from numpy import ndarray
from numpy.lib.array_utils import byte_bounds

from tinygrad_edu.core.sgd import Ready
from tinygrad_edu.shared.speed.threads import map_parts
from tinygrad_edu.shared.speed.thresholds import SizeThreshold

Update = TypeVar("Update", bound=Callable[..., Any])

# An update passes over its arrays two to sixteen times. Chunks of this size stay in the cache between passes.
_CHUNK_BYTES = SizeThreshold(256 * 1024)
# Minimum number of elements that a step reads for several threads: a smaller step ends before another thread starts.
_MIN_ELEMENTS_FOR_THREADS = SizeThreshold(3_000_000)


def elementwise(update: Update) -> Update:
    """Declare that an `Optimizer.update` is elementwise: it computes each element from the same element of its arrays.

    It must update existing arrays of the state in place. A subclass that overrides `update` does not inherit this.
    """
    vars(update)["elementwise"] = True
    return update


def update_in_chunks(optimizer: Any, params: list[Ready]) -> None:
    """Update parameters. Elementwise updates run in chunks, and on several threads if the parameters are large."""
    large = [p for p, _, _ in params if p._data.nbytes > _CHUNK_BYTES]
    if not large or not hasattr(type(optimizer).update, "elementwise"):
        for p, grad, group in params:
            optimizer.update(p._data, grad, optimizer.state.setdefault(p, {}), group)
        return
    calls: list[Callable[[], None]] = []
    for p, grad, group in params:
        calls += _chunks(optimizer, p._data, grad, optimizer.state.setdefault(p, {}), group)
    read = sum(p._data.size * (2 + len(optimizer.state[p])) for p in large)
    threads = read >= _MIN_ELEMENTS_FOR_THREADS and _are_disjoint(p._data for p, _, _ in params)
    map_parts(lambda update: update(), calls, threads, multiplies=False)


def _chunks(
    optimizer: Any, param: ndarray, grad: ndarray, state: dict[str, ndarray], group: Any
) -> list[Callable[[], None]]:
    """Return the update of each chunk. The first updates the scalars of the state, the others update copies."""
    if not param.ndim or param.nbytes <= _CHUNK_BYTES or not _is_complete(optimizer, state, group):
        return [partial(optimizer.update, param, grad, state, group)]
    scalars = {name: array for name, array in state.items() if optimizer.state_slots[name].scalar}
    arrays = {name: array for name, array in state.items() if name not in scalars}
    calls: list[Callable[[], None]] = []
    rows = max(1, _CHUNK_BYTES * len(param) // param.nbytes)
    for start in range(0, len(param), rows):
        chunk = slice(start, start + rows)
        part = {name: array[chunk] for name, array in arrays.items()}
        part |= {name: array.copy() for name, array in scalars.items()} if start else scalars
        calls.append(partial(optimizer.update, param[chunk], grad[chunk], part, group))
    return calls


def _is_complete(optimizer: Any, state: dict[str, ndarray], group: Any) -> bool:
    """Return whether the state has all its arrays. Otherwise `update` adds arrays of the shape of the parameter."""
    return all(name in state for name, slot in optimizer.state_slots.items() if slot.is_used(group))


def _are_disjoint(arrays: Iterable[ndarray]) -> bool:
    """Return whether no two arrays overlap in memory. With an overlap, the order of updates would matter."""
    return all(end <= start for (_, end), (start, _) in pairwise(sorted(map(byte_bounds, arrays))))
