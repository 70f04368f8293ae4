"""Whether a model computes each sample of a batch alone, so that the batch can be cut: tried out on copies of it."""

import weakref
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple
from warnings import warn

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Tensor, enable_grad
from tinygrad_edu.engine.modes import Mode
from tinygrad_edu.errors import CoupledSamplesError
from tinygrad_edu.nn.module import Module, duplicate
from tinygrad_edu.nn.randomness import random_stream
from tinygrad_edu.nn.samples import as_inputs, samples, some_samples
from tinygrad_edu.transforms.trees import tree_leaves

# By the id of a model: whether its batches can be cut, for each state that it was looked at in.
_verdicts: dict[int, dict[Hashable, bool]] = {}
_FEW = 8

Loss = Callable[[Any, Any], Any]


class _Call(NamedTuple):
    """One call of a module: copies of the arrays that it got, and of those of its result."""

    name: str
    kind: str
    got: list[ndarray]
    returned: list[ndarray]


class _UnknownError(Exception):
    """The reason why nothing can be said."""


def can_be_cut(
    model: Module,
    loss: Loss,
    kind: Hashable,
    few: Callable[[], tuple[tuple[Any, ...], Any]],
    size: int,
    inside: AbstractContextManager[Any],
) -> bool:
    """Return whether the mean loss of a batch is that of its shards of `size` samples, each computed alone.

    The first time, copies of the model run on a few samples: once as they are, and then with one of them in the place
    of some others. What changes in the results of those that stayed comes from the others. This is repeated where the
    modules, their modes or hooks, the loss, or the kind of the samples are new; each time `inside` a context of the
    caller's. Nothing of the model itself changes.

    Parameters
    ----------
    model, loss
    kind : hashable
        What the samples are: `kind_of_samples`.
    few : callable
        Returns the inputs and the target of a shard, and of 2 samples at least, if there are so many.
    size : int
    inside : context manager

    Returns
    -------
    bool
        False where a module or the loss has ``couples_samples`` set, where some labels are ignored, and, with a
        warning, where nothing can be said: of a model that cannot be copied, say.

    Raises
    ------
    CoupledSamplesError
        Where a module couples samples, or writes into what it keeps, and does not say so, or the loss is not a mean
        over samples.
    """
    modules = model.modules()
    if any(getattr(part, "couples_samples", False) for part in (*modules, loss)):
        return False
    kinds = tuple((type(module), module.training, module._hooks and module._hooks.numbers) for module in modules)
    state = (kinds, kind, getattr(loss, "__code__", None) or repr(loss))
    verdicts = _verdicts_on(model)
    if state not in verdicts:
        inputs, target = few()
        if ignores(loss, target):
            return False
        try:
            with inside, Mode(unwatched=True):  # who watches the batch is not to see this
                sound = _try_out(model, loss, inputs, target, size)
        except _UnknownError as reason:
            verdicts[state] = False
            warn(_unknown(type(model).__name__, reason), stacklevel=4)
            return False
        if sound:
            verdicts[state] = True
    return verdicts.get(state, True)


def kind_of_samples(inputs: Any, size: int) -> Hashable:
    """Return the shape and dtype of a sample, and which inputs are alike in the first shard.

    Of an input that is the same for all samples nothing shows whether one depends on the others.
    """
    arrays = list(_arrays(inputs))
    alike = [len(arrays) > 1 and _alike(x[: min(size, _FEW)]) for x in arrays]  # of one that is, nothing is ever known
    return tuple((x.shape[1:], x.dtype, same) for x, same in zip(arrays, alike, strict=True))


def ignores(loss: Loss, target: Any) -> bool:
    """Whether some labels do not count: then the mean is over the others, of which each shard has its own number."""
    ignored = getattr(loss, "ignore_index", -100)
    return any(np.count_nonzero(labels == ignored) for labels in _arrays(target) if labels.dtype.kind in "iu")


def counted_elements(loss: Loss, target: Any) -> int:
    """Return over how many elements of the target a loss takes the mean."""
    values = np.asarray(next(tree_leaves(target)))
    ignored = values == getattr(loss, "ignore_index", -100) if values.dtype.kind in "iu" else np.False_
    return int(values.size - np.count_nonzero(ignored))


def _alike(x: ndarray) -> bool:
    """Whether all samples of an array are the same: then nothing shows whether one depends on the others."""
    return bool((x == x[:1]).all())


def _unknown(kind: str, reason: _UnknownError) -> str:
    return (
        f"sharded_value_and_grad does not cut the batches of {kind} into shards: whether it computes each sample alone "
        f"cannot be tried out, because {reason}. The gradient is right, and takes more memory and time. Set "
        f"couples_samples = True in the class to say that this is meant."
    )


