"""SciPy without special functions and distributions: functions with their derivatives or adjoints."""

import numpy as np
from scipy import fft, integrate, interpolate, linalg, ndimage, optimize, signal, sparse
from scipy.optimize._lsq.least_squares import IMPLEMENTED_LOSSES
from scipy.spatial.transform import Rotation, RotationSpline

from benchmarks.checkers.real.case import POSITIVE, REAL, Case, Domain, Judged, elementwise, gradient, jacobian
from tinygrad_edu.testing import check_gradient

KNOTS = np.array([0.0, 0.7, 1.5, 2.0, 3.1, 4.0, 5.2, 6.0])
VALUES = np.array([0.3, 1.2, -0.4, 0.9, 2.2, 2.2, 0.1, -1.3])
SLOPES = np.cos(KNOTS)
GRID = VALUES[:, None] + np.sin(np.outer(KNOTS, KNOTS))
INSIDE = Domain(0.0, 6.0, special=(1.0, 2.5, 4.5))
OUTSIDE = Domain(-3.0, 9.0, special=(-1.0, 7.0, 8.0))
PLACES = np.arange(8)
KERNEL = np.array([0.5, -1.0, 2.0])


def adjoint(name, f, transpose, *domains):
    """Check the transpose of a linear function: its vjp."""
    return Case(name, lambda rng, kind: check_gradient(f, lambda x, cotangent: transpose(cotangent),
                                                       *[domain.draw(rng, kind) for domain in domains]))  # fmt: skip


def tangent(name, f, jvp, *domains):
    """Check a forward derivative."""
    return Case(
        name, lambda rng, kind: check_gradient(f, None, *[domain.draw(rng, kind) for domain in domains], jvp=jvp)
    )


def spline(name, curve, domain=INSIDE):
    """Check the derivative of a curve, made by its method."""
    return elementwise(name, curve, curve.derivative(), domain)


OPTIMIZE = [
    gradient("optimize.rosen_der", optimize.rosen, optimize.rosen_der, REAL),
    jacobian("optimize.rosen_hess", optimize.rosen_der, optimize.rosen_hess, REAL),
    tangent("optimize.rosen_hess_prod", optimize.rosen_der, optimize.rosen_hess_prod, REAL),
    *[
        elementwise(
            f"optimize.least_squares, loss {name!r}",
            lambda z, rho=rho: rho_of(rho, z)[0],
            lambda z, rho=rho: rho_of(rho, z)[1],
            POSITIVE,
        )
        for name, rho in IMPLEMENTED_LOSSES.items()
        if rho
    ],
    *[
        elementwise(
            f"optimize.least_squares, loss {name!r}, second",
            lambda z, rho=rho: rho_of(rho, z)[1],
            lambda z, rho=rho: rho_of(rho, z)[2],
            POSITIVE,
        )
        for name, rho in IMPLEMENTED_LOSSES.items()
        if rho
    ],
    adjoint(
        "optimize.LbfgsInvHessProduct",
        lambda x: INVERSE_HESSIAN.matvec(x),
        lambda g: INVERSE_HESSIAN.matvec(g),
        REAL[3],
    ),
]
INVERSE_HESSIAN = optimize.LbfgsInvHessProduct(np.array([[1.0, 2, 0], [0, 1, 1]]), np.array([[2.0, 1, 1], [1, 3, 0]]))


def rho_of(rho, z):
    """Return the loss of squared residuals and its two derivatives."""
    out = np.empty((3, len(z)))
    rho(z, out, cost_only=False)
    return out


