"""State dicts: check saved values against tensors, and copy all or none of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinygrad_edu.engine import Tensor, values_of, write_all, writing
from tinygrad_edu.engine.swap import swap_storage
from tinygrad_edu.errors import DTypeError, StateDictError

__all__ = ["IncompatibleKeys", "change_dtype", "write_state"]


class IncompatibleKeys(NamedTuple):
    """The names that a state dict and a module do not have in common.

    Parameters
    ----------
    missing_keys : list of str
        Names of the module that are not in the state dict. Their tensors are unchanged.
    unexpected_keys : list of str
        Names of the state dict that are not in the module.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> nn.Linear(2, 1).load_state_dict({"weight": np.ones((1, 2))}, strict=False)
    IncompatibleKeys(missing_keys=['bias'], unexpected_keys=[])
    """

    missing_keys: list[str]
    unexpected_keys: list[str]


SavedValues = Mapping[str, Any] | Iterable[tuple[str, Any]]


def write_state(owner: str, tensors: dict[str, Tensor], values: SavedValues, strict: bool) -> IncompatibleKeys:
    """Copy saved values into tensors by name, all or none; see `Module.load_state_dict`."""
    saved = _as_dict(values)
    keys = IncompatibleKeys([name for name in tensors if name not in saved], [n for n in saved if n not in tensors])
    arrays = {name: _array(name, value) for name, value in saved.items() if strict or name in tensors}
    faults = [f"missing: {name}, of shape {tensors[name].shape}" for name in keys.missing_keys if strict]
    faults += [f"unexpected: {name}, of shape {arrays[name].shape}" for name in keys.unexpected_keys if strict]
    faults += [f"wrong: {name} {fault}" for name in tensors if (fault := _mismatch(name, tensors, arrays))]
    if faults:
        raise StateDictError(
            f"cannot load this state dict into {owner} (nothing was loaded):\n  "
            + "\n  ".join(faults)
            + "\nBuild the module as the saved one was built, or rename, reshape or remove entries."
        )
    targets = [tensors[name] for name in arrays]
    write_all(targets, [_cast(array, t.dtype) for t, array in zip(targets, arrays.values(), strict=True)])
    return keys


def _as_dict(values: Any) -> dict[str, Any]:
    try:
        return dict(values)
    except (TypeError, ValueError) as error:
        raise DTypeError(
            f"load_state_dict: expected a mapping of names to values, as state_dict() returns, got "
            f"{type(values).__name__}. To read a file, use load(path)."
        ) from error


def _array(name: str, value: Any) -> NDArray[Any]:
    """Return a saved value as an array, which may share storage with a tensor."""
    try:
        values = values_of(value)
        if hasattr(values, "detach"):  # PyTorch's; NumPy cannot read parameters, GPU tensors or bfloat16
            values = values.detach().cpu()
            values = values.float() if str(values.dtype) == "torch.bfloat16" else values
        array = np.asarray(values)
        return array.astype(np.float32) if array.dtype.name == "bfloat16" else array  # a dtype of ml_dtypes
    except Exception as error:
        raise StateDictError(
            f"load_state_dict: cannot convert {name} ({type(value).__name__}) to an array: {error} Nothing was loaded."
        ) from error


def _cast(array: NDArray[Any], dtype: Any) -> NDArray[Any]:
    with np.errstate(all="ignore"):
        return array.astype(dtype)


def _first_overflow(dtype: np.dtype[Any], array: NDArray[Any]) -> Any:
    """Return the first element of an array that overflows in a dtype, or None."""
    cast = _cast(array, dtype)
    overflows = np.isfinite(array) & ~np.isfinite(cast) if dtype.kind == "f" else cast != array
    return array[overflows][0] if overflows.any() else None


def _mismatch(name: str, tensors: dict[str, Tensor], arrays: dict[str, NDArray[Any]]) -> str | None:
    """Describe why the array cannot be copied into the tensor of this name. Return None if it can."""
    if name not in arrays:
        return None
    tensor, array = tensors[name], arrays[name]
    if array.shape != tensor.shape:
        return f"has shape {array.shape}, expected {tensor.shape}"
    if not np.can_cast(array.dtype, tensor.dtype, "same_kind"):
        return f"has dtype {array.dtype}, expected {tensor.dtype}"
    if not tensor._data.flags.writeable:
        return "belongs to a tensor with read-only storage; create it by Tensor(array), which copies"
    if overflow := _first_overflow(tensor.dtype, array):
        return f"has the value {overflow}, which overflows in {tensor.dtype}"
    first = next(other for other in tensors if tensors[other] is tensor and other in arrays)
    if not np.array_equal(array, arrays[first], equal_nan=True):
        return f"and {first} are the same tensor, but have different saved values"
    return None


def change_dtype(owner: str, tensors: dict[str, Tensor], dtype: DTypeLike) -> None:
    """Cast the floating-point tensors to a dtype in new storage, all or none; see `Module.astype`."""
    target = np.dtype(dtype)
    if target not in (np.float16, np.float32, np.float64):
        raise DTypeError(f"{owner}.astype: dtype must be float16, float32 or float64, got {target}.")
    changing = {name: t for name, t in tensors.items() if t.dtype.kind == "f" and t.dtype != target}
    for name, t in changing.items():
        for label, array in ((name, t._data), (f"{name}.grad", t.grad)):
            if array is not None and (value := _first_overflow(target, array)) is not None:
                raise DTypeError(
                    f"{owner}.astype: {label} has the value {value}, which overflows in {target}. Nothing was changed."
                )
    before = list({id(t): t for t in changing.values()}.values())
    swap_in, _ = swap_storage(before, [_cast_tensor(t, target) for t in before])
    with writing(*(t._storage for t in before)):  # graphs that saved the old storage become stale
        swap_in()


def _cast_tensor(tensor: Tensor, dtype: np.dtype[Any]) -> Tensor:
    copy = Tensor(_cast(tensor._data, dtype), tensor.requires_grad)
    if tensor.grad is not None:
        copy.grad = _cast(tensor.grad, dtype)
    return copy
