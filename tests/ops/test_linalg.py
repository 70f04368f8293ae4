"""Products in every form that NumPy has, and linear algebra: values, results of several parts, derivatives, errors."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.engine import values_of
from tinygrad_edu.errors import DTypeError, MissingRuleError, ShapeError
from tinygrad_edu.ops.contraction import _order
from tinygrad_edu.testing import check_vjp

RNG = np.random.default_rng(0)
A, B = RNG.standard_normal((3, 3)) + 3 * np.eye(3), RNG.standard_normal((2, 3, 3))
TALL, WIDE = RNG.standard_normal((2, 4, 3)), RNG.standard_normal((3, 5))
SYMMETRIC = A @ A.T
V, W = RNG.standard_normal(3), RNG.standard_normal((4, 3))


def parts(result):
    return result if isinstance(result, tuple | list) else (result,)


# --- What NumPy gives for the same call: a function of np.linalg or tg.linalg, of np or tg ---

LINALG = {
    "inv": lambda f: f.inv(A), "inv of integers": lambda f: f.inv(np.array([[2, 1], [1, 1]])),
    "inv of a list": lambda f: f.inv([[2.0, 1.0], [1.0, 1.0]]), "inv of nothing": lambda f: f.inv(np.zeros((0, 3, 3))),
    "det": lambda f: f.det(B), "det of nothing": lambda f: f.det(np.zeros((0, 0))), "slogdet": lambda f: f.slogdet(B),
    "slogdet of 0": lambda f: f.slogdet(np.zeros((2, 2))), "solve": lambda f: f.solve(A, V),
    "solve with vectors in a stack": lambda f: f.solve(A, np.ones((2, 3, 1))), "solve a stack": lambda f: f.solve(B, V),
    "solve for a matrix": lambda f: f.solve(B, W.T), "cholesky": lambda f: f.cholesky(SYMMETRIC),
    "cholesky of the lower triangle": lambda f: f.cholesky(np.tril(SYMMETRIC)),
    "cholesky with NaN above": lambda f: f.cholesky(np.array([[4.0, np.nan], [2.0, 5.0]])),
    "upper cholesky": lambda f: f.cholesky(np.triu(SYMMETRIC), upper=True), "pinv": lambda f: f.pinv(TALL),
    "pinv of low rank": lambda f: f.pinv(TALL[0] @ np.diag([1, 1, 0])),
    "pinv, rcond": lambda f: f.pinv(TALL, np.array([0.1, 0.9])), "pinv, rtol": lambda f: f.pinv(TALL, rtol=0.5),
    "pinv, default rtol": lambda f: f.pinv(TALL, rtol=None), "pinv, hermitian": lambda f: f.pinv(B, hermitian=True),
    **{f"matrix_power {n}": (lambda f, n=n: f.matrix_power(A, n)) for n in (-3, -1, 0, 1, 2, 3, 6)},
    "matrix_power of integers": lambda f: f.matrix_power(np.array([[1, 1], [1, 0]]), 10),
    "matrix_power 0 of NaN": lambda f: f.matrix_power(np.full((2, 2), np.nan), 0),
    "matrix_power 0 of integers": lambda f: f.matrix_power(np.array([[[1, 1], [1, 0]]]), np.int64(0)),
    "svd": lambda f: f.svd(TALL), "svd of wide": lambda f: f.svd(WIDE), "reduced svd": lambda f: f.svd(WIDE, False),
    "svd, values": lambda f: f.svd(TALL, compute_uv=False), "svd, hermitian": lambda f: f.svd(B, hermitian=True),
    "svd, hermitian values": lambda f: f.svd(SYMMETRIC - 2 * np.eye(3), compute_uv=False, hermitian=True),
    "svd of nothing": lambda f: f.svd(np.zeros((0, 2, 3)), False), "svdvals": lambda f: f.svdvals(WIDE),
    "eigh": lambda f: f.eigh(B), "eigh of the upper triangle": lambda f: f.eigh(B, "U"),
    "eigvalsh": lambda f: f.eigvalsh(B, UPLO="u"), "eigvalsh of lower": lambda f: f.eigvalsh(np.tril(SYMMETRIC)),
    "eigvalsh of uint8": lambda f: f.eigvalsh(np.array([[200, 100], [100, 250]], np.uint8)),
    "eigvalsh of booleans": lambda f: f.eigvalsh(np.array([[True]])),
    "cholesky of int8": lambda f: f.cholesky(np.array([[100, 9], [9, 100]], np.int8)),
    "eigvalsh of the largest": lambda f: f.eigvalsh(np.array([[1e308, 0.0], [0.0, 1.0]])),
    "qr": lambda f: f.qr(TALL), "qr of wide": lambda f: f.qr(WIDE), "complete qr": lambda f: f.qr(TALL, "complete"),
    "complete qr of wide": lambda f: f.qr(WIDE, mode="complete"), "qr, r": lambda f: f.qr(TALL, mode="r"),
    "cond": lambda f: f.cond(B), **{f"cond {p}": (lambda f, p=p: f.cond(B, p)) for p in (2, -2, 1, -np.inf, "fro")},
    "cond of float32": lambda f: f.cond(np.zeros((2, 2, 2), np.float32)),
    "cond of singular": lambda f: f.cond(np.ones((2, 2)), 1), "cond of 0": lambda f: f.cond(np.zeros((2, 2)), -2),
    "matrix_rank": lambda f: f.matrix_rank(np.ones((2, 3, 3))), "rank of a vector": lambda f: f.matrix_rank(V),
    "rank, tol": lambda f: f.matrix_rank(B, 1.0, True), "rank, rtol": lambda f: f.matrix_rank(B, rtol=0.5),
    "multi_dot": lambda f: f.multi_dot([A, W.T, W]), "multi_dot, vectors": lambda f: f.multi_dot([V, A, W.T, W, V]),
    "norm of a number": lambda f: f.norm(-3.0), "norm of a list": lambda f: f.norm([3, 4]),
    "norm of integers": lambda f: f.norm(np.array([[1, 2], [3, 4]]), 1), "norm of booleans": lambda f: f.norm(V > 0),
    "norm of nothing": lambda f: f.norm(np.zeros(0)),
    "norm inf of nothing": lambda f: f.norm(np.zeros((3, 0)), np.inf, 1),
    **{f"norm {p} of none": (lambda f, p=p: f.norm(np.zeros((2, 0, 3)), p, (0, 1))) for p in (1, 2, np.inf, "nuc")},
    "norm, f": lambda f: f.norm(A, "f"),
    "norm of int8": lambda f: f.norm(np.array([100, 100], np.int8)), "norm 0 of NaN": lambda f: f.norm([np.nan, 0], 0),
    "norm along -1": lambda f: f.norm(B, axis=-1), "norm along a tuple": lambda f: f.norm(B, 1, (0,), True),
    "norm of matrices": lambda f: f.norm(B, "nuc", (2, 0)), "vector_norm": lambda f: f.vector_norm(B, axis=(0, -1)),
    "vector_norm of each": lambda f: f.vector_norm(B, axis=()), "norm of inf": lambda f: f.norm([np.inf, 1.0]),
    "matrix_norm": lambda f: f.matrix_norm(B, ord=-2, keepdims=True), "norm -1 of 0": lambda f: f.norm([0.0, 1.0], -1),
}  # fmt: skip

PRODUCTS = {
    "dot": lambda f: f.dot(TALL, B), "dot of a number": lambda f: f.dot(2, V),
    "dot of lists": lambda f: f.dot([1, 2], [3, 4]), "dot of bool": lambda f: f.dot(V > 0, V > 1),
    "vdot": lambda f: f.vdot(W, W.reshape(3, 4)), "inner": lambda f: f.inner(B, W),
    "outer": lambda f: f.outer(W, [1, 2]), "inner of a number": lambda f: f.inner(B, 3.0),
    "kron": lambda f: f.kron(B, V), "kron of int": lambda f: f.kron(2, [1]),
    "tensordot": lambda f: f.tensordot(B, W, ((-1,), [1])), "tensordot of axes": lambda f: f.tensordot(B, W, (1, 1)),
    "tensordot 0": lambda f: f.tensordot(V, V, 0), "tensordot of int": lambda f: f.tensordot([[1, 2]], [[3, 4]]),
    "einsum of int8": lambda f: f.einsum("ij->", np.full((9, 9), 100, np.int8)),
    "einsum of bool": lambda f: f.einsum("ij,j->i", W > 0, V > 0),
    "einsum of a number": lambda f: f.einsum("i,", V, 2.0), "einsum of mixed": lambda f: f.einsum("ij,j", W > 0, V),
    "einsum of float16": lambda f: f.einsum("i,j", np.float16(V), np.float16(V)),
    "einsum of float16 and float64": lambda f: f.einsum("i,i,j->j", *[np.full(3, 300, np.float16)] * 2, V),
    "einsum of a sum in float16": lambda f: f.einsum("i,j->j", np.ones(70_000, np.float16), V),
    "einsum of lists": lambda f: f.einsum("i,i", [1.0, 2.0], [3.0, 4.0]),
    "einsum, path": lambda f: f.einsum("ij,jk,kl->il", W, A, A, optimize=["einsum_path", (1, 2), (0, 1)]),
    "einsum, greedy": lambda f: f.einsum("i,ij,jk,k", V, A, A, V, optimize="greedy"),
    "interleaved": lambda f: f.einsum(W, [0, 1], A, [1, 2], [2, 0]),
    "interleaved, implicit": lambda f: f.einsum(W, [9, 2]), "interleaved, tuples": lambda f: f.einsum(W, (0, 1), (1,)),
    "interleaved, ellipsis": lambda f: f.einsum(B, [..., 40, 1], W, [0, 1], [..., 0, 40]),
}  # fmt: skip


@pytest.mark.parametrize("name", [*LINALG, *PRODUCTS])
def test_what_numpy_gives(name):
    call, numpy, ours = (LINALG[name], np.linalg, tg.linalg) if name in LINALG else (PRODUCTS[name], np, tg)
    with np.errstate(all="ignore"):
        expected, found = call(numpy), call(ours)
    assert len(parts(expected)) == len(parts(found))
    for a, b in zip(parts(found), parts(expected), strict=True):
        assert (np.shape(a), np.asarray(a).dtype) == (np.shape(b), np.asarray(b).dtype)
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    assert getattr(found, "_fields", None) == getattr(expected, "_fields", None)


# --- Derivatives of what has several results, or is composed: of a function of x, whatever the signs of vectors ---


def symmetric(x):
    return x + tg.swapaxes(x, -1, -2)


COMPOSED = {
    "cholesky": (lambda x: tg.linalg.cholesky(symmetric(x) + 9 * np.eye(3)), B),
    "upper cholesky": (lambda x: tg.linalg.cholesky(symmetric(x) + 9 * np.eye(3), upper=True), B),
    "eigh": (lambda x: tg.linalg.eigh(symmetric(x))[1] ** 2, A),
    "eigvalsh": (lambda x: tg.linalg.eigvalsh(symmetric(x)), B),
    "slogdet": (lambda x: tg.linalg.slogdet(x)[0] * tg.exp(tg.linalg.slogdet(x)[1]), B),
    "svd, U": (lambda x: tg.linalg.svd(x)[0][..., :3] ** 2, TALL), "svd, S": (lambda x: tg.linalg.svd(x)[1], WIDE),
    "svd, Vh": (lambda x: tg.linalg.svd(x)[2][..., :3, :] ** 2, WIDE),
    "svd": (lambda x: (lambda r: r.U @ (r.S[..., None] ** 2 * r.Vh))(tg.linalg.svd(x, False)), TALL),
    "svd, hermitian": (lambda x: (lambda r: r.U @ (r.S[..., None] ** 2 * r.Vh))(
        tg.linalg.svd(symmetric(x), hermitian=True)), B),
    "pinv, hermitian": (lambda x: tg.linalg.pinv(symmetric(x), hermitian=True), A),
    "qr": (lambda x: (lambda r: r.Q * 2.0 @ r.R**2)(tg.linalg.qr(x)), TALL),
    "qr of wide": (lambda x: (lambda r: r.Q * 2.0 @ r.R**2)(tg.linalg.qr(x)), WIDE),
    "complete qr": (lambda x: tg.linalg.qr(x, "complete").Q[..., :3], TALL),
    "qr, r": (lambda x: tg.linalg.qr(x, "r"), WIDE),
    "multi_dot": (lambda x: tg.linalg.multi_dot([V, x, A, x, V]), A), "inv": (tg.linalg.inv, A),
    "solve": (lambda x: tg.linalg.solve(x, V * x[0]), A), "matrix_power": (lambda x: tg.linalg.matrix_power(x, -2), A),
    "cond": (lambda x: tg.linalg.cond(x, 1), A),
    "nuclear norm": (lambda x: tg.linalg.norm(x, "nuc"), A),
    "norm of huge numbers": (lambda x: tg.linalg.norm(x * 1e200), A),
}  # fmt: skip


@pytest.mark.parametrize("name", COMPOSED)
def test_derivatives(name):
    f, x = COMPOSED[name]
    check_vjp(f, x, order=1 if name == "norm of huge numbers" else 2)


@pytest.mark.parametrize("x", [A, np.arange(9.0).reshape(3, 3), np.outer(V, [1, 2, 3]), np.zeros((3, 3))])
def test_derivatives_of_a_determinant_at_any_rank(x):
    def cofactors(x):
        return np.array([np.cross(x[1], x[2]), np.cross(x[2], x[0]), np.cross(x[0], x[1])])

    np.testing.assert_allclose(tg.grad(tg.linalg.det)(x), cofactors(x), atol=1e-12)
    change = (cofactors(x + B[0]) - cofactors(x - B[0])) / 2  # exact: a cofactor is of degree two
    found = tg.grad(lambda x: (tg.grad(tg.linalg.det)(x) * B[0]).sum())(x)
    np.testing.assert_allclose(found, change, rtol=1e-12, atol=1e-12)


def test_a_third_derivative_of_a_determinant():
    check_vjp(tg.linalg.det, A, order=3)
    check_vjp(tg.linalg.det, np.ones((2, 2)), order=3)
    with pytest.raises(np.linalg.LinAlgError, match="third derivative"):
        check_vjp(tg.linalg.det, np.arange(9.0).reshape(3, 3), order=3)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_norm_overflows_only_where_it_is_too_large(dtype):
    large, small = np.finfo(dtype).max / 4, np.finfo(dtype).tiny
    for size, p in ((large, 2), (small, 2), (large, 3), (small, 3), (large, -3), (small, -3)):
        x = tg.Tensor(np.full(4, size, dtype), requires_grad=True)
        out = tg.linalg.norm(x, p)
        out.backward()
        np.testing.assert_allclose(out.numpy(), float(size) * 4 ** (1 / p), rtol=2e-3)
        np.testing.assert_allclose(x.grad, 4 ** (1 / p - 1), rtol=2e-3)
        assert (out.dtype, x.grad.dtype) == (dtype, dtype)


def test_einsum_multiplies_in_a_good_order():
    shapes = ((50, 2), (2, 50), (50, 3))
    assert _order(("ab", "bc", "cd"), shapes, "ad", True) == [(1, 2), (0, 1)]
    assert _order(("ab", "bc", "cd"), shapes, "ad", False) == [(0, 1, 2)]


def test_einsum_of_very_many_names():
    x = np.ones((1,) * 30)
    out = tg.einsum(x, list(range(30)), x, list(range(22, 52)), np.ones(2), [0])
    assert out.shape == (1,) * 43
    assert out.sum() == 2


# --- Errors ---

ERRORS = {
    "bmm of matrices": (lambda: tg.bmm(A, A), ShapeError, "matmul"),
    "bmm of unequal stacks": (lambda: tg.bmm(B, B[:1]), ShapeError, "equally many"),
    "tensordot of other lengths": (lambda: tg.tensordot(W, W, 1), ShapeError, "lengths"),
    "tensordot of too many axes": (lambda: tg.tensordot(W, W, 3), ShapeError, "no 3 axes"),
    "tensordot of -1 axes": (lambda: tg.tensordot(W, W, -1), ShapeError, "no -1 axes"),
    "tensordot of no such axis": (lambda: tg.tensordot(W, W, (2, 2)), np.exceptions.AxisError, "axes of x"),
    "tensordot of unequal counts": (lambda: tg.tensordot(A, A, ([0, 1], [0])), ShapeError, "paired"),
    "dot": (lambda: tg.dot(tg.Tensor(V), W), ShapeError, "op matmul"),
    "einsum of nothing": (lambda: tg.einsum(), ShapeError, "nothing"),
    "einsum of no array": (lambda: tg.einsum("ij"), ShapeError, "1 terms"),
    "einsum of too few terms": (lambda: tg.einsum("ij", A, A), ShapeError, "1 terms, and there are 2"),
    "einsum of too many names": (lambda: tg.einsum("ijk", A), ShapeError, "does not name the axes"),
    "einsum of too few names": (lambda: tg.einsum("i", A), ShapeError, "does not name the axes"),
    "einsum of too many names and dots": (lambda: tg.einsum("...ijk", A), ShapeError, "does not name the axes"),
    "einsum of a digit": (lambda: tg.einsum("i1", A), ShapeError, "letters"),
    "einsum of two dots": (lambda: tg.einsum("i..", A), ShapeError, "letters"),
    "einsum of two arrows": (lambda: tg.einsum("ij->i->j", A), ShapeError, "name each axis"),
    "einsum of an unknown result": (lambda: tg.einsum("ij->k", A), ShapeError, "name each axis"),
    "einsum of a result twice": (lambda: tg.einsum("ij->ii", A), ShapeError, "name each axis"),
    "einsum that forgets dots": (lambda: tg.einsum("i...->i", A), ShapeError, "the result has none"),
    "einsum of other lengths": (lambda: tg.einsum("ij,jk", A, W), ShapeError, "differ in length"),
    "einsum of a diagonal": (lambda: tg.einsum("ii", W), ShapeError, "differ in length"),
    "einsum of a short diagonal": (lambda: tg.einsum("ii", np.ones((1, 3))), ShapeError, "differ in length"),
    "einsum of a large name": (lambda: tg.einsum(A, [0, 52]), ShapeError, "0 to 51"),
    "inv": (lambda: tg.linalg.inv(np.ones((2, 2))), np.linalg.LinAlgError, "Singular"),
    "inv of a rectangle": (lambda: tg.linalg.inv(W), np.linalg.LinAlgError, "square"),
    "solve": (lambda: tg.linalg.solve(tg.Tensor(A), np.ones(2)), ShapeError, "op solve"),
    "cholesky": (lambda: tg.linalg.cholesky(-SYMMETRIC), np.linalg.LinAlgError, "positive definite"),
    "cholesky of a rectangle": (lambda: tg.linalg.cholesky(W), np.linalg.LinAlgError, "square"),
    "eigh of a vector": (lambda: tg.linalg.eigh(V), np.linalg.LinAlgError, "square"),
    "eigh, triangle": (lambda: tg.linalg.eigh(A, "X"), ValueError, "triangle"),
    "matrix_power": (lambda: tg.linalg.matrix_power(A, 0.5), DTypeError, "n must be an integer"),
    "matrix_power of a rectangle": (lambda: tg.linalg.matrix_power(W, 2), np.linalg.LinAlgError, "square"),
    "pinv": (lambda: tg.linalg.pinv(A, 0.1, rtol=0.1), ValueError, "two names"),
    "qr, mode": (lambda: tg.linalg.qr(A, "full"), ValueError, "mode"),
    "qr, raw": (lambda: tg.linalg.qr(tg.Tensor(A), "raw"), MissingRuleError, "raw"),
    "norm of three axes": (lambda: tg.linalg.norm(B, 2), ShapeError, "along one axis"),
    "norm of vectors, order": (lambda: tg.linalg.norm(V, "fro"), ValueError, "number as its order"),
    "norm of matrices, order": (lambda: tg.linalg.norm(A, 3), ValueError, "of a norm of matrices"),
    "norm of one axis twice": (lambda: tg.linalg.norm(A, axis=(0, 0)), ValueError, "repeated axis"),
    "matrix_norm of a vector": (lambda: tg.linalg.matrix_norm(V), ShapeError, "two axes"),
    "multi_dot of one": (lambda: tg.linalg.multi_dot([A]), ShapeError, "two or more"),
    "multi_dot of a vector between": (lambda: tg.linalg.multi_dot([A, V, A]), ShapeError, "vectors at the ends"),
}  # fmt: skip


@pytest.mark.parametrize("what", ERRORS)
def test_errors(what):
    call, kind, words = ERRORS[what]
    with pytest.raises(kind) as caught:
        call()
    assert words in "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())])


@pytest.mark.parametrize("f", [lambda x: tg.linalg.svd(x)[0], lambda x: tg.linalg.qr(x, "complete")[0]])
def test_a_gradient_of_what_has_none_is_refused(f):
    x = tg.Tensor(TALL, requires_grad=True)
    with pytest.raises(MissingRuleError, match="leave it out"):
        f(x).sum().backward()


def test_a_failure_names_the_op():
    with pytest.raises(np.linalg.LinAlgError) as caught:
        tg.linalg.inv(tg.Tensor(np.ones((2, 2))))
    assert "op inv" in caught.value.__notes__[0]


@pytest.mark.parametrize("f", [tg.linalg.inv, tg.linalg.det, tg.linalg.norm, lambda x: tg.einsum("ij,kj", x, x)])
def test_integers_become_float32_unless_they_can_stay(f):
    x = tg.Tensor(np.array([[2, 1], [1, 1]]))
    out = f(x)
    assert out.dtype == (np.int64 if out.shape == (2, 2) and (values_of(out) == [[5, 3], [3, 2]]).all() else np.float32)
