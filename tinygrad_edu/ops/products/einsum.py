"""einsum: a composition of pairwise matrix products, which have the derivatives. Only diagonals have vjps here."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Array, Storage, Tensor, op, share, values_of, wrap
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.elementwise.arithmetic import cast, multiply
from tinygrad_edu.ops.products.products import matmul
from tinygrad_edu.ops.reductions.reduction import sum
from tinygrad_edu.ops.shapes.shape import reshape, transpose

__all__ = ["einsum"]

# One letter per axis. The axes of an ellipsis get Greek letters, aligned at the last axis.
Labels = str
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ELLIPSIS_LABELS = "".join(map(chr, range(0x3B1, 0x3B1 + 64)))


def einsum(*operands: Any, optimize: Any = True) -> Tensor | Array:
    """Evaluate the Einstein summation convention on the operands, in every form that NumPy's ``einsum`` accepts.

    The operands are multiplied along axes with the same label, and summed over labels that the output lacks. Axes of
    length 1 broadcast. A label repeated in one operand takes its diagonal. An ellipsis denotes unlabelled axes, which
    broadcast. Without ``->`` the output has the labels that appear once, in alphabetical order.

    Parameters
    ----------
    *operands
        Subscripts such as ``"ij,jk->ik"``, followed by one array per term; or each array followed by the list of its
        labels as integers, and optionally the labels of the output last: ``einsum(x, [0, 1], y, [1, 2], [0, 2])``.
    optimize : bool, str or list, default True
        Order of contraction of more than two operands, as in ``numpy.einsum_path``; False contracts from left to right.

    Returns
    -------
    Tensor or ndarray
        In the common dtype of the operands. If it is not floating-point, ``numpy.einsum`` computes the result.

    Raises
    ------
    ShapeError
        If the subscripts are missing or invalid, or do not match the shapes.
    """
    subscripts, values = _subscripts_and_arrays(operands)
    arrays = [x if isinstance(x, Tensor | ndarray) else np.asarray(x) for x in values]
    inputs, output = _parse_subscripts(subscripts, tuple(x.ndim for x in arrays))
    lengths = _label_lengths(subscripts, inputs, tuple(x.shape for x in arrays))
    if np.result_type(*(x.dtype for x in arrays)).kind != "f":
        out = np.asarray(np.einsum(subscripts, *map(values_of, arrays)))
        return wrap(out, None, share(Storage())) if any(isinstance(x, Tensor) for x in arrays) else out
    promoted = _promote_operands(arrays)
    terms = [_with_distinct_labels(x, labels, lengths) for x, labels in zip(promoted, inputs, strict=True)]
    x, labels = _contract(terms, output, optimize)
    x = _transpose_to(x, labels, output)
    return reshape(x, x.shape) if any(x is array for array in arrays) else x


def _promote_operands(arrays: Sequence[Any]) -> list[Any]:
    """Cast the operands to the dtype of the result, so that no partial product is rounded to a narrower one."""
    tensors = [x.dtype for x in arrays if isinstance(x, Tensor)]
    floats = [dtype for dtype in tensors if dtype.kind == "f"] or [np.dtype(np.float32)]
    dtype = np.result_type(*(floats if tensors else [x.dtype for x in arrays]))
    return [cast(x, dtype) for x in arrays]


def _contract(terms: list[tuple[Any, Labels]], output: Labels, optimize: Any) -> tuple[Any, Labels]:
    """Contract all terms; return the result and its labels, the output's labels in any order."""
    path = optimize
    if not isinstance(optimize, bool | str):  # a list is not hashable, as cache keys must be
        path = tuple(tuple(part) if isinstance(part, list) else part for part in optimize)
    for positions in _einsum_path(tuple(labels for _, labels in terms), tuple(x.shape for x, _ in terms), output, path):
        left, *right_terms = (terms[k] for k in positions)
        terms = [term for k, term in enumerate(terms) if k not in positions]
        for k, right in enumerate(right_terms):
            kept_labels = output + "".join(labels for _, labels in (*terms, *right_terms[k + 1 :]))
            left = _contract_pair(*left, *right, kept_labels)
        terms.append(left)
    ((x, labels),) = terms
    return _sum_out(x, labels, output)


