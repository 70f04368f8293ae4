"""Products and linear algebra, compared with NumPy: values, named tuples, derivatives and errors."""

import numpy as np
import pytest
from numpy.linalg import LinAlgError
from scipy import linalg

import tinygrad_edu as tg
from tests.effort import with_each
from tests.ops.groups import written
from tinygrad_edu.engine import values_of
from tinygrad_edu.errors import DTypeError, MissingVJPError, ShapeError
from tinygrad_edu.ops.products.einsum import _einsum_path
from tinygrad_edu.testing import check_vjp

RNG = np.random.default_rng(0)
A, B = RNG.standard_normal((3, 3)) + 3 * np.eye(3), RNG.standard_normal((2, 3, 3))
TALL, WIDE = RNG.standard_normal((2, 4, 3)), RNG.standard_normal((3, 5))
SYMMETRIC = A @ A.T
V, W = RNG.standard_normal(3), RNG.standard_normal((4, 3))


def parts(result):
    return result if isinstance(result, tuple | list) else (result,)


# --- Equal to NumPy: np.linalg and tg.linalg, np and tg ---

LINALG = """
inv(A); inv(np.array([[2, 1], [1, 1]])); inv([[2.0, 1.0], [1.0, 1.0]]); inv(np.zeros((0, 3, 3))); det(B)
det(np.zeros((0, 0))); slogdet(B); slogdet(np.zeros((2, 2))); solve(A, V); solve(A, np.ones((2, 3, 1))); solve(B, V)
solve(B, W.T); cholesky(SYMMETRIC); cholesky(np.tril(SYMMETRIC)); cholesky(np.array([[4.0, np.nan], [2.0, 5.0]]))
cholesky(np.triu(SYMMETRIC), upper=True); cholesky(np.array([[100, 9], [9, 100]], np.int8)); pinv(TALL)
pinv(TALL[0] @ np.diag([1, 1, 0])); pinv(TALL, np.array([0.1, 0.9])); pinv(TALL, rtol=0.5); pinv(TALL, rtol=None)
pinv(B, hermitian=True); matrix_power(A, -3); matrix_power(A, -1); matrix_power(A, 0); matrix_power(A, 1)
matrix_power(A, 2); matrix_power(A, 3); matrix_power(A, 6); matrix_power(np.array([[1, 1], [1, 0]]), 10)
matrix_power(np.full((2, 2), np.nan), 0); matrix_power(np.array([[[1, 1], [1, 0]]]), np.int64(0)); svd(TALL); svd(WIDE)
svd(WIDE, False); svd(TALL, compute_uv=False); svd(B, hermitian=True)
svd(SYMMETRIC - 2 * np.eye(3), compute_uv=False, hermitian=True); svd(np.zeros((0, 2, 3)), False); svdvals(WIDE)
eigh(B); eigh(B, "U"); eigvalsh(B, UPLO="u"); eigvalsh(np.tril(SYMMETRIC))
eigvalsh(np.array([[200, 100], [100, 250]], np.uint8)); eigvalsh(np.array([[True]]))
eigvalsh(np.array([[1e308, 0.0], [0.0, 1.0]])); qr(TALL); qr(WIDE); qr(TALL, "complete"); qr(WIDE, mode="complete")
qr(TALL, mode="r"); cond(B); cond(B, 2); cond(B, -2); cond(B, 1); cond(B, -np.inf); cond(B, "fro")
cond(np.zeros((2, 2, 2), np.float32)); cond(np.ones((2, 2)), 1); cond(np.zeros((2, 2)), -2)
matrix_rank(np.ones((2, 3, 3))); matrix_rank(V); matrix_rank(B, 1.0, True); matrix_rank(B, rtol=0.5)
multi_dot([A, W.T, W]); multi_dot([V, A, W.T, W, V]); norm(-3.0); norm([3, 4]); norm(np.array([[1, 2], [3, 4]]), 1)
norm(V > 0); norm(np.zeros(0)); norm(np.zeros((3, 0)), np.inf, 1); norm(np.zeros((2, 0, 3)), 1, (0, 1))
norm(np.zeros((2, 0, 3)), 2, (0, 1)); norm(np.zeros((2, 0, 3)), np.inf, (0, 1))
norm(np.zeros((2, 0, 3)), "nuc", (0, 1)); norm(A, "f"); norm(np.array([100, 100], np.int8)); norm([np.nan, 0], 0)
norm(B, axis=-1); norm(B, 1, (0,), True); norm(B, "nuc", (2, 0)); norm([np.inf, 1.0]); norm([0.0, 1.0], -1)
vector_norm(B, axis=(0, -1)); vector_norm(B, axis=()); matrix_norm(B, ord=-2, keepdims=True)
lstsq(TALL[0], W); lstsq(TALL[0], W[:, 0]); lstsq(WIDE, A); lstsq(WIDE, V, 0.9)
lstsq(TALL[0] @ np.diag([1, 1, 0]), W); tensorinv(WIDE @ WIDE.T, 1); tensorsolve(A, V); tensorsolve(A, V, (0,))
"""