CUBIC = interpolate.CubicSpline(KNOTS, VALUES)
BSPLINE = interpolate.make_interp_spline(KNOTS, VALUES, k=5)
KROGH = interpolate.KroghInterpolator(KNOTS, VALUES)
BARYCENTRIC = interpolate.BarycentricInterpolator(KNOTS, VALUES)
SURFACE = interpolate.RectBivariateSpline(KNOTS, KNOTS, GRID)
SPHERE = interpolate.RectSphereBivariateSpline(KNOTS[1:5] / 2, KNOTS, GRID[1:5])
TENSOR = interpolate.NdBSpline((BSPLINE.t, BSPLINE.t), np.outer(BSPLINE.c, BSPLINE.c), 5)
PIECES = interpolate.NdPPoly(np.arange(64.0).reshape(4, 4, 2, 2) % 7, ([0.0, 3, 6], [0.0, 2, 6]))
REGULAR = interpolate.RegularGridInterpolator((KNOTS, KNOTS), GRID, method="cubic")
TCK = interpolate.splrep(KNOTS, VALUES)
INTERPOLATE = [
    spline("interpolate.CubicSpline", CUBIC),
    spline("interpolate.CubicSpline, clamped", interpolate.CubicSpline(KNOTS, VALUES, bc_type="clamped"), OUTSIDE),
    elementwise(
        "interpolate.CubicSpline, periodic",
        interpolate.CubicSpline(KNOTS, np.sin(KNOTS * np.pi / 3).round(9), bc_type="periodic"),
        lambda x: interpolate.CubicSpline(KNOTS, np.sin(KNOTS * np.pi / 3).round(9), bc_type="periodic")(x, 1),
        OUTSIDE,
    ),
    elementwise("interpolate.CubicSpline.antiderivative", CUBIC.antiderivative(), CUBIC, OUTSIDE),
    spline("interpolate.CubicHermiteSpline", interpolate.CubicHermiteSpline(KNOTS, VALUES, SLOPES)),
    spline("interpolate.PchipInterpolator", interpolate.PchipInterpolator(KNOTS, VALUES)),
    spline("interpolate.Akima1DInterpolator", interpolate.Akima1DInterpolator(KNOTS, VALUES)),
    spline("interpolate.Akima1DInterpolator, makima", interpolate.Akima1DInterpolator(KNOTS, VALUES, method="makima")),
    spline("interpolate.BSpline", BSPLINE),
    spline("interpolate.BSpline, extrapolated", BSPLINE, OUTSIDE),
    elementwise("interpolate.BSpline.antiderivative", BSPLINE.antiderivative(), BSPLINE),
    elementwise(
        "interpolate.BSpline, periodic",
        lambda x: interpolate.BSpline(*TCK, extrapolate="periodic")(x),
        lambda x: interpolate.BSpline(*TCK, extrapolate="periodic")(x, 1),
        OUTSIDE,
    ),
    spline("interpolate.PPoly", interpolate.PPoly(np.arange(21.0).reshape(3, 7) % 5, KNOTS)),
    spline("interpolate.BPoly", interpolate.BPoly(np.arange(28.0).reshape(4, 7) % 5, KNOTS)),
    spline(
        "interpolate.BPoly.from_derivatives", interpolate.BPoly.from_derivatives(KNOTS, np.stack([VALUES, SLOPES], 1))
    ),
    elementwise(
        "interpolate.BPoly.antiderivative",
        interpolate.BPoly(np.arange(28.0).reshape(4, 7) % 5, KNOTS).antiderivative(),
        interpolate.BPoly(np.arange(28.0).reshape(4, 7) % 5, KNOTS),
    ),
    elementwise("interpolate.KroghInterpolator", KROGH, KROGH.derivative, INSIDE),
    elementwise("interpolate.KroghInterpolator, second", KROGH.derivative, lambda x: KROGH.derivative(x, 2), INSIDE),
    elementwise("interpolate.BarycentricInterpolator", BARYCENTRIC, BARYCENTRIC.derivative, INSIDE),
    elementwise(
        "interpolate.BarycentricInterpolator, second",
        BARYCENTRIC.derivative,
        lambda x: BARYCENTRIC.derivative(x, 2),
        INSIDE,
    ),
    spline("interpolate.UnivariateSpline", interpolate.UnivariateSpline(KNOTS, VALUES)),
    spline(
        "interpolate.InterpolatedUnivariateSpline",
        interpolate.InterpolatedUnivariateSpline(KNOTS, VALUES, ext=3),
        OUTSIDE,
    ),
    spline("interpolate.LSQUnivariateSpline", interpolate.LSQUnivariateSpline(KNOTS, VALUES, [2.5])),
    spline("interpolate.make_smoothing_spline", interpolate.make_smoothing_spline(KNOTS, VALUES)),
    elementwise(
        "interpolate.splev", lambda x: interpolate.splev(x, TCK), lambda x: interpolate.splev(x, TCK, der=1), OUTSIDE
    ),
    elementwise(
        "interpolate.splder",
        lambda x: interpolate.splev(x, TCK, der=1),
        lambda x: interpolate.splev(x, interpolate.splder(TCK, 2)),
        INSIDE,
    ),
    elementwise(
        "interpolate.splantider",
        lambda x: interpolate.splev(x, interpolate.splantider(TCK)),
        lambda x: interpolate.splev(x, TCK),
        INSIDE,
    ),
    elementwise(
        "interpolate.RectBivariateSpline, dx", lambda x: SURFACE.ev(x, 2.3), lambda x: SURFACE.ev(x, 2.3, dx=1), INSIDE
    ),
    elementwise(
        "interpolate.RectBivariateSpline, dy", lambda y: SURFACE.ev(2.3, y), lambda y: SURFACE.ev(2.3, y, dy=1), INSIDE
    ),
    elementwise(
        "interpolate.RectBivariateSpline.partial_derivative",
        lambda y: SURFACE.ev(2.3, y, dx=1),
        lambda y: SURFACE.partial_derivative(1, 1)(2.3, y, grid=False),
        INSIDE,
    ),
    elementwise(
        "interpolate.RectSphereBivariateSpline, dtheta",
        lambda x: SPHERE.ev(x, 2.3),
        lambda x: SPHERE.ev(x, 2.3, dtheta=1),
        Domain(0.1, 3.0),
    ),
    elementwise(
        "interpolate.RectSphereBivariateSpline, dphi",
        lambda x: SPHERE.ev(1.1, x),
        lambda x: SPHERE.ev(1.1, x, dphi=1),
        INSIDE,
    ),
    *[
        gradient(
            f"interpolate.{type(curve).__name__}, nu",
            lambda x, curve=curve: curve(x[None]).item(),
            lambda x, curve=curve: np.array([curve(x[None], nu=nu).item() for nu in ((1, 0), (0, 1))]),
            INSIDE[2],
        )
        for curve in (TENSOR, PIECES, REGULAR)
    ],
]

