"""Calls of array products and linear algebra."""

from functools import partial
from math import prod
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from tinygrad_edu.engine import Array
from tinygrad_edu.ops import linalg
from tinygrad_edu.testing.op_call import Call
from tinygrad_edu.testing.strategies.arrays import Shape, Strategy, arrays, axes, shapes
from tinygrad_edu.testing.strategies.op_calls.common import (
    UP_TO_3,
    Settings,
    along,
    call_of,
    each_of,
    inputs_of,
    one_input,
)
from tinygrad_edu.testing.strategies.op_calls.several import first_of, in_one

_LENGTHS = st.integers(1, 3)


def _several(draw: Any, count: int, max_length: int = 3) -> tuple[int, ...]:
    return tuple(draw(st.integers(1, max_length)) for _ in range(count))


# --- Products ---


@st.composite
def _two_stacks(draw: Any) -> tuple[Shape, Shape]:
    b, n, k, m = _several(draw, 4)
    k = draw(st.sampled_from([k, k, k, 0]))
    return (b, n, k), (b, k, m)


@st.composite
def _sums_over_last(draw: Any, name: str) -> Call:
    """Draw operands of `dot` or `inner` with equal lengths: numbers, vectors, matrices and stacks."""
    k = draw(st.integers(0, 3))
    x_batch, y_batch = draw(shapes(0, 2, empty=False)), draw(shapes(0, 2, empty=False))
    y_shape = (*y_batch[:-1], k, *y_batch[-1:]) if name == "dot" else (*y_batch, k)
    x_shape, y_shape = draw(st.sampled_from([((*x_batch, k), y_shape)] * 4 + [((), y_shape), ((*x_batch, k), ())]))
    return Call(name, [draw(arrays(x_shape)), draw(arrays(y_shape))])


@st.composite
def _tensordots(draw: Any) -> Call:
    """Draw `axes` as a number, or as pairs of positive and negative axes in any order."""
    common, left, right = (draw(shapes(0, 2)) for _ in range(3))
    count = len(common)
    if draw(st.booleans()):
        return Call("tensordot", [draw(arrays((*left, *common))), draw(arrays((*common, *right)))], axes=count)
    x_axes, y_axes = (draw(st.permutations(range(count + len(kept)))) for kept in (left, right))
    x_shape, y_shape = (
        np.empty((*common, *kept)).transpose(np.argsort(order)).shape
        for kept, order in ((left, x_axes), (right, y_axes))
    )
    x_axes, y_axes = list(x_axes[:count]), [a - len(y_shape) for a in y_axes[:count]]
    pairs = (x_axes[0], y_axes[0]) if count == 1 and draw(st.booleans()) else (x_axes, tuple(y_axes))
    return Call("tensordot", [draw(arrays(x_shape)), draw(arrays(y_shape))], axes=pairs)


_SUBSCRIPTS = (
    "ij,jk->ik", "ij,kj", "i j , j k -> k i", "bij,bjk->bik", "bij,bkj->bik", "bi,bi->b", "ij,ij->", "i,j", "i,j->ji",
    "ii", "ii->i", "iij", "iji->j", "ijij->ji", "ij->", "ji", "ij->i", "", ",->", "i,", "ij,i,j->", "ij,jk,kl",
    "ij,jk,ki->", "i,j,k->kij", "iij,jk,kk->ik", "...", "...i->...", "...ij,...jk->...ik", "i...,...i->i...",
    "...,...,...", "...ii->...i", "i...j,...j->...i", "ai,bj,ij->ab", "ab,cd", "iab,jab->ij", "bA,aB", "xy,xy,xy->y",
)  # fmt: skip


@st.composite
def _einsums(draw: Any) -> Call:
    """Draw operands for subscripts. Some have an axis of length 1 that broadcasts."""
    subscripts = draw(st.sampled_from(_SUBSCRIPTS))
    lengths = {letter: draw(st.sampled_from([1, 2, 2, 3, 3, 0])) for letter in subscripts if letter.isalpha()}
    dots, operands = draw(shapes(0, 2)), []
    for term in subscripts.replace(" ", "").split("->")[0].split(","):
        broadcast_label = draw(st.sampled_from([""] * 4 + [letter for letter in lengths if "," in subscripts]))
        before, ellipsis, after = term.partition("...")
        skipped = draw(st.integers(0, len(dots)))
        ellipsis_lengths = tuple(draw(st.sampled_from([n, n, 1])) for n in dots[skipped:]) if ellipsis else ()
        leading, trailing = (tuple(1 if c == broadcast_label else lengths[c] for c in part) for part in (before, after))
        operands.append(draw(arrays((*leading, *ellipsis_lengths, *trailing))))
    settings: Settings = {"optimize": draw(st.sampled_from([True, False, "optimal"]))} if draw(st.booleans()) else {}
    return Call("einsum", [subscripts, *operands], **settings)


