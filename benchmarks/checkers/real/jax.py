"""jax.nn and jax.scipy, beyond the functions of `python -m benchmarks.checkers lax`."""

import jax.numpy as jnp
from jax import nn
from jax.scipy import integrate, interpolate, linalg, ndimage, signal, stats
from jax.scipy import special as sp
from jax.scipy.spatial.transform import Rotation

from benchmarks.checkers.real.case import POSITIVE, REAL, SIGNED_UNIT, UNIT, Case, Domain, Judged, jax

NEAR = Domain(-30.0, 30.0)
NEAR_POSITIVE = Domain(0.0, 30.0)
AWAY = Domain(0.5)  # of zero, where exp1 and expn take minutes, and never end in bfloat16, if other numbers exceed one
ABOVE_ONE = Domain(1.0)
BETWEEN_POLES = Domain(-5.0, 30.0, special=(0.5, 1.0, 2.0, 3.0, -0.5, -1.5))
SLOW = "narrow dtypes", "batching"  # left out where JAX takes seconds to compile each program
SLOW_STATS = (
    "beta.logpdf",
    "betabinom.logpmf",
    "chi2.logsf",
    "gamma.logsf",
    "gennorm.cdf",
    "truncnorm.logcdf",
    "truncnorm.logsf",
)
KEYS = Domain(-3.0, 3.0, (1, 3, 2, 4))  # of attention

NN = [
    *[
        jax(f"jax.nn.{f.__name__}", f, REAL, order=2)
        for f in (
            nn.celu,
            nn.elu,
            nn.gelu,
            nn.hard_sigmoid,
            nn.hard_silu,
            nn.hard_tanh,
            nn.leaky_relu,
            nn.log_sigmoid,
            nn.mish,
            nn.relu,
            nn.relu6,
            nn.selu,
            nn.sigmoid,
            nn.silu,
            nn.soft_sign,
            nn.softplus,
            nn.sparse_plus,
            nn.sparse_sigmoid,
            nn.squareplus,
            nn.tanh,
        )
    ],
    jax("jax.nn.gelu, exact", lambda x: nn.gelu(x, approximate=False), REAL),
    jax("jax.nn.celu, alpha", nn.celu, REAL, POSITIVE[()]),
    jax("jax.nn.elu, alpha", nn.elu, REAL, POSITIVE[()]),
    jax("jax.nn.squareplus, b", nn.squareplus, REAL, POSITIVE[()]),
    jax("jax.nn.glu", nn.glu, REAL),
    jax("jax.nn.log1mexp", nn.log1mexp, POSITIVE),
    jax("jax.nn.softmax", nn.softmax, REAL[2, 3]),
    jax("jax.nn.softmax, where", lambda x: nn.softmax(x, where=jnp.array([True, False, True])), REAL[2, 3]),
    jax("jax.nn.log_softmax", nn.log_softmax, REAL[2, 3]),
    jax("jax.nn.logsumexp, b", lambda x, b: nn.logsumexp(x, b=b), REAL[3], POSITIVE[3]),
    jax("jax.nn.logmeanexp", nn.logmeanexp, REAL[3]),
    jax("jax.nn.standardize", nn.standardize, REAL[2, 3]),
    jax(
        "jax.nn.dot_product_attention, causal",
        lambda q, k, v: nn.dot_product_attention(q, k, v, is_causal=True),
        KEYS,
        KEYS,
        KEYS,
    ),
]