ROTATIONS = RotationSpline(KNOTS, Rotation.from_rotvec(np.stack([VALUES, SLOPES, VALUES**2 / 4], 1)))


def spin(t):
    """Return the derivative of the matrices of the spline, from its angular rate in the rotated frame."""
    x, y, z = ROTATIONS(t, 1).T
    zero = np.zeros_like(x)
    cross = np.stack([np.stack([zero, -z, y], -1), np.stack([z, zero, -x], -1), np.stack([-y, x, zero], -1)], -2)
    return ROTATIONS(t).as_matrix() @ cross


SPATIAL = [
    Case(
        "spatial.transform.RotationSpline, rate",
        lambda rng, kind: check_gradient(
            lambda t: ROTATIONS(t).as_matrix(), lambda t, g: np.sum(g * spin(t), (1, 2)), INSIDE.draw(rng, kind)
        ),
    ),
    elementwise(
        "spatial.transform.RotationSpline, acceleration",
        lambda t: ROTATIONS(t, 1)[:, 0],
        lambda t: ROTATIONS(t, 2)[:, 0],
        INSIDE,
    ),
    adjoint(
        "spatial.transform.Rotation.apply",
        ROTATIONS(1.0).apply,
        lambda g: ROTATIONS(1.0).apply(g, inverse=True),
        REAL[5, 3],
    ),
]

