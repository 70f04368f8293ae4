"""check_gradient with Jacobians, and with functions that return a pair, as SciPy's callers have them."""

import numpy as np
import pytest
from scipy import optimize, sparse

import tinygrad_edu as tg
from tinygrad_edu.errors import VJPDefinitionError
from tinygrad_edu.testing import GradientMismatch, LawBroken, NotDeterministic, check_gradient

X, Y = np.array([0.3, -1.2, 0.7]), np.array([0.5, -0.4])
A, M = np.array([[1.0, -2.0, 3.0], [0.5, 2.0, -1.0]]), np.array([[1.0, 2.0], [3.0, 4.0]])
PARAMS = {"w": X, "b": 2.0, "name": "linear"}


def residuals(x):
    return A @ x**2


def jacobian(x):
    return 2 * A * x


def pendulum(y):
    return [y[1], -np.sin(y[0])]


def model(p, k):
    return {"scaled": p["b"] * p["w"], "sums": [np.sum(p["w"] ** k), "note"]}


def model_jacobian(p, k):
    by_w = {"w": k * p["w"] ** (k - 1), "b": None, "name": None}
    return {"scaled": {"w": p["b"] * np.eye(3), "b": p["w"]}, "sums": [by_w, None]}


# A function, its Jacobian, and the arguments.
RIGHT = {
    "least squares": (residuals, jacobian, [X]),
    "sparse matrix": (residuals, lambda x: sparse.csr_matrix(jacobian(x)), [X]),
    "sparse array": (residuals, lambda x: sparse.coo_array(jacobian(x)), [X]),
    "linear operator": (residuals, lambda x: sparse.linalg.aslinearoperator(jacobian(x)), [X]),
    "float32": (residuals, lambda x: jacobian(x).astype(np.float32), [X]),
    "integers": (lambda x: np.round(A) @ x, lambda x: np.round(A).astype(int), [X]),
    "Hessian": (optimize.rosen_der, optimize.rosen_hess, [X]),
    "lists": (pendulum, lambda y: [[0, 1], [-np.cos(y[0]), 0]], [Y]),
    "tuple": (lambda y: tuple(pendulum(y)), lambda y: np.array([[0, 1], [-np.cos(y[0]), 0]]), [Y]),
    "gradient": (optimize.rosen, optimize.rosen_der, [X]),
    "gradient as a row": (optimize.rosen, lambda x: optimize.rosen_der(x)[None], [X]),
    "gradient of an array of one": (lambda x: np.array([x @ x]), lambda x: 2 * x, [X]),
    "slope of a number": (lambda x: x**3, lambda x: 3 * x**2, [1.5]),
    "slopes of numbers": (lambda x: np.array([x, x**2]), lambda x: np.array([1.0, 2 * x]), [1.5]),
    "matrices": (lambda x: x.T @ x, lambda x: tg.jacobian(lambda x: tg.transpose(x) @ x)(x), [A]),
    "constants": (lambda x, k: x**k, lambda x, k: np.diag(k * x ** (k - 1)), [X, 3]),
    "two inputs": (np.outer, lambda x, y: (np.einsum("ik,j->ijk", np.eye(3), y), np.einsum("i,jk->ijk", x, np.eye(2))),
                   [X, Y]),
    "pytrees": (model, model_jacobian, [PARAMS, 3]),
    "no result": (lambda x: x[:0], lambda x: np.zeros((0, 3)), [X]),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_jacobian_passes(name):
    f, claimed, point = RIGHT[name]
    assert "Jacobian" in check_gradient(f, None, *point, jacobian=claimed).seconds
    check_gradient(lambda *point: (f(*point), claimed(*point)), None, *point, jac=True)


def plus(row, column, value):
    """Return the Jacobian of the residuals with one entry increased."""

    def wrong(x):
        claimed = jacobian(x)
        claimed[row, column] += value
        return claimed

    return wrong


def wrong_part(p, k):
    claimed = model_jacobian(p, k)
    claimed["sums"][0]["w"][1] *= -1
    return claimed


# A function, a wrong Jacobian, the arguments, and words of the message.
WRONG = {
    "one entry": (residuals, plus(1, 2, 1e-3), [X],
                  r"the derivative of result\[1\] by x\[2\] is wrong: analytic -1.399, numeric -1.4 \("),
    "a small entry": (lambda x: A @ x**2 * [1e6, 1e-6], lambda x: jacobian(x) * [[1e6], [1.1e-6]], [X],
                      r"derivative of result\[1\] by x\[[012]\]"),
    "infinite": (residuals, plus(0, 1, np.inf), [X], r"derivative of result\[0\] by x\[1\] is wrong: analytic inf"),
    "NaN": (residuals, plus(0, 1, np.nan), [X], r"derivative of result\[0\] by x\[1\] is wrong: analytic nan"),
    "sign": (optimize.rosen, lambda x: -optimize.rosen_der(x), [X], r"its sign is flipped.\n.* of result by x\[\d\]"),
    "transposed": (lambda y: M @ np.sin(y), lambda y: (M * np.cos(y)).T, [Y], "The Jacobian by y is transposed"),
    "transposed matrices": (lambda x: M @ x, lambda x: np.einsum("ik,jl->klij", M, np.eye(2)), [M], "is transposed"),
    "transposed shape": (residuals, lambda x: jacobian(x).T, [X],
                         r"Jacobian by x must have the shape .*, \(2,\), .* \(3,\), got \(3, 2\). It is transposed"),
    "another shape": (residuals, lambda x: jacobian(x)[0], [X], r"and then that of x, \(3,\), got \(3,\)\.\n"),
    "a row too few": (residuals, lambda x: jacobian(x)[:1], [X], r"got \(1, 3\)\.\n"),
    "a column as a gradient": (lambda x: np.array([x @ x]), lambda x: 2 * x[:, None], [X], "It is transposed"),
    "a part of a pytree": (model, wrong_part, [PARAMS, 3], r"of result\[3\] by p\['w'\]\[1\] is wrong"),
    "a missing input": (np.outer, lambda x, y: np.einsum("ik,j->ijk", np.eye(3), y), [X, Y], "must have the structure"),
    "a missing result": (model, lambda p, k: model_jacobian(p, k)["scaled"], [PARAMS, 3], "structure of the result"),
    "None": (residuals, lambda x: None, [X], r"it is zero.\n.*analytic 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_jacobian_is_named(name):
    f, claimed, point, words = WRONG[name]
    with pytest.raises(GradientMismatch, match=words):
        check_gradient(f, None, *point, jacobian=claimed)


@pytest.mark.thorough
def test_a_column_is_found_among_many():
    x, matrix = np.linspace(0.1, 1, 300), np.random.default_rng(0).normal(size=(40, 300))

    def wrong(x):
        claimed = matrix * np.cos(x)
        claimed[17, 211] *= 1.01
        return claimed

    with pytest.raises(GradientMismatch, match=r"the derivative of result\[17\] by x\[211\] is wrong"):
        check_gradient(lambda x: matrix @ np.sin(x), None, x, jacobian=wrong)


NOISE = np.random.default_rng(0)


def test_other_laws_of_jacobians():
    with pytest.raises(NotDeterministic, match="the gradient of residuals is not deterministic"):
        check_gradient(residuals, None, X, jacobian=lambda x: jacobian(x) + 1e-9 * NOISE.random())
    with pytest.raises(LawBroken, match="the derivative of residuals writes into its input x"):
        check_gradient(residuals, None, X, jacobian=lambda x: 2 * A * np.multiply(x, 1.5, out=x) / 1.5)


REFUSED = {
    "no pair": ([lambda x: x, None, X], {"jac": True}, "<lambda> must return a pair of its value and .*, got array"),
    "the point as the gradient": ([residuals, X], {"jac": True}, r"check_gradient\(f, None, x, jac=True\)"),
    "True as the Jacobian": ([residuals, None, X], {"jacobian": True}, "jacobian must be callable or None, got True"),
    "both": ([residuals, None, X], {"jac": True, "jacobian": jacobian}, "jac must be True, .* or False, got True"),
    "a Jacobian as jac": ([residuals, None, X], {"jac": jacobian}, "pass the Jacobian as jacobian"),
    "accuracy": ([residuals, None, X], {"jacobian": jacobian, "accuracy": 1.0}, "accuracy must be .*, got 1.0"),
    "convention": ([residuals, None, X], {"jacobian": jacobian, "convention": "numpy"}, "must be one of .*'numpy'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_settings_that_do_not_fit_are_refused(name):
    arguments, settings, words = REFUSED[name]
    with pytest.raises(VJPDefinitionError, match=words):
        check_gradient(*arguments, **settings)


def test_all_derivatives_at_once():
    claims = {"grad": lambda x, g: 2 * x * (A.T @ g), "jvp": lambda x, u: A @ (2 * x * u), "jacobian": jacobian}
    report = check_gradient(residuals, claims["grad"], X, jvp=claims["jvp"], jacobian=jacobian)
    assert {"slope", "Jacobian", "forward slope"} <= {v.law for v in report.verdicts}
    for wrong in claims:
        spoiled = {name: claims[name] if name != wrong else lambda *a: 1.01 * claims[wrong](*a) for name in claims}  # noqa: B023
        with pytest.raises(GradientMismatch) as caught:
            check_gradient(residuals, spoiled.pop("grad"), X, cotangent=True, **spoiled)
        wrong_laws = {v.law for v in caught.value.report.verdicts if v.status == "wrong"}
        assert wrong_laws == {{"grad": "slope", "jvp": "forward slope", "jacobian": "Jacobian"}[wrong]}