PRODUCTS = """
dot(TALL, B); dot(2, V); dot([1, 2], [3, 4]); dot(V > 0, V > 1); vdot(W, W.reshape(3, 4)); inner(B, W); inner(B, 3.0)
outer(W, [1, 2]); kron(B, V); kron(2, [1]); tensordot(B, W, ((-1,), [1])); tensordot(B, W, (1, 1)); tensordot(V, V, 0)
tensordot([[1, 2]], [[3, 4]]); einsum("ij->", np.full((9, 9), 100, np.int8)); einsum("ij,j->i", W > 0, V > 0)
einsum("i,", V, 2.0); einsum("ij,j", W > 0, V); einsum("i,j", np.float16(V), np.float16(V))
einsum("i,i,j->j", *[np.full(3, 300, np.float16)] * 2, V); einsum("i,j->j", np.ones(70_000, np.float16), V)
einsum("i,i", [1.0, 2.0], [3.0, 4.0]); einsum("ij,jk,kl->il", W, A, A, optimize=["einsum_path", (1, 2), (0, 1)])
einsum("i,ij,jk,k", V, A, A, V, optimize="greedy"); einsum(W, [0, 1], A, [1, 2], [2, 0]); einsum(W, [9, 2])
einsum(W, (0, 1), (1,)); einsum(B, [..., 40, 1], W, [0, 1], [..., 0, 40])
"""


@with_each("call", [*(f"linalg.{call}" for call in written(LINALG)), *written(PRODUCTS)])
def test_what_numpy_gives(call):
    with np.errstate(all="ignore"):
        expected, found = eval(f"np.{call}"), eval(f"tg.{call}")
    assert len(parts(expected)) == len(parts(found))
    for a, b in zip(parts(found), parts(expected), strict=True):
        assert (np.shape(a), np.asarray(a).dtype) == (np.shape(b), np.asarray(b).dtype)
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    assert not hasattr(expected, "_fields") or found._fields == expected._fields


# --- Derivatives of functions with several results and of composed ones; they do not depend on signs of vectors ---


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
    change = (cofactors(x + B[0]) - cofactors(x - B[0])) / 2  # exact: cofactors have degree two
    found = tg.grad(lambda x: (tg.grad(tg.linalg.det)(x) * B[0]).sum())(x)
    np.testing.assert_allclose(found, change, rtol=1e-12)


@pytest.mark.thorough
def test_a_third_derivative_of_a_determinant():
    check_vjp(tg.linalg.det, A, order=3)
    check_vjp(tg.linalg.det, np.ones((2, 2)), order=3)
    check_vjp(tg.linalg.det, np.arange(9.0).reshape(3, 3), order=3)
    with pytest.raises(LinAlgError, match="third derivative"):
        check_vjp(tg.linalg.det, np.arange(16.0).reshape(4, 4), order=3)


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
    assert _einsum_path(("ab", "bc", "cd"), shapes, "ad", True) == [(1, 2), (0, 1)]
    assert _einsum_path(("ab", "bc", "cd"), shapes, "ad", False) == [(0, 1, 2)]