SPECIAL = [
    jax("jax.scipy.special.bessel_jn", lambda x: sp.bessel_jn(x, v=3), NEAR_POSITIVE, skip=SLOW),
    jax("jax.scipy.special.beta", sp.beta, POSITIVE, POSITIVE, skip=SLOW),
    jax("jax.scipy.special.betaln", sp.betaln, POSITIVE, POSITIVE, skip=SLOW),
    jax("jax.scipy.special.betainc", lambda x: sp.betainc(2.5, 1.5, x), UNIT, skip=SLOW),
    jax("jax.scipy.special.boxcox", lambda x: sp.boxcox(x, 0.3), POSITIVE),
    jax("jax.scipy.special.boxcox1p", lambda x: sp.boxcox1p(x, 0.3), POSITIVE),
    jax("jax.scipy.special.dawsn", sp.dawsn, NEAR),
    jax("jax.scipy.special.entr", sp.entr, POSITIVE),
    jax("jax.scipy.special.erfcx", sp.erfcx, Domain(-5.0, 30.0)),
    jax("jax.scipy.special.erfinv", sp.erfinv, SIGNED_UNIT),
    jax("jax.scipy.special.exp1", sp.exp1, AWAY, skip=SLOW),
    jax("jax.scipy.special.expi", sp.expi, NEAR, skip=SLOW),
    jax("jax.scipy.special.expn", lambda x: sp.expn(3, x), AWAY, skip=SLOW),
    jax("jax.scipy.special.fresnel", sp.fresnel, NEAR),
    jax("jax.scipy.special.gamma", sp.gamma, BETWEEN_POLES),
    jax("jax.scipy.special.gammainc", sp.gammainc, POSITIVE, POSITIVE, skip=SLOW),
    jax("jax.scipy.special.gammaincc", sp.gammaincc, POSITIVE, POSITIVE, skip=SLOW),
    jax("jax.scipy.special.gammaln", sp.gammaln, BETWEEN_POLES),
    jax("jax.scipy.special.digamma", sp.digamma, BETWEEN_POLES),
    jax("jax.scipy.special.polygamma", lambda x: sp.polygamma(2, x), POSITIVE),
    jax("jax.scipy.special.hyp1f1", lambda x: sp.hyp1f1(0.5, 1.5, x), NEAR),
    jax("jax.scipy.special.hyp2f1", lambda x: sp.hyp2f1(0.5, 1.2, 2.5, x), UNIT, skip=SLOW),
    jax("jax.scipy.special.i0e", sp.i0e, REAL),
    jax("jax.scipy.special.i1", sp.i1, NEAR),
    jax("jax.scipy.special.kl_div", sp.kl_div, POSITIVE, POSITIVE),
    jax("jax.scipy.special.rel_entr", sp.rel_entr, POSITIVE, POSITIVE),
    jax("jax.scipy.special.log_ndtr", sp.log_ndtr, REAL),
    jax("jax.scipy.special.ndtr", sp.ndtr, REAL),
    jax("jax.scipy.special.ndtri", sp.ndtri, UNIT),
    jax("jax.scipy.special.logit", sp.logit, UNIT),
    jax("jax.scipy.special.multigammaln", lambda a: sp.multigammaln(a, 3), ABOVE_ONE),
    jax("jax.scipy.special.owens_t", sp.owens_t, NEAR, NEAR),
    jax("jax.scipy.special.poch", sp.poch, NEAR_POSITIVE, NEAR_POSITIVE),
    jax("jax.scipy.special.sici", sp.sici, POSITIVE),
    jax("jax.scipy.special.spence", sp.spence, POSITIVE),
    jax("jax.scipy.special.xlogy", sp.xlogy, REAL, POSITIVE),
    jax("jax.scipy.special.xlog1py", sp.xlog1py, REAL, POSITIVE),
    jax("jax.scipy.special.zeta", lambda x, q: sp.zeta(x + 1, q), POSITIVE, POSITIVE),
    jax(
        "jax.scipy.special.sph_harm_y",
        lambda t, p: sp.sph_harm_y(jnp.full(4, 3), jnp.full(4, 2), t, p, n_max=3).real,
        Domain(0.1, 3.0),
        REAL,
    ),
]