def _verdicts_on(model: Module) -> dict[Hashable, bool]:
    """Return what is known of a model, for as long as the model lives. It need not be hashable."""
    if id(model) not in _verdicts:
        weakref.finalize(model, _verdicts.pop, id(model), None).atexit = False
    return _verdicts.setdefault(id(model), {})


def _try_out(model: Module, loss: Loss, inputs: tuple[Any, ...], target: Any, size: int) -> bool:
    """Examine a model on a few samples, or, where it does not take so few, on as many as a shard has."""
    few, shard = _how_many(inputs, min(size, _FEW)), _how_many(inputs, size)
    try:
        return _examine(model, loss, *some_samples((inputs, target), slice(few)))
    except (CoupledSamplesError, _UnknownError):
        raise
    except Exception:
        if few == shard:
            raise
    return _examine(model, loss, *some_samples((inputs, target), slice(shard)))


def _how_many(inputs: tuple[Any, ...], count: int) -> int:
    """Return the count, or a little less: an axis of the samples is told by its length from the others."""
    others = {length for x in _arrays(inputs) for length in x.shape[1:]}
    count = max(count, 2)
    while count > 2 and count in others:
        count -= 1
    return count


def _examine(model: Module, loss: Loss, inputs: tuple[Any, ...], target: Any) -> bool:
    """Raise if the model couples samples, or writes into what it keeps; return whether the first would have shown.

    In NaN it would not, nor in samples that are all alike.
    """
    if all(map(_alike, _arrays(inputs))):
        return False
    count = samples(inputs)
    out, calls, written = _run_copy(model, inputs)
    # At random, so that whatever order the samples meet each other in, some are kept and some of theirs are not.
    halves = np.array_split(np.random.default_rng(0).permutation(count), 2)
    for kept, others in (halves, halves[::-1]):
        order = np.arange(count)
        order[others] = kept[0]
        call = _first_coupled(calls, _run_copy(model, some_samples(inputs, order))[1], kept, count)
        if call is not None:
            if _first_coupled(calls, _run_copy(model, inputs)[1], kept, count) is not None:
                raise _UnknownError("its results differ from run to run, with the same random stream")
            raise CoupledSamplesError(_coupled(call, count))
    if written:
        raise CoupledSamplesError(_writing(model, written[0]))
    arrays = _of_all_samples(out, count)
    _require_mean(loss, out, target, count, max(map(_size, arrays)))
    return not any(array.dtype.kind == "f" and np.isnan(array).any() for array in arrays)


def _of_all_samples(out: Any, count: int) -> list[ndarray]:
    """Return the arrays in a result, of which each has an axis of the samples first."""
    arrays = list(_arrays(out))
    if not arrays or not all(_has_samples(array, count) for array in arrays):
        shapes = ", ".join(str(array.shape) for array in arrays) or type(out).__name__
        raise _UnknownError(f"of {count} samples it returned {shapes}, without an axis of the samples first")
    return arrays


def _coupled(call: _Call, count: int) -> str:
    where = f"the module {call.name!r}, a {call.kind}," if call.name else f"the model, a {call.kind},"
    return (
        f"sharded_value_and_grad: {where} couples the samples of a batch: of {count} samples, some had other results "
        f"when the others were replaced. On shards it would compute other numbers than on the whole batch. "
        f"Set couples_samples = True in the class {call.kind}, or on this module, and the batch is not cut."
    )


def _writing(model: Module, tensor: str) -> str:
    paths = {name: type(module).__name__ for name, module in model.named_modules()}
    owner = max((name for name in paths if tensor.startswith(f"{name}.") or not name), key=len)
    where = f"the module {owner!r}, a {paths[owner]}," if owner else f"the model, a {paths[owner]},"
    return (
        f"sharded_value_and_grad: {where} writes into its {tensor.removeprefix(f'{owner}.')!r} when it is called. Each "
        f"shard would write there what it makes of its own samples, in any order. "
        f"Set couples_samples = True in the class {paths[owner]}, or on this module, and the batch is not cut."
    )


def _run_copy(model: Module, inputs: tuple[Any, ...]) -> tuple[Any, list[_Call], list[str]]:
    """Run a copy of a model, note each call of a module as it ends, an inner one before those around it, and compare.

    Returns
    -------
    out : the result
    calls : list of _Call
    written : list of str
        The names of what the model keeps, in the state and beside it, and has other values of afterwards.
    """
    try:
        twin = duplicate(model)
    except Exception as error:
        raise _UnknownError(f"it cannot be copied ({type(error).__name__}: {error})") from error
    calls: list[_Call] = []
    before, count = _contents(twin), samples(inputs)
    own = some_samples(inputs, np.arange(count))  # a copy: a module may write into what it gets
    for name, module in twin.named_modules():
        vars(module)["forward"] = _noted(module.forward, name, type(module).__name__, count, calls)
    whole = _noted(twin, "", type(twin).__name__, count, calls)  # with the hooks, which are called around its forward
    try:
        with random_stream(np.random.default_rng(0)), enable_grad():
            out = whole(*as_inputs(own))
    except Exception as error:
        error.add_note(
            "In a copy of the model, which sharded_value_and_grad ran to see whether it computes each sample alone."
        )
        raise
    after = _contents(twin)
    both = {name: (a, after[name]) for name, a in before.items() if name in after}
    return out, calls, [name for name, (a, b) in both.items() if a.shape == b.shape and not _equal(a, b)]