SQUARE = np.array([[1.0, -2.0, 0.5], [0.3, 1.0, 2.0], [0.0, 1.0, -1.0]])
LINALG = [
    tangent("linalg.expm_frechet", linalg.expm, lambda A, E: linalg.expm_frechet(A, E, compute_expm=False), REAL[3, 3]),
    tangent(
        "linalg.expm_frechet, blockEnlarge",
        linalg.expm,
        lambda A, E: linalg.expm_frechet(A, E, method="blockEnlarge", compute_expm=False),
        REAL[3, 3],
    ),
    gradient("linalg.inv, of det", linalg.det, lambda A: linalg.det(A) * linalg.inv(A).T, REAL[3, 3]),
    gradient(
        "linalg.svdvals", lambda A: np.sum(linalg.svdvals(A)), lambda A: linalg.svd(A)[0] @ linalg.svd(A)[2], REAL[3, 3]
    ),
    Case(
        "linalg.solve_sylvester",
        lambda rng, kind: check_gradient(
            lambda Q: linalg.solve_sylvester(SQUARE, SQUARE, Q),
            lambda Q, g: linalg.solve_sylvester(SQUARE.T, SQUARE.T, g),
            REAL[3, 3].draw(rng, kind),
        ),
    ),
    adjoint(
        "linalg.solve_continuous_lyapunov",
        lambda Q: linalg.solve_continuous_lyapunov(SQUARE, Q),
        lambda g: linalg.solve_continuous_lyapunov(SQUARE.T, g),
        REAL[3, 3],
    ),
    adjoint(
        "linalg.solve_discrete_lyapunov",
        lambda Q: linalg.solve_discrete_lyapunov(SQUARE, Q),
        lambda g: linalg.solve_discrete_lyapunov(SQUARE.T, g),
        REAL[3, 3],
    ),
    adjoint(
        "linalg.solve_banded",
        lambda b: linalg.solve_banded((1, 1), np.ones((3, 4)) + np.eye(3, 4), b),
        lambda g: linalg.solve_banded((1, 1), np.ones((3, 4)) + np.eye(3, 4), np.eye(4)).T @ g,
        REAL,
    ),
    adjoint(
        "linalg.solve_toeplitz",
        lambda b: linalg.solve_toeplitz(([3.0, 1, 2, 0], [3.0, -1, 0, 2]), b),
        lambda g: linalg.solve_toeplitz(([3.0, -1, 0, 2], [3.0, 1, 2, 0]), g),
        REAL,
    ),
    adjoint(
        "linalg.matmul_toeplitz",
        lambda b: linalg.matmul_toeplitz(([3.0, 1, 2, 0], [3.0, -1, 0, 2]), b),
        lambda g: linalg.matmul_toeplitz(([3.0, -1, 0, 2], [3.0, 1, 2, 0]), g),
        REAL,
    ),
    adjoint(
        "linalg.cho_solve",
        lambda b: linalg.cho_solve(linalg.cho_factor(SQUARE @ SQUARE.T), b),
        lambda g: linalg.solve(SQUARE @ SQUARE.T, g),
        REAL[3],
    ),
    adjoint(
        "linalg.lu_solve, trans",
        lambda b: linalg.lu_solve(linalg.lu_factor(SQUARE), b),
        lambda g: linalg.lu_solve(linalg.lu_factor(SQUARE), g, trans=1),
        REAL[3],
    ),
    elementwise(
        "sparse.linalg.expm_multiply",
        lambda t: sparse.linalg.expm_multiply(SQUARE * t[0], SQUARE[0])[:1],
        lambda t: (SQUARE @ sparse.linalg.expm_multiply(SQUARE * t[0], SQUARE[0]))[:1],
        REAL[1],
    ),
    adjoint(
        "sparse.linalg.LinearOperator.rmatvec", lambda x: OPERATOR.matvec(x), lambda g: OPERATOR.rmatvec(g), REAL[3]
    ),
    adjoint("sparse.linalg.LaplacianNd", lambda x: LAPLACIAN.matvec(x), lambda g: LAPLACIAN.rmatvec(g), REAL[6]),
    adjoint("sparse.linalg.splu, trans", lambda b: LU.solve(b), lambda g: LU.solve(g, "T"), REAL[3]),
]
OPERATOR = 2 * sparse.linalg.aslinearoperator(SQUARE) @ sparse.linalg.aslinearoperator(SQUARE).T
LAPLACIAN = sparse.linalg.LaplacianNd((2, 3), boundary_conditions="neumann")
LU = sparse.linalg.splu(sparse.csc_matrix(SQUARE))

SYSTEM = signal.lti([1.0, 2.0], [1.0, 0.8, 2.0])
FILTER = signal.butter(3, 0.3)


def phase(w):
    return np.unwrap(np.angle(signal.freqz(*FILTER, worN=w)[1]))


