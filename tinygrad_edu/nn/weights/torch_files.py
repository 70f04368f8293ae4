"""Files that PyTorch's ``torch.save`` wrote, read without unpickling: no code in a file runs.

Such a file is a zip archive of ``data.pkl``, a pickle, and ``data/0``, ``data/1`` and so on, the bytes of the storages:
https://docs.pytorch.org/docs/stable/notes/serialization.html. `_interpreted` knows the opcodes that pickles of plain
values have. A class or function in a pickle is only a name, and `_CALLS` has our function for each name.
"""

from __future__ import annotations

import os
import pickletools
from collections.abc import Callable
from reprlib import repr as brief
from typing import IO, Any, Literal
from zipfile import ZIP_STORED, ZipFile

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.errors import DataError
from tinygrad_edu.shared.files.safetensors_format import native

LEGACY = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"  # the start of a file in the format before 1.6
_ORDERS: dict[bytes, Literal["<", ">"]] = {b"little": "<", b"big": ">"}
_BFLOAT16, _UNTYPED = "torch.BFloat16Storage", "torch.storage.UntypedStorage"

# NumPy dtypes for the classes of storages, and for dtypes of untyped storages.
_DTYPES = {
    "torch.DoubleStorage": "f8", "torch.FloatStorage": "f4", "torch.HalfStorage": "f2", _BFLOAT16: "u2",
    "torch.LongStorage": "i8", "torch.IntStorage": "i4", "torch.ShortStorage": "i2", "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1", "torch.BoolStorage": "?", "torch.ComplexFloatStorage": "c8",
    "torch.ComplexDoubleStorage": "c16", _UNTYPED: "u1",
    "torch.uint16": "u2", "torch.uint32": "u4", "torch.uint64": "u8",
}  # fmt: skip


class _Name(str):
    """The name of a class, function or dtype in a pickle."""

    __slots__ = ()


def read_archive(file: IO[bytes]) -> Any:
    """Return what a file of ``torch.save`` has, with read-only arrays for tensors. bfloat16 becomes float32.

    Raises
    ------
    DataError
        The file is damaged, or has objects other than tensors, numbers, texts, lists, tuples and dicts.
    """
    try:
        with ZipFile(file) as archive:
            return _content(archive, os.fstat(file.fileno()).st_size)
    except DataError:
        raise
    except Exception as error:  # a crafted file can lead to any
        what = f"{type(error).__name__}: {error}".strip(".")
        raise DataError(f"it is damaged, or torch.save did not write it ({what:.200}).") from error


def _content(archive: ZipFile, file_size: int) -> Any:
    entries = archive.infolist()
    names = {entry.filename for entry in entries}
    roots = [name.removesuffix("data.pkl") for name in names if name.endswith("/data.pkl")]
    if len(roots) != 1:
        hint = "; load a .npz file by load_state_dict(numpy.load(path))" * all(n.endswith(".npy") for n in names)
        raise DataError(f"it is a zip archive without one data.pkl, so torch.save did not write it{hint}.")
    # Compressed or overlapping entries could expand to any size.
    if any(e.compress_type != ZIP_STORED for e in entries) or sum(e.file_size for e in entries) > file_size:
        raise DataError("its entries overlap or are compressed, as in a TorchScript program.")
    root = roots[0]
    order = archive.read(f"{root}byteorder") if f"{root}byteorder" in names else b"little"
    storage_of = _storages(lambda key: archive.read(f"{root}data/{key}"), _ORDERS[order])
    return _interpreted(archive.read(f"{root}data.pkl"), storage_of)


def _storages(read: Callable[[str], bytes], order: Literal["<", ">"]) -> Callable[[Any], NDArray[Any]]:
    """Return a function from the persistent id of a storage to its array, which all its tensors share."""
    found: dict[tuple[str, str], NDArray[Any]] = {}

    def storage_of(persistent_id: Any) -> NDArray[Any]:
        _, kind, key, _, size = persistent_id
        _require(_Name, kind)
        _require(str, key)
        _require(int, size)
        if (kind, key) not in found:
            dtype, content = np.dtype(_DTYPES[kind]).newbyteorder(order), read(key)
            if kind == _UNTYPED and order == ">":  # PyTorch reads wrong numbers
                raise DataError("it has big-endian unsigned integers; save them as int64.")
            if len(content) != size * dtype.itemsize:
                raise DataError(f"storage {key} has {len(content):,} bytes, expected {size * dtype.itemsize:,}.")
            found[kind, key] = native(np.ndarray(size, dtype, content), "BF16" if kind == _BFLOAT16 else "")
        return found[kind, key]

    return storage_of


