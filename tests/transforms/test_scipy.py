"""SciPy with derivatives of the transforms: each solver that takes a derivative gets arrays and finds the solution."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.effort import thorough

optimize = pytest.importorskip("scipy.optimize", reason="needs SciPy")
integrate = pytest.importorskip("scipy.integrate")

START = np.array([-0.5, 1.5])


def rosenbrock(x):  # with a minimum of 0 at (1, 1)
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


SECOND = {
    "hess": {"hess": tg.hessian(rosenbrock)},
    "hessp": {"hessp": lambda x, v: tg.hvp(rosenbrock, x, v)},
    "no second derivative": {},
}
METHODS = {  # and the second derivatives that each can use
    "CG": ["no second derivative"],
    "BFGS": ["no second derivative"],
    "L-BFGS-B": ["no second derivative"],
    "TNC": ["no second derivative"],
    "SLSQP": ["no second derivative"],
    "Newton-CG": SECOND,
    "trust-constr": SECOND,
    "dogleg": ["hess"],  # starts where the Hessian is positive definite
    "trust-ncg": ["hess", "hessp"],
    "trust-krylov": ["hess", "hessp"],
    "trust-exact": ["hess"],
}


@pytest.mark.thorough
@pytest.mark.parametrize(("method", "second"), [(m, s) for m, names in METHODS.items() for s in names])
def test_every_method_of_minimize_that_takes_a_gradient(method, second):
    start = np.array([1.2, 1.4]) if method == "dogleg" else START
    both = tg.value_and_grad(rosenbrock)
    found = optimize.minimize(both, start, jac=True, method=method, **SECOND[second])
    assert isinstance(found.fun, float)
    np.testing.assert_allclose(found.x, 1, atol=1e-3)


def limits(x):
    return tg.stack([(x * x).sum(), x[1] - x[0]])


CONSTRAINTS = {  # on the circle of radius sqrt(2), and above the diagonal
    "SLSQP": [
        {"type": "eq", "fun": lambda x: limits(x)[0] - 2, "jac": tg.grad(lambda x: limits(x)[0])},
        {"type": "ineq", "fun": lambda x: limits(x)[1:], "jac": tg.jacobian(lambda x: limits(x)[1:])},
    ],
    "trust-constr": [
        optimize.NonlinearConstraint(
            limits, [2, 0], [2, np.inf], tg.jacobian(limits), lambda x, v: tg.hessian(lambda x: v @ limits(x))(x)
        )
    ],
}


@pytest.mark.parametrize("method", CONSTRAINTS)
def test_constraints_with_derivatives(method):
    """(1, 1) is the allowed point that is closest to (2, 0)."""
    f = tg.value_and_grad(lambda x: ((x - np.array([2.0, 0.0])) ** 2).sum())
    second = {"hess": tg.hessian(lambda x: (x * x).sum())} if method == "trust-constr" else {}
    found = optimize.minimize(
        f, np.array([0.5, 1.5]), jac=True, method=method, constraints=CONSTRAINTS[method], **second
    )
    np.testing.assert_allclose(found.x, 1, atol=1e-4)


def residuals(x):
    return tg.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]])


@pytest.mark.parametrize("method", ["trf", "dogbox", "lm"])
def test_every_method_of_least_squares(method):
    found = optimize.least_squares(residuals, START, jac=tg.jacobian(residuals), method=method)
    np.testing.assert_allclose(found.x, 1, atol=1e-6)


def stiff(t, y):
    """Return the derivative of two solutions that approach cos t."""
    return tg.stack([-1e4 * (y[0] - np.cos(t)), y[0] - y[1]])


@pytest.fixture(scope="module")
def at_the_end():
    return integrate.solve_ivp(stiff, (0, 2), [0.0, 0.0], method="DOP853", rtol=1e-10, atol=1e-12).y[:, -1]


@pytest.mark.thorough
@pytest.mark.parametrize("method", thorough(["Radau", "BDF", "LSODA"], quick=["BDF"]))
def test_every_stiff_method_of_solve_ivp(method, at_the_end):
    calls = []

    def jac(t, y):
        calls.append(tg.jacobian(stiff, 1)(t, y))
        return calls[-1]

    found = integrate.solve_ivp(stiff, (0, 2), [0.0, 0.0], method=method, jac=jac, rtol=1e-6, atol=1e-8)
    assert {type(matrix) for matrix in calls} == {np.ndarray}
    assert found.success
    np.testing.assert_allclose(found.y[:, -1], at_the_end, rtol=1e-4)