def test_einsum_of_very_many_names():
    x = np.ones((1,) * 30)
    out = tg.einsum(x, list(range(30)), x, list(range(22, 52)), np.ones(2), [0])
    assert out.shape == (1,) * 43
    assert out.sum() == 2


# --- Exponentials and LU ---


@pytest.mark.parametrize("n", [1, 3, 10])
@pytest.mark.parametrize("size", [1e-9, 0.1, 1, 10, 100])
def test_exponentials_are_scipys(n, size):
    x = size * np.random.default_rng(n).standard_normal((2, n, n))
    np.testing.assert_allclose(tg.linalg.expm(x), linalg.expm(x), rtol=1e-9)
    narrow = tg.linalg.expm((x / size).astype(np.float32))
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, linalg.expm(x / size), rtol=2e-6 * n)


def test_the_derivative_of_an_exponential_is_linear_in_a_cotangent_of_any_size():
    out = tg.linalg.expm(x := tg.Tensor(A, requires_grad=True))
    out.backward(B[0], retain_graph=True)
    expected, x.grad = linalg.expm_frechet(A.T, B[0], compute_expm=False), None
    for size in (1e-200, 1, 1e200):
        out.backward(B[0] * size, retain_graph=True)
        np.testing.assert_allclose(x.grad / size, expected, rtol=1e-12)
        x.grad = None


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_exponential_of_what_is_not_finite_is_nan(value):
    x = np.stack([np.full((2, 2), value), np.eye(2)])
    assert np.isnan(tg.linalg.expm(x)).tolist() == [[[True, True]] * 2, [[False, False]] * 2]


def test_a_column_of_zeros_has_a_decomposition():
    for x in (np.zeros((2, 3, 3)), np.array([[0.0, 1.0], [0.0, 2.0]]), np.ones((4, 2)), np.zeros((0, 3))):
        if x.shape != (4, 2):
            p, lower, upper = tg.linalg.lu(x)
            np.testing.assert_array_equal(p @ lower @ upper, x)
    p = tg.linalg.lu(tg.Tensor(A, requires_grad=True)).P
    assert isinstance(p, tg.Tensor)
    assert not p.requires_grad


# --- Errors ---