def _require(kind: type, *values: Any) -> None:
    """Raise unless all values are of this type: to hash, print or iterate over another could take any time."""
    for value in values:
        if type(value) is not kind:
            raise TypeError(f"expected {kind.__name__.strip('_').lower()}, got {type(value).__name__}.")


def _tensor(storage: Any, offset: int, shape: Any, strides: Any, _grad: Any, _hooks: Any, metadata: Any = None) -> Any:
    """Return a read-only view of a storage."""
    if metadata:
        raise DataError("it has a conjugated or negated view; in PyTorch, save its .resolve_conj().resolve_neg().")
    _require(tuple, shape, strides)
    _require(int, offset, *shape, *strides)
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    # NumPy checks this, too, but its sum overflows for large strides.
    if min((offset, *shape, *strides)) < 0 or (last >= storage.size and 0 not in shape):
        raise DataError(f"a tensor of shape {brief(shape)} exceeds its storage, of {storage.size:,} elements.")
    size = storage.itemsize
    view: NDArray[Any] = np.ndarray(shape, storage.dtype, storage, offset * size, [step * size for step in strides])
    view.flags.writeable = False  # tensors may share a storage
    return view


def _untyped_tensor(
    storage: Any, offset: int, shape: Any, strides: Any, grad: Any, hooks: Any, dtype: str, metadata: Any = None
) -> Any:
    """Return a read-only view of an untyped storage, as elements of a dtype."""
    _require(_Name, dtype)
    return _tensor(storage.view(_DTYPES[dtype]), offset, shape, strides, grad, hooks, metadata)


def _empty() -> dict[Any, Any]:
    return {}


def _first(value: Any, *_: Any) -> Any:
    return value


# What is done for a call of each name in a pickle.
_CALLS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _empty,
    "torch.Size": _first,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _untyped_tensor,
}


def _known(name: str) -> _Name:
    if name not in _CALLS and name not in _DTYPES:
        raise DataError(
            f"it has {name:.80}, and only tensors of NumPy's dtypes, numbers, texts, lists, tuples and dicts are read, "
            "because other objects could run code."
        )
    return _Name(name)


def _call(function: Any, arguments: Any) -> Any:
    _require(_Name, function)
    _require(tuple, arguments)
    return _CALLS[function](*arguments)


def _update(target: Any, items: list[Any]) -> None:
    """Add keys and values to a dict. Keys are flat, because hashing a deep tuple overflows the stack."""
    if not all(isinstance(key, str | int) for key in items[::2]):
        raise DataError("it has a dict whose keys are neither texts nor ints.")
    dict.update(target, zip(items[::2], items[1::2], strict=True))


_NEW: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple,
}  # fmt: skip


def _interpreted(pickled: bytes, storage_of: Callable[[Any], NDArray[Any]]) -> Any:
    """Return the value of a pickle, a program in reverse Polish notation. It has no jumps, so this loop ends."""
    stack: list[Any] = []
    marked: list[list[Any]] = []  # the stack below each mark
    memo: dict[int, Any] = {}
    value: Any
    for opcode, value, _ in pickletools.genops(pickled):
        match opcode.name:
            case "PROTO" | "FRAME" | "STOP":
                pass
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE" | "SHORT_BINUNICODE":
                stack.append(value)
            case name if name in _NEW:
                stack.append(_NEW[name]())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                items = [stack.pop() for _ in range(int(opcode.name[-1]))]
                stack.append(tuple(items[::-1]))
            case "MARK":
                marked.append(stack)
                stack = []
            case "TUPLE":
                items, stack = stack, marked.pop()
                stack.append(tuple(items))
            case "APPENDS":
                items, stack = stack, marked.pop()
                list.extend(stack[-1], items)
            case "SETITEMS":
                items, stack = stack, marked.pop()
                _update(stack[-1], items)
            case "APPEND":
                item = stack.pop()
                list.append(stack[-1], item)
            case "SETITEM":
                items = [stack.pop(), stack.pop()]
                _update(stack[-1], items[::-1])
            case "BINPUT" | "LONG_BINPUT":
                memo[value] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[value])
            case "GLOBAL":
                stack.append(_known(value.replace(" ", ".")))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                _require(str, name, module)
                stack.append(_known(f"{module}.{name}"))
            case "BINPERSID":
                stack.append(storage_of(stack.pop()))
            case "REDUCE":
                arguments = stack.pop()
                stack.append(_call(stack.pop(), arguments))
            case "BUILD" if type(stack[-2]) is dict:
                stack.pop()  # an attribute of a state dict: the versions of its modules
            case name:
                raise DataError(f"it has the pickle opcode {name}, which torch.save does not write for weights.")
    (result,), () = stack, marked
    return result
