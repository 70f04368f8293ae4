"""Update parameters with the fast form of an optimizer, and share the chunks of large ones over threads."""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any, TypeVar

from numpy import ndarray
from numpy.lib.array_utils import byte_bounds

from tinygrad_edu.cores.threads import in_parts
from tinygrad_edu.engine import Tensor
from tinygrad_edu.optim.fast.scratch import Chunk
from tinygrad_edu.thresholds import SizeThreshold

Function = TypeVar("Function", bound=Callable[..., Any])
Group = dict[str, Any]
# Updates a chunk in place: of the parameter, its gradient, two scratch arrays, and the arrays of its state.
UpdateChunk = Callable[..., None]

# A parameter is large if a step reads so many numbers of it: each call of NumPy then takes long enough for threads.
# All large ones together have at least _ENOUGH numbers: for fewer, this thread ends before another starts.
_LARGE, _ENOUGH = map(SizeThreshold, (300_000, 3_000_000))


def has_fast_form(fast: Callable[..., Any]) -> Callable[[Function], Function]:
    """Declare the fast form of `Optimizer.update`. A subclass that overrides `update` does not inherit it."""

    def mark(update: Any) -> Any:
        update.fast = fast
        return update

    return mark


def in_chunks(prepare: Callable[..., UpdateChunk]) -> Any:
    """Make the fast form of an elementwise update from the function that prepares the update of its chunks.

    `prepare` takes the parameter, its state and its settings. It is called once a step for each parameter; threads may
    share the chunks.
    """

    def update(optimizer: Any, p: Tensor, group: Group) -> None:
        update_chunk = prepare(p._data, optimizer._state_of(p, group), group)
        for chunk in _chunks(optimizer, p, group):
            _update_chunk(update_chunk, p, chunk)

    vars(update)["prepare"] = prepare
    return update


def update_in_chunks(optimizer: Any, params: list[tuple[Tensor, Group]]) -> None:
    """Update parameters; those of an optimizer without a fast form by its `update`."""
    fast = getattr(type(optimizer).update, "fast", _update)
    if hasattr(fast, "prepare"):
        large = [(p, group) for p, group in params if _is_large(optimizer, p, group)]
        if large and _are_enough(optimizer, large):
            _share(optimizer, fast.prepare, large)
            shared = {id(p) for p, _ in large}
            params = [(p, group) for p, group in params if id(p) not in shared]
    for p, group in params:
        fast(optimizer, p, group)


def _update(optimizer: Any, p: Tensor, group: Group) -> None:
    optimizer.update(p._data, p.grad, optimizer._state_of(p, group), group)


def _share(optimizer: Any, prepare: Callable[..., UpdateChunk], params: list[tuple[Tensor, Group]]) -> None:
    """Update parameters chunk by chunk on several threads."""

    def update(job: tuple[Tensor, Group, UpdateChunk, int]) -> None:
        p, group, update_chunk, k = job
        _update_chunk(update_chunk, p, _chunks(optimizer, p, group)[k])  # with scratch memory of this thread

    def jobs() -> Iterator[tuple[Tensor, Group, UpdateChunk, int]]:
        for p, group in params:
            update_chunk = prepare(p._data, optimizer._state_of(p, group), group)
            yield from ((p, group, update_chunk, k) for k in range(len(_chunks(optimizer, p, group))))

    in_parts(update, list(jobs()), multiplies=False)


def _update_chunk(update: UpdateChunk, p: Tensor, chunk: Chunk) -> None:
    grad: Any = p.grad
    update(chunk.param, grad[chunk.index], chunk.a, chunk.b, *chunk.state)


def _chunks(optimizer: Any, p: Tensor, group: Group) -> list[Chunk]:
    names = _array_names(optimizer, group)
    arrays = [p._data]
    if names:
        arrays += map(optimizer.state[p].__getitem__, names)
    return optimizer._scratch.chunks(arrays)  # type: ignore[no-any-return]


def _array_names(optimizer: Any, group: Group) -> list[str]:
    """Return the names of the arrays of the state that have the shape of the parameter."""
    return [name for name, slot in optimizer.state_slots.items() if not slot.scalar and slot.is_used(group)]


def _is_large(optimizer: Any, p: Tensor, group: Group) -> bool:
    return p._data.size > _LARGE // 8 and _numbers_read(optimizer, p, group) >= _LARGE


def _are_enough(optimizer: Any, params: list[tuple[Tensor, Group]]) -> bool:
    """Return whether threads may share these parameters: large enough together, and none overlaps another."""
    enough = sum(_numbers_read(optimizer, p, group) for p, group in params) >= _ENOUGH
    return enough and _are_disjoint(p._data for p, _ in params)


def _numbers_read(optimizer: Any, p: Tensor, group: Group) -> int:
    """Return how many numbers a step reads: of the parameter, its gradient and its state."""
    return p._data.size * (2 + len(_array_names(optimizer, group)))


def _are_disjoint(arrays: Iterable[ndarray]) -> bool:
    """Return whether no two arrays share memory: otherwise the order of their updates matters."""
    return all(end <= start for (_, end), (start, _) in pairwise(sorted(byte_bounds(array) for array in arrays)))
