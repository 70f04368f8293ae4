"""Updates of large parameters in chunks that fit into the cache, on several threads."""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from typing import Any, TypeVar

from numpy import ndarray
from numpy.lib.array_utils import byte_bounds

from tinygrad_edu.cores.threads import map_parts
from tinygrad_edu.engine import Tensor
from tinygrad_edu.thresholds import SizeThreshold

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


def update_in_chunks(optimizer: Any, params: list[tuple[Tensor, ndarray, dict[str, Any]]]) -> None:
    """Update parameters. Elementwise updates run in chunks, and on several threads if the parameters are large."""
    is_elementwise = hasattr(type(optimizer).update, "elementwise")
    calls: list[Callable[[], None]] = []
    for p, grad, group in params:
        state = optimizer.state[p]
        if is_elementwise and p._data.ndim and p._data.nbytes > _CHUNK_BYTES and _is_complete(optimizer, state, group):
            calls += _chunks(optimizer, p._data, grad, state, group)
        else:
            calls.append(partial(optimizer.update, p._data, grad, state, group))
    large = is_elementwise and _should_use_threads(optimizer, [p for p, _, _ in params])
    map_parts(lambda update: update(), calls, large, multiplies=False)


def _chunks(
    optimizer: Any, param: ndarray, grad: ndarray, state: dict[str, ndarray], group: Any
) -> list[Callable[[], None]]:
    """Return the update of each chunk. The first updates the scalars of the state, the others update copies."""
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


def _should_use_threads(optimizer: Any, params: list[Tensor]) -> bool:
    """Return whether several threads may update the parameters: large enough in total, and without overlap."""
    large = [p for p in params if p._data.nbytes > _CHUNK_BYTES]
    read = sum(p._data.size * (2 + len(optimizer.state[p])) for p in large)
    return read >= _MIN_ELEMENTS_FOR_THREADS and _are_disjoint(p._data for p in params)


def _are_disjoint(arrays: Iterable[ndarray]) -> bool:
    """Return whether no two arrays overlap in memory. With an overlap, the order of updates would matter."""
    return all(end <= start for (_, end), (start, _) in pairwise(sorted(map(byte_bounds, arrays))))