@st.composite
def _diagonals(draw: Any, name: str) -> Call:
    labels = draw(st.sampled_from(["aa", "aab", "aba", "aabb", "aaa", "abab", "ab"]))
    a, b = _several(draw, 2)
    lengths = {"a": a, "b": draw(st.sampled_from([a, b]))}  # axes of equal length reveal a wrong transpose
    shape = tuple(lengths[label] for label in labels)
    if name == "take_diagonal":
        return Call(name, [draw(arrays(shape))], labels=labels)
    distinct = tuple(lengths[label] for label in dict.fromkeys(labels))
    return Call(name, [draw(arrays(distinct))], labels=labels, shape=shape)


# --- Matrices, in stacks, because the layout law with stride 0 repeats the first element of the first axis ---


def _generic(m: int, n: int) -> Array:
    """Return a matrix without zeros, symmetry or singular values close to each other."""
    rng = np.random.default_rng(5)
    u, v = (np.linalg.qr(rng.standard_normal((size, size))).Q for size in (m, n))
    return np.asarray((u[:, : min(m, n)] * np.array([1.0, 2.0, 3.0, 4.0])[: min(m, n)]) @ v[: min(m, n)])


_STACKS: Strategy[Shape] = st.sampled_from([(1,), (2,), (2,), (2, 1), (0,)])


@st.composite
def _invertible(draw: Any, /, stack: Shape | None = None, n: int | None = None) -> Array:
    stack, n = draw(_STACKS) if stack is None else stack, draw(st.integers(0, 3)) if n is None else n
    return np.asarray(2 * np.eye(n) + draw(arrays((*stack, n, n), -0.5, 0.5)))


@st.composite
def _rectangular(draw: Any, /, square: bool = False, tall: bool = False, least: int = 1) -> Array:
    """Draw matrices with well-separated singular values."""
    m, n = draw(st.integers(least, 4)), draw(st.integers(least, 3))  # 2 x 2 singular vectors are often symmetric
    m, n = (n, n) if square else (max(m, n), min(m, n)) if tall else (m, n)
    return np.asarray(_generic(m, n) + 0.1 * draw(arrays((*draw(_STACKS), m, n), -1, 1)))


@st.composite
def _symmetric(draw: Any) -> Array:
    n = draw(_LENGTHS)
    vectors = np.linalg.qr(np.random.default_rng(6).standard_normal((n, n))).Q
    matrix = (vectors * np.array([-1.5, 1.0, 2.5])[:n]) @ vectors.T
    return np.asarray(matrix + 0.1 * draw(arrays((*draw(_STACKS), n, n), -1, 1)))


@st.composite
def _solves(draw: Any) -> Call:
    n, k = _several(draw, 2)
    stack = draw(_STACKS)
    b_shape = draw(st.sampled_from([(n,), (n, k), (*stack, n, k), (*(1 for _ in stack), n, k), (2, *stack, n, k)]))
    return Call("solve", [draw(_invertible(stack, n)), draw(arrays(b_shape))])


@st.composite
def _dets(draw: Any) -> Call:
    """Draw matrices of full rank, of full rank minus one, and of zeros."""
    n = draw(st.integers(0, 3))
    x = np.round(draw(arrays((*draw(shapes(0, 2)), n, n), -2, 2)), draw(st.integers(0, 2)))
    # test_conventions.py tests the other ranks.
    assume(np.all((np.asarray(np.linalg.matrix_rank(x)) >= n - 1) | ~x.any(axis=(-2, -1))))
    return Call("det", [x])


@st.composite
def _triangular_systems(draw: Any) -> Call:
    n, k = _several(draw, 2)
    stack, left = draw(_STACKS), draw(st.booleans())
    b_shape = (*draw(st.sampled_from([stack, stack, ()])), *((n, k) if left else (k, n)))
    b = draw(arrays((n,) if left and draw(st.booleans()) else b_shape))
    settings = {"upper": draw(st.booleans()), "left": left, "unitriangular": draw(st.booleans())}
    return Call("solve_triangular", [draw(_invertible(stack, n)), b], **settings)


@st.composite
def _substitutions(draw: Any) -> Call:
    n, k = _several(draw, 2)
    stack = draw(_STACKS)
    b = draw(arrays((*draw(st.sampled_from([stack, stack, ()])), n, k)))
    return Call("substitute", [draw(_invertible(stack, n)), b], upper=draw(st.booleans()))


@st.composite
def _cholesky_systems(draw: Any) -> Call:
    n, k = _several(draw, 2)
    stack = draw(_STACKS)
    b = draw(arrays(draw(st.sampled_from([(n,), (n, k), (*stack, n, k)]))))
    return Call("cholesky_solve", [b, draw(_invertible(stack, n))], upper=draw(st.booleans()))


def _least_squares(a: Array) -> Strategy[Call]:
    b = st.sampled_from([a.shape[-2:-1], (*a.shape[:-1], 2)]).flatmap(arrays)
    return call_of(first_of(linalg.lstsq), a, b, rcond=st.sampled_from([None, 1e-10]))


@st.composite
def _pivoted(draw: Any) -> Call:
    """Draw matrices whose pivots are much larger than the other elements of their columns, in any order of the rows."""
    m, n = _several(draw, 2, 4)
    x = draw(_invertible(n=max(m, n)))[..., draw(st.permutations(range(m))), :n]
    return Call(in_one(linalg.lu), [x])