STATS = [
    *[
        jax(f"jax.scipy.stats.{name}", f, *domains, skip=SLOW if name in SLOW_STATS else ())
        for name, f, domains in [
            ("beta.logpdf", stats.beta.logpdf, (UNIT, POSITIVE, POSITIVE)),
            ("beta.logcdf", lambda x: stats.beta.logcdf(x, 2.5, 1.5), (UNIT,)),
            ("cauchy.logsf", stats.cauchy.logsf, (REAL,)),
            ("cauchy.ppf", stats.cauchy.ppf, (UNIT,)),
            ("chi2.logpdf", stats.chi2.logpdf, (POSITIVE, POSITIVE)),
            ("chi2.logsf", stats.chi2.logsf, (NEAR_POSITIVE, ABOVE_ONE)),
            ("expon.logpdf", stats.expon.logpdf, (POSITIVE,)),
            ("gamma.logpdf", stats.gamma.logpdf, (POSITIVE, POSITIVE)),
            ("gamma.logsf", stats.gamma.logsf, (NEAR_POSITIVE, ABOVE_ONE)),
            ("gennorm.logpdf", stats.gennorm.logpdf, (Domain(0.1, 3.0), Domain(0.5, 5.0))),
            ("gennorm.cdf", stats.gennorm.cdf, (REAL, Domain(0.5, 5.0))),
            ("gumbel_l.logsf", stats.gumbel_l.logsf, (NEAR,)),
            ("gumbel_r.logcdf", stats.gumbel_r.logcdf, (NEAR,)),
            ("laplace.cdf", stats.laplace.cdf, (REAL,)),
            ("logistic.logpdf", stats.logistic.logpdf, (REAL,)),
            ("logistic.isf", stats.logistic.isf, (UNIT,)),
            ("norm.logcdf", stats.norm.logcdf, (REAL,)),
            ("norm.logsf", stats.norm.logsf, (REAL,)),
            ("norm.isf", stats.norm.isf, (UNIT,)),
            ("pareto.logcdf", stats.pareto.logcdf, (ABOVE_ONE, POSITIVE)),
            ("pareto.ppf", stats.pareto.ppf, (UNIT, Domain(0.5, 30.0))),
            ("t.logpdf", stats.t.logpdf, (REAL, POSITIVE)),
            ("uniform.cdf", stats.uniform.cdf, (UNIT,)),
            ("vonmises.logpdf", stats.vonmises.logpdf, (REAL, POSITIVE)),
            (
                "wrapcauchy.logpdf",
                stats.wrapcauchy.logpdf,
                (Domain(0.0, 6.28), Domain(0.0, 0.9)),
            ),
            ("poisson.logpmf", lambda mu: stats.poisson.logpmf(jnp.arange(4), mu), (POSITIVE,)),
            ("poisson.cdf", lambda mu: stats.poisson.cdf(jnp.arange(4), mu), (NEAR_POSITIVE,)),
            ("poisson.entropy", stats.poisson.entropy, (NEAR_POSITIVE,)),
            ("nbinom.logpmf", lambda n, p: stats.nbinom.logpmf(jnp.arange(4), n, p), (ABOVE_ONE, UNIT)),
            ("binom.logpmf", lambda p: stats.binom.logpmf(jnp.arange(4), 5, p), (UNIT,)),
            ("betabinom.logpmf", lambda a, b: stats.betabinom.logpmf(jnp.arange(4), 5, a, b), (POSITIVE, POSITIVE)),
            ("geom.logpmf", lambda p: stats.geom.logpmf(jnp.arange(1, 5), p), (UNIT,)),
            ("dirichlet.logpdf", lambda a: stats.dirichlet.logpdf(jnp.array([0.2, 0.5, 0.2, 0.1]), a), (POSITIVE,)),
            ("multinomial.logpmf", lambda p: stats.multinomial.logpmf(jnp.arange(4), 6, p), (UNIT,)),
            ("truncnorm.logpdf", lambda x: stats.truncnorm.logpdf(x, -4.0, 5.0), (Domain(-4.0, 5.0),)),
            (
                "truncnorm.logcdf",
                lambda x, a: stats.truncnorm.logcdf(x, a, 5.0),
                (Domain(-3.0, 5.0), Domain(-6.0, -3.0)),
            ),
            ("truncnorm.logsf", lambda x, b: stats.truncnorm.logsf(x, -5.0, b), (Domain(-5.0, 3.0), Domain(3.0, 6.0))),
            (
                "multivariate_normal.logpdf",
                lambda x, m, L: stats.multivariate_normal.logpdf(x, m, L @ L.T + jnp.eye(3)),
                (REAL[3], REAL[3], REAL[3, 3]),
            ),
            ("gaussian_kde.logpdf", lambda d, x: stats.gaussian_kde(d).logpdf(x), (REAL[5], Domain(-2.0, 2.0))),
        ]
    ],
]