@lru_cache(1024)
def _einsum_path(
    inputs: tuple[Labels, ...], shapes: tuple[tuple[int, ...], ...], output: Labels, optimize: Any
) -> list[tuple[int, ...]]:
    """Return the terms contracted in each step, as `numpy.einsum_path`; each product is appended to the other terms."""
    numbers = {label: k for k, label in enumerate(dict.fromkeys("".join(inputs)))}
    if len(inputs) < 3 or optimize is False or len(numbers) > 52:  # NumPy supports 52 labels
        return [tuple(range(len(inputs)))]
    arguments: list[Any] = []
    for labels, shape in zip(inputs, shapes, strict=True):
        arguments += [np.broadcast_to(np.float64(0), shape), [numbers[label] for label in labels]]
    strategy = list(optimize) if isinstance(optimize, tuple) else "greedy" if optimize is True else optimize
    path, _ = np.einsum_path(*arguments, [numbers[label] for label in output], optimize=strategy)
    return list(path[1:])


# --- Parsing of the subscripts ---


def _subscripts_and_arrays(operands: Sequence[Any]) -> tuple[str, Sequence[Any]]:
    """Return the subscripts as a string, and the arrays."""
    if not operands:
        raise ShapeError("einsum: expected subscripts and arrays, got no arguments.")
    if isinstance(operands[0], str):
        return operands[0], operands[1:]
    arrays, names = operands[: len(operands) // 2 * 2 : 2], operands[1::2]
    text = ",".join(map(_to_letters, names))
    return (f"{text}->{_to_letters(operands[-1])}" if len(operands) % 2 else text), arrays


def _to_letters(names: Iterable[Any]) -> str:
    """Convert integer labels to letters, in the same order."""
    names = list(values_of(names))
    if any(name is not Ellipsis and not 0 <= name < len(_LETTERS) for name in names):
        raise ShapeError(f"einsum: labels must be integers from 0 to 51 or Ellipsis, got {names}.")
    return "".join("..." if name is Ellipsis else _LETTERS[name] for name in names)


@lru_cache(1024)
def _parse_subscripts(subscripts: str, dims: tuple[int, ...]) -> tuple[tuple[Labels, ...], Labels]:
    """Return the labels of each operand and of the output. `dims` has the number of axes of each operand."""
    text, arrow, output = subscripts.replace(" ", "").partition("->")
    terms = text.split(",")
    if len(terms) != len(dims):
        raise ShapeError(f"einsum: expected {len(terms)} operands for {subscripts!r}, got {len(dims)}.")
    inputs = tuple(_axis_labels(subscripts, term, ndim) for term, ndim in zip(terms, dims, strict=True))
    once = Counter(letter for labels in inputs for letter in labels if letter not in _ELLIPSIS_LABELS)
    dots = "".join(letter for letter in _ELLIPSIS_LABELS if any(letter in labels for labels in inputs))
    if not arrow:
        return inputs, dots + "".join(sorted(letter for letter, count in once.items() if count == 1))
    if dots and "..." not in output:
        raise ShapeError(f"einsum: {subscripts!r}: the output must have an ellipsis for {len(dots)} broadcast axes.")
    output = output.replace("...", dots, 1)
    unknown = [letter for letter in output if letter not in once and letter not in dots]
    if unknown or len(set(output)) < len(output):
        raise ShapeError(f"einsum: {subscripts!r}: the output must contain labels of the operands, each at most once.")
    return inputs, output


def _axis_labels(subscripts: str, term: str, ndim: int) -> Labels:
    """Return the labels of an operand with `ndim` axes."""
    names = term.replace("...", "", 1)
    if any(letter not in _LETTERS for letter in names):
        raise ShapeError(f"einsum: {subscripts!r}: terms must be letters and at most one ellipsis '...', got {term!r}.")
    extra = ndim - len(names)
    if extra < 0 or (extra and len(names) == len(term)):
        raise ShapeError(f"einsum: {subscripts!r}: the term {term!r} does not match an operand with {ndim} axes.")
    return term.replace("...", _ELLIPSIS_LABELS[len(_ELLIPSIS_LABELS) - extra :])


@lru_cache(1024)
def _label_lengths(subscripts: str, inputs: tuple[Labels, ...], shapes: tuple[tuple[int, ...], ...]) -> dict[str, int]:
    """Return the length of each label; raise if it differs within an operand, or between operands unless one is 1."""
    lengths: dict[str, int] = {}
    for labels, shape in zip(inputs, shapes, strict=True):
        operand_lengths: dict[str, int] = {}
        for label, length in zip(labels, shape, strict=True):
            previous = lengths.get(label, 1)
            mismatch = previous != length and 1 not in (previous, length)
            if operand_lengths.setdefault(label, length) != length or mismatch:
                raise ShapeError(
                    f"einsum: {subscripts!r}: axes with the same label differ in length in operands of shapes {shapes}."
                )
            lengths[label] = length if previous == 1 else previous
    return lengths


# --- One operand: diagonals, sums, axis order ---


def _with_samples(labels: Labels) -> Labels:
    """Return labels with a new one first, for the axis of the samples inside of `vmap`."""
    return chr(max(map(ord, labels), default=0) + 1) + labels


@op(name="einsum", batching=lambda batch: batch.on_leading(labels=_with_samples(batch.settings["labels"])))
def take_diagonal(x: Array, /, labels: Labels) -> Array:
    """Return a view of the elements of x whose indices agree on repeated labels, with one axis per label."""
    return np.einsum(x, *to_sublists(labels))


@op(
    name="einsum",
    batching=lambda batch: batch.on_leading(
        labels=_with_samples(batch.settings["labels"]), shape=(batch.size, *batch.settings["shape"])
    ),
)
def put_diagonal(x: Array, /, labels: Labels, shape: tuple[int, ...]) -> Array:
    """Return zeros of `shape` with the elements of x at the positions that `take_diagonal` selects."""
    out = np.zeros(shape, np.asarray(x).dtype)
    np.einsum(out, *to_sublists(labels))[...] = x
    return out


take_diagonal.vjps(x=lambda g, x_shape, labels: put_diagonal(g, labels, x_shape))
put_diagonal.vjps(x=lambda g, labels: take_diagonal(g, labels))


def to_sublists(labels: Labels) -> tuple[list[int], list[int]]:
    """Return the labels as integers for np.einsum, with and without repetitions."""
    distinct = "".join(dict.fromkeys(labels))
    return [distinct.index(label) for label in labels], list(range(len(distinct)))


def _with_distinct_labels(x: Any, labels: Labels, lengths: dict[str, int]) -> tuple[Any, Labels]:
    """Take diagonals, and drop axes of length 1 that broadcast."""
    if len(set(labels)) < len(labels):
        x, labels = take_diagonal(x, labels), "".join(dict.fromkeys(labels))
    shape = dict(zip(labels, x.shape, strict=True))
    kept = "".join(label for label in labels if shape[label] == lengths[label])
    return (x if kept == labels else reshape(x, tuple(lengths[label] for label in kept))), kept


def _sum_out(x: Any, labels: Labels, kept_labels: Labels) -> tuple[Any, Labels]:
    """Sum over the axes whose labels are not in `kept_labels`."""
    axes = tuple(axis for axis, label in enumerate(labels) if label not in kept_labels)
    return (sum(x, axes) if axes else x), "".join(label for label in labels if label in kept_labels)


def _transpose_to(x: Any, labels: Labels, target: Labels) -> Any:
    """Transpose the axes to the order of `target`."""
    return x if labels == target else transpose(x, tuple(labels.index(label) for label in target))


# --- Two operands ---


def _contract_pair(x: Any, x_labels: Labels, y: Any, y_labels: Labels, kept_labels: Labels) -> tuple[Any, Labels]:
    """Contract two operands over the labels not in `kept_labels`, by a matrix product or an elementwise product."""
    x, x_labels = _sum_out(x, x_labels, kept_labels + y_labels)
    y, y_labels = _sum_out(y, y_labels, kept_labels + x_labels)
    stack = "".join(label for label in x_labels if label in y_labels and label in kept_labels)
    inner = "".join(label for label in x_labels if label in y_labels and label not in kept_labels)
    left = "".join(label for label in x_labels if label not in y_labels)
    right = "".join(label for label in y_labels if label not in x_labels)
    x, y = _transpose_to(x, x_labels, stack + left + inner), _transpose_to(y, y_labels, stack + inner + right)
    batch_ndim, lengths = len(stack), x.shape[: len(stack) + len(left)] + y.shape[len(stack) + len(inner) :]
    if not inner:
        shape = (*y.shape[:batch_ndim], *(1,) * len(left), *y.shape[batch_ndim:])
        return multiply(_reshape_to(x, x.shape + (1,) * len(right)), _reshape_to(y, shape)), stack + left + right
    k = math.prod(y.shape[batch_ndim : batch_ndim + len(inner)])
    rows = _reshape_to(x, (*x.shape[:batch_ndim], math.prod(lengths[batch_ndim : batch_ndim + len(left)]), k))
    columns = _reshape_to(y, (*y.shape[:batch_ndim], k, math.prod(lengths[batch_ndim + len(left) :])))
    return _reshape_to(matmul(rows, columns), lengths), stack + left + right


def _reshape_to(x: Any, shape: tuple[int, ...]) -> Any:
    return x if x.shape == shape else reshape(x, shape)