@st.composite
def _tensor_systems(draw: Any, name: str) -> Call:
    x_shape = draw(st.sampled_from([(2, 3), (6,), (1, 6)]))
    a = draw(_invertible((), 6)).reshape(2, 3, *x_shape)
    if name == "tensorinv":
        return Call(name, [a], ind=2)
    axes = draw(st.none() | st.just(tuple(range(2, a.ndim))))
    return Call(name, [a, draw(arrays((2, 3)))], axes=axes)


# --- Norms ---

_ORDERS = st.sampled_from([2, 2, 2, 1, 3, 0, 2.5, 0.5, -1, -2])


def _unequal(shape: Shape) -> Strategy[Array]:
    """Draw nonzero numbers with distinct absolute values."""
    return arrays(shape, distinct=True).map(lambda x: x + 1 / 32)


def _power(shape: Shape) -> Strategy[Settings]:
    axes_of = st.lists(st.sampled_from(range(len(shape))), unique=True).map(tuple) if shape else st.just(())
    return st.fixed_dictionaries({"p": _ORDERS, "axis": axes_of, "keepdims": st.booleans()})


_MATRIX_ORDERS = st.sampled_from(["fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])


@st.composite
def _norms(draw: Any) -> Call:
    """Draw norms of vectors along one axis, of matrices along two axes, or of all elements."""
    keepdims = draw(st.booleans())
    if draw(st.booleans()):
        x = draw(_rectangular())
        axis = draw(st.sampled_from([(-2, -1), (x.ndim - 1, x.ndim - 2), (x.ndim - 2, -1)]))
        return Call("norm", [x], ord=draw(_MATRIX_ORDERS | st.none()), axis=axis, keepdims=keepdims)
    shape = draw(shapes(1, 3, empty=False))
    ord, axis = draw(_ORDERS | st.sampled_from([np.inf, -np.inf, None])), draw(axes(len(shape), several=False))
    x = draw(_unequal(shape if axis is not None or ord is None else shape[:1]))
    return Call("norm", [x], ord=ord, axis=axis, keepdims=keepdims)


LINALG: dict[str, Strategy[Call]] = {
    "bmm": inputs_of("bmm", _two_stacks()),
    "vdot": inputs_of("vdot", shapes().flatmap(lambda s: st.sampled_from([(s, s), (s, (prod(s),))]))),
    **{name: _sums_over_last(name) for name in ("dot", "inner")},
    **{name: inputs_of(name, st.tuples(shapes(0, 2), shapes(0, 2))) for name in ("outer", "kron")},
    "tensordot": _tensordots(), "einsum": _einsums(),
    **{name: _diagonals(name) for name in ("take_diagonal", "put_diagonal")},
    **{name: call_of(name, _invertible()) for name in (
        "inv", "logabsdet", "sign_of_det", "cofactors", "cholesky_factor",
    )},
    "solve_triangular": _triangular_systems(), "substitute": _substitutions(),
    "cholesky_solve": _cholesky_systems(),
    "lstsq": _rectangular().flatmap(_least_squares),
    "lu": _pivoted(), "triangular_factors": call_of("triangular_factors", _invertible()),
    "expm": call_of("expm", _rectangular(square=True)),
    **{name: _tensor_systems(name) for name in ("tensorinv", "tensorsolve")},
    "solve": _solves(), "det": _dets(),
    "cofactors_jvp": _invertible().flatmap(lambda x: call_of("cofactors_jvp", arrays(x.shape), x)),
    "matrix_power": call_of("matrix_power", _invertible(), n=st.integers(-3, 5)),
    **{name: call_of(name, _rectangular()) for name in ("svdvals", "pseudo_inverse")},
    "pinv": call_of("pinv", _rectangular(), rcond=st.sampled_from([None, 1e-10])),
    "singular_triplets": call_of("singular_triplets", _rectangular(), full_matrices=st.booleans()),
    **{name: call_of(name, _symmetric(), UPLO=st.sampled_from("LU")) for name in ("eigenvalues", "eigenpairs")},
    "orthogonal_triangular": call_of("orthogonal_triangular", _rectangular(tall=True)),
    "undifferentiable": one_input("undifferentiable", each_of(values=[np.zeros((2, 0))], description=["nothing"])),
    "p_norm": one_input("p_norm", _power, least_size=1, away_from=(0.0,), **UP_TO_3), "norm": _norms(),
    "vector_norm": inputs_of(
        "vector_norm", st.tuples(shapes(1, 3, empty=False)), _unequal,
        settings_for=partial(along, ord=_ORDERS | st.sampled_from([np.inf, -np.inf])),
    ),
    "matrix_norm": call_of("matrix_norm", _rectangular(), ord=_MATRIX_ORDERS, keepdims=st.booleans()),
    "cond": call_of("cond", _rectangular(square=True, least=2), p=_MATRIX_ORDERS | st.none()),
}  # fmt: skip