MATRIX = Domain(-3.0, 3.0, (3, 3))
OTHERS = [
    *[
        jax(f"jax.scipy.linalg.{name}", f, MATRIX, *others)
        for name, f, *others in [
            ("cholesky", lambda A: linalg.cholesky(A @ A.T + jnp.eye(3))),
            ("cho_solve", lambda A, b: linalg.cho_solve(linalg.cho_factor(A @ A.T + jnp.eye(3)), b), REAL[3]),
            ("det", linalg.det),
            ("inv", linalg.inv),
            ("lu", lambda A: linalg.lu(A)[1:]),
            ("lu_solve", lambda A, b: linalg.lu_solve(linalg.lu_factor(A), b), REAL[3]),
            ("solve", linalg.solve, REAL[3]),
            (
                "solve_triangular",
                lambda A, b: linalg.solve_triangular(A + 4 * jnp.eye(3), b, lower=True, trans=1),
                REAL[3],
            ),
            ("qr", linalg.qr),
            ("svd", lambda A: linalg.svd(A)[1]),
            ("eigh", lambda A: linalg.eigh(A + A.T)[0]),
            ("toeplitz", lambda A: linalg.toeplitz(A[0], A[1])),
            ("block_diag", linalg.block_diag, MATRIX),
        ]
    ],
    jax("jax.scipy.linalg.expm", linalg.expm, MATRIX, skip=SLOW),
    jax("jax.scipy.linalg.eigh, vectors", lambda A: abs(linalg.eigh(A + A.T)[1]), MATRIX),
    *[
        jax(f"jax.scipy.signal.{name}", f, *domains)
        for name, f, *domains in [
            ("convolve", signal.convolve, REAL[5], REAL[3]),
            ("correlate", signal.correlate, REAL[5], REAL[3]),
            ("convolve2d", signal.convolve2d, REAL[3, 4], REAL[2, 2]),
            ("fftconvolve", signal.fftconvolve, REAL[5], REAL[3]),
            ("detrend", signal.detrend, REAL[6]),
            ("stft", lambda x: signal.stft(x, nperseg=4)[2], REAL[12]),
            ("welch", lambda x: signal.welch(x, nperseg=4)[1], REAL[12]),
            ("csd", lambda x, y: signal.csd(x, y, nperseg=4)[1], REAL[12], REAL[12]),
        ]
    ],
    jax(
        "jax.scipy.ndimage.map_coordinates",
        lambda x, at: ndimage.map_coordinates(x, [at, at / 2], order=1),
        REAL[4, 4],
        Domain(0.0, 3.0, special=(0.5, 1.5)),
    ),
    jax(
        "jax.scipy.ndimage.map_coordinates, mirror",
        lambda x, at: ndimage.map_coordinates(x, [at], order=1, mode="mirror"),
        REAL[4],
        Domain(-6.0, 6.0, special=(0.5, 1.5, -2.5)),
    ),
    jax(
        "jax.scipy.interpolate.RegularGridInterpolator",
        lambda v, x: interpolate.RegularGridInterpolator((jnp.arange(4.0), jnp.arange(3.0)), v)(x),
        REAL[4, 3],
        Domain(0.0, 2.0, (3, 2), special=(0.5, 1.5)),
        skip=SLOW,
    ),
    jax("jax.scipy.integrate.trapezoid", integrate.trapezoid, REAL[5], REAL[5]),
    jax("jax.scipy.spatial.transform.Rotation.apply", lambda r, x: Rotation.from_rotvec(r).apply(x), REAL[3], REAL[3]),
    jax(
        "jax.scipy.spatial.transform.Rotation.as_rotvec",
        lambda q: Rotation.from_quat(q / jnp.sqrt(jnp.sum(q**2))).as_rotvec(),
        REAL[4],
    ),
    jax("jax.scipy.special.logsumexp, signs", lambda x, b: sp.logsumexp(x, b=b, return_sign=True)[0], REAL, REAL),
]

CASES: list[Case] = [*NN, *SPECIAL, *STATS, *OTHERS]
JUDGED = {
    "jax.nn.dot_product_attention, causal, edge": Judged("accuracy", "it computes the softmax in float32."),
    "jax.scipy.special.bessel_jn, edge": Judged("finding", "nan or a wrong gradient near 0."),
    "jax.scipy.special.hyp2f1": Judged("finding", "the series is cut too early near 1."),
    "jax.scipy.special.spence": Judged("finding", "nan for 1 < x <= 2, and zero at 1."),
    "jax.scipy.stats.poisson.entropy": Judged("finding", "the forward derivative is nan."),
    "jax.scipy.stats.laplace.cdf, edge": Judged("finding", "nan in float32 for large x."),
    "jax.scipy.stats.gennorm.cdf, special": Judged("finding", "nan at x = 0."),
}