ERRORS = {
    "bmm(A, A)": (ShapeError, "matmul"), "bmm(B, B[:1])": (ShapeError, "(b, n, k)"),
    "tensordot(W, W, 1)": (ShapeError, "lengths"), "tensordot(W, W, 3)": (ShapeError, "over 3 axes"),
    "tensordot(W, W, -1)": (ShapeError, "over -1 axes"),
    "tensordot(W, W, (2, 2))": (np.exceptions.AxisError, "axes of x"),
    "tensordot(A, A, ([0, 1], [0]))": (ShapeError, "paired"), "dot(tg.Tensor(V), W)": (ShapeError, "op matmul"),
    "einsum()": (ShapeError, "no arguments"), 'einsum("ij")': (ShapeError, "got 0"),
    'einsum("ij", A, A)': (ShapeError, "expected 1 operands"),
    'einsum("ijk", A)': (ShapeError, "an operand with 2 axes"),
    'einsum("i", A)': (ShapeError, "an operand with 2 axes"),
    'einsum("...ijk", A)': (ShapeError, "an operand with 2 axes"), 'einsum("i1", A)': (ShapeError, "letters"),
    'einsum("i..", A)': (ShapeError, "letters"), 'einsum("ij->i->j", A)': (ShapeError, "at most once"),
    'einsum("ij->k", A)': (ShapeError, "at most once"), 'einsum("ij->ii", A)': (ShapeError, "at most once"),
    'einsum("i...->i", A)': (ShapeError, "must have an ellipsis"),
    'einsum("ij,jk", A, W)': (ShapeError, "differ in length"), 'einsum("ii", W)': (ShapeError, "differ in length"),
    'einsum("ii", np.ones((1, 3)))': (ShapeError, "differ in length"), "einsum(A, [0, 52])": (ShapeError, "0 to 51"),
    "linalg.inv(np.ones((2, 2)))": (LinAlgError, "Singular"), "linalg.inv(W)": (LinAlgError, "square"),
    "linalg.solve(tg.Tensor(A), np.ones(2))": (ShapeError, "op solve"),
    "linalg.cholesky(-SYMMETRIC)": (LinAlgError, "positive definite"), "linalg.cholesky(W)": (LinAlgError, "square"),
    "linalg.eigh(V)": (LinAlgError, "square"), 'linalg.eigh(A, "X")': (ValueError, "triangle"),
    "linalg.matrix_power(A, 0.5)": (DTypeError, "n must be an integer"),
    "linalg.matrix_power(W, 2)": (LinAlgError, "square"), "linalg.pinv(A, 0.1, rtol=0.1)": (ValueError, "aliases"),
    'linalg.qr(A, "full")': (ValueError, "mode"), 'linalg.qr(tg.Tensor(A), "raw")': (MissingVJPError, "raw"),
    "linalg.norm(B, 2)": (ShapeError, "got 3 axes"), 'linalg.norm(V, "fro")': (ValueError, "must be a number"),
    "linalg.norm(A, 3)": (ValueError, "of a matrix norm"),
    "linalg.norm(A, axis=(0, 0))": (ValueError, "repeated axis"), "linalg.matrix_norm(V)": (ShapeError, "2 axes"),
    "linalg.solve_triangular(W, V, upper=True)": (ShapeError, "solve_triangular: expected square matrices"),
    "linalg.solve_triangular(np.zeros((3, 3)), V, upper=True)": (LinAlgError, "Singular"),
    "linalg.cholesky_solve(V, W)": (ShapeError, "cholesky_solve: expected square matrices"),
    "linalg.lstsq(W, V)": (ShapeError, "lstsq: expected shapes"),
    "linalg.expm(W)": (ShapeError, "expm: expected square"),
    "linalg.lu(V)": (ShapeError, "lu: x must have at least 2 axes"),
    "linalg.lu(np.float16(A))": (DTypeError, "lu: float16 is unsupported"),
    "linalg.tensorinv(A, 2)": (ShapeError, "tensorinv: axes"),
    "linalg.tensorsolve(A, W)": (ShapeError, "tensorsolve: a"),
    "linalg.multi_dot([A])": (ShapeError, "two or more"),
    "linalg.multi_dot([A, V, A])": (ShapeError, "only at the ends"),
}  # fmt: skip


@with_each("call", ERRORS)
def test_errors(call):
    kind, words = ERRORS[call]
    with pytest.raises(kind) as caught:
        eval(f"tg.{call}")
    assert words in "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())])


@pytest.mark.parametrize("f", [lambda x: tg.linalg.svd(x)[0], lambda x: tg.linalg.qr(x, "complete")[0]])
def test_a_gradient_of_what_has_none_is_refused(f):
    x = tg.Tensor(TALL, requires_grad=True)
    with pytest.raises(MissingVJPError, match="exclude it"):
        f(x).sum().backward()


def test_a_failure_names_the_op():
    with pytest.raises(LinAlgError) as caught:
        tg.linalg.inv(tg.Tensor(np.ones((2, 2))))
    assert "op inv" in caught.value.__notes__[0]


@pytest.mark.parametrize("f", [tg.linalg.inv, tg.linalg.det, tg.linalg.norm, lambda x: tg.einsum("ij,kj", x, x)])
def test_integers_become_float32_unless_they_can_stay(f):
    x = tg.Tensor(np.array([[2, 1], [1, 1]]))
    out = f(x)
    assert out.dtype == (np.int64 if out.shape == (2, 2) and (values_of(out) == [[5, 3], [3, 2]]).all() else np.float32)