def _contents(model: Module) -> dict[str, ndarray]:
    """Copy the tensors of the state, and what else may be a statistic: arrays and fractions in attributes."""
    contents = {name: tensor.numpy().copy() for name, tensor in model._tensors().items()}
    for path, module in model.named_modules():
        numbers = {key: x for key, x in vars(module).items() if isinstance(x, ndarray | float | np.floating)}
        contents |= {f"{path}.{key}".lstrip("."): np.array(x) for key, x in numbers.items()}
    return contents


def _noted(forward: Callable[..., Any], name: str, kind: str, count: int, calls: list[_Call]) -> Callable[..., Any]:
    def noted(*inputs: Any, **settings: Any) -> Any:
        got = [array.copy() for array in _arrays((inputs, settings))]
        out = forward(*inputs, **settings)
        returned = [array.copy() for array in _arrays(out) if _has_samples(array, count)]
        calls.append(_Call(name, kind, got, returned))
        return out

    return noted


def _arrays(value: Any) -> Iterator[ndarray]:
    """Yield the arrays and the values of the tensors in a nest."""
    for leaf in tree_leaves(value):
        if isinstance(leaf, Tensor | ndarray):
            yield leaf.numpy() if isinstance(leaf, Tensor) else leaf


def _has_samples(array: ndarray, count: int) -> bool:
    return array.shape[:1] == (count,)


def _first_coupled(before: list[_Call], after: list[_Call], kept: ndarray, count: int) -> _Call | None:
    """Return the first call that got the same of the samples that were kept, and made something else of them."""

    def rows(arrays: list[ndarray]) -> list[ndarray]:
        return [array[kept] if _has_samples(array, count) else array for array in arrays]

    for a, b in zip(before, after, strict=False):  # of a different number, as far as they go together
        same = a.name == b.name and _all(_equal, rows(a.got), rows(b.got))
        if same and not _all(_nearly_equal, rows(a.returned), rows(b.returned)):
            return a
    return None


def _all(alike: Callable[[ndarray, ndarray], bool], a: list[ndarray], b: list[ndarray]) -> bool:
    return len(a) == len(b) and all(map(alike, a, b))


def _equal(a: ndarray, b: ndarray) -> bool:
    return a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def _nearly_equal(a: ndarray, b: ndarray) -> bool:
    """Whether two arrays differ by rounding alone, as where both are less than a maximum over all samples."""
    if _equal(a, b) or a.shape != b.shape or a.dtype.kind != "f":
        return _equal(a, b)
    return np.allclose(a, b, rtol=_rounding(a), atol=_rounding(a) * _size(a), equal_nan=True)


def _rounding(array: ndarray) -> float:
    return float(min(100 * np.finfo(array.dtype).eps, 0.01))


def _size(array: ndarray) -> float:
    """Return the greatest absolute value that is finite."""
    return float(np.max(np.abs(array), initial=0, where=np.isfinite(array)))


def _require_mean(loss: Loss, out: Any, target: Any, count: int, size: float) -> None:
    """Raise if the loss of all samples is not the mean of those of two parts, weighted by how many each has."""

    def of(part: slice, seed: int = 0) -> Any:
        try:
            with random_stream(np.random.default_rng(seed)), enable_grad():
                return loss(*some_samples((out, target), part))
        except Exception as error:
            error.add_note(
                "On a few samples, for which sharded_value_and_grad asked to see whether the loss is their mean."
            )
            raise

    whole, cut = of(slice(None)), max(count // 3, 1)
    if not isinstance(whole, Tensor) or whole.size != 1:  # which sharded_value_and_grad refuses
        return
    share, value = cut / count, whole.item()
    mean = share * of(slice(cut)).item() + (1 - share) * of(slice(cut, None)).item()
    near = _rounding(whole.numpy()) * max(size, abs(value), abs(mean))
    if np.isclose(value, mean, rtol=0, atol=near, equal_nan=True) or of(slice(None), seed=1).item() != value:
        return  # or it draws random numbers, of which each part has its own
    raise CoupledSamplesError(
        f"sharded_value_and_grad: the loss of {count} samples is {value:.6g}, and those of their first {cut} and of "
        f"the rest have the mean {mean:.6g}, weighted by their samples. Shards need a loss that is the mean over its "
        f"samples: divide a sum by their number (reduction='mean'), or set couples_samples = True on the model, and "
        f"its batches are not cut."
    )