SIGNAL = [
    adjoint(
        "signal.correlate, of convolve",
        lambda x: signal.convolve(x, KERNEL),
        lambda g: signal.correlate(g, KERNEL, "valid"),
        REAL[7],
    ),
    adjoint(
        "signal.fftconvolve",
        lambda x: signal.fftconvolve(x, KERNEL, "valid"),
        lambda g: signal.fftconvolve(g, KERNEL[::-1]),
        REAL[7],
    ),
    adjoint(
        "signal.oaconvolve",
        lambda x: signal.oaconvolve(x, KERNEL),
        lambda g: signal.oaconvolve(g, KERNEL[::-1], "valid"),
        REAL[7],
    ),
    adjoint(
        "signal.convolve2d",
        lambda x: signal.convolve2d(x, GRID[:2, :3], "valid"),
        lambda g: signal.correlate2d(g, GRID[:2, :3], "full"),
        REAL[4, 5],
    ),
    adjoint(
        "signal.lfilter",
        lambda x: signal.lfilter(*FILTER, x),
        lambda g: signal.lfilter(*FILTER, g[::-1])[::-1],
        REAL[9],
    ),
    adjoint(
        "signal.sosfilt",
        lambda x: signal.sosfilt(signal.tf2sos(*FILTER), x),
        lambda g: signal.sosfilt(signal.tf2sos(*FILTER), g[::-1])[::-1],
        REAL[9],
    ),
    elementwise("signal.group_delay", phase, lambda w: -signal.group_delay(FILTER, w)[1], Domain(0.1, 2.5)),
    elementwise(
        "signal.cspline1d_eval",
        lambda x: signal.cspline1d_eval(VALUES, x),
        lambda x: np.sum(VALUES * (quadratic(x[:, None] - PLACES + 0.5) - quadratic(x[:, None] - PLACES - 0.5)), 1),
        Domain(2.0, 5.0),
    ),
    elementwise(
        "signal.step",
        lambda t: np.array([signal.step(SYSTEM, T=[0, s])[1][1] for s in t]),
        lambda t: np.array([signal.impulse(SYSTEM, T=[0, s])[1][1] for s in t]),
        Domain(0.0, 10.0),
    ),
    adjoint(
        "ndimage.correlate1d",
        lambda x: ndimage.convolve1d(x, KERNEL, mode="constant"),
        lambda g: ndimage.correlate1d(g, KERNEL, mode="constant"),
        REAL[7],
    ),
    adjoint(
        "ndimage.convolve, wrap",
        lambda x: ndimage.convolve(x, GRID[:3, :3], mode="wrap"),
        lambda g: ndimage.correlate(g, GRID[:3, :3], mode="wrap"),
        REAL[4, 5],
    ),
    adjoint(
        "ndimage.gaussian_filter, wrap",
        lambda x: ndimage.gaussian_filter(x, 1.0, mode="wrap"),
        lambda g: ndimage.gaussian_filter(g, 1.0, mode="wrap"),
        REAL[4, 5],
    ),
    *[
        adjoint(
            f"fft.dct, type {n}",
            lambda x, n=n: fft.dct(x, n, norm="ortho"),
            lambda g, n=n: fft.idct(g, n, norm="ortho"),
            REAL[6],
        )
        for n in (2, 3, 4)
    ],
    *[
        adjoint(
            f"fft.dst, type {n}",
            lambda x, n=n: fft.dst(x, n, norm="ortho"),
            lambda g, n=n: fft.idst(g, n, norm="ortho"),
            REAL[6],
        )
        for n in (1, 2, 3, 4)
    ],
    adjoint("fft.dctn", lambda x: fft.dctn(x, norm="ortho"), lambda g: fft.idctn(g, norm="ortho"), REAL[3, 4]),
    Case(
        "integrate.solve_ivp, dense output",
        lambda rng, kind: check_gradient(
            lambda t: SOLUTION(t)[0], lambda t, g: g * SOLUTION(t)[1], Domain(0.0, 5.0).draw(rng, kind), accuracy=1e-8
        ),
    ),
    elementwise("integrate.quad_vec", lambda t: np.array([integrate.quad_vec(np.cos, 0, s)[0] for s in t]), np.cos),
    adjoint(
        "integrate.simpson",
        lambda y: integrate.simpson(y, x=KNOTS),
        lambda g: g * integrate.simpson(np.eye(8), x=KNOTS),
        REAL[8],
    ),
]
SOLUTION = integrate.solve_ivp(
    lambda t, y: [y[1], -y[0]], (0, 5), [1.0, 0.0], rtol=1e-12, atol=1e-12, dense_output=True, method="DOP853"
).sol


def quadratic(x):
    return np.where(np.abs(x) < 0.5, 0.75 - x**2, np.where(np.abs(x) < 1.5, (np.abs(x) - 1.5) ** 2 / 2, 0))


CASES = [Case(f"scipy.{case.name}", case.check) for case in [*OPTIMIZE, *INTERPOLATE, *SPATIAL, *LINALG, *SIGNAL]]
JUDGED = {
    "scipy.spatial.transform.Rotation.apply": Judged("convention", "it takes only writable arrays."),
    "scipy.ndimage.convolve, wrap": Judged("finding", "ndimage reads arrays of stride 0 wrongly."),
}
