"""scipy.special: functions with their derivatives, of SciPy or by the formula of its documentation."""

import numpy as np
from scipy import special as sp

from benchmarks.checkers.real.case import POSITIVE, REAL, SIGNED_UNIT, UNIT, Case, Domain, Judged, elementwise, jacobian
from tinygrad_edu.testing import check_gradient

NEAR = Domain(-20.0, 20.0)  # of functions that overflow or oscillate
NEAR_POSITIVE = Domain(0.0, 30.0)
ABOVE_ONE = Domain(1.0)
PARTS = Domain(-5.0, 5.0)  # of complex numbers
BELOW_ONE = Domain(-30.0, 1.0)
ROOT_PI = np.sqrt(np.pi)


def gaussian(x):
    return np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)


def pair(name, f, domain=REAL):
    """Check a function that returns its value and its derivative."""
    return elementwise(name, lambda x: f(x)[0], lambda x: f(x)[1], domain)


def holomorphic(name, f, derivative, domain=PARTS):
    """Check a function of complex numbers, on its parts: the Jacobian has the parts of the derivative."""

    def parts(x):
        return np.stack([f(x[0] + 1j * x[1]).real, f(x[0] + 1j * x[1]).imag])

    def grad(x, cotangent):
        product = (cotangent[0] + 1j * cotangent[1]) * np.conj(derivative(x[0] + 1j * x[1]))
        return np.stack([product.real, product.imag])

    return Case(name, lambda rng, kind: check_gradient(parts, grad, domain[2, 3].draw(rng, kind)))


BESSEL = [
    elementwise("jvp", lambda x: sp.jv(1.5, x), lambda x: sp.jvp(1.5, x), POSITIVE),
    elementwise("jvp, n=2", lambda x: sp.jvp(2, x), lambda x: sp.jvp(2, x, 2), REAL),
    elementwise("yvp", lambda x: sp.yv(1, x), lambda x: sp.yvp(1, x), POSITIVE),
    elementwise("kvp", lambda x: sp.kv(1, x), lambda x: sp.kvp(1, x), POSITIVE),
    elementwise("kvp, n=3", lambda x: sp.kvp(0.5, x, 2), lambda x: sp.kvp(0.5, x, 3), NEAR_POSITIVE),
    elementwise("ivp", lambda x: sp.iv(2, x), lambda x: sp.ivp(2, x), NEAR),
    elementwise("ivp, n=2", lambda x: sp.ivp(0.5, x), lambda x: sp.ivp(0.5, x, 2), NEAR_POSITIVE),
    holomorphic("h1vp", lambda z: sp.hankel1(1, z), lambda z: sp.h1vp(1, z)),
    holomorphic("h2vp", lambda z: sp.hankel2(2, z), lambda z: sp.h2vp(2, z)),
    elementwise("j0", sp.j0, lambda x: -sp.j1(x)),
    elementwise("j1", sp.j1, lambda x: sp.jvp(1, x)),
    elementwise("y0", sp.y0, lambda x: -sp.y1(x), POSITIVE),
    elementwise("i0", sp.i0, sp.i1, NEAR),
    elementwise("i0e", sp.i0e, lambda x: sp.i1e(x) - np.sign(x) * sp.i0e(x)),
    elementwise("i1e", sp.i1e, lambda x: (sp.i0e(x) + sp.ive(2, x)) / 2 - np.sign(x) * sp.i1e(x)),
    elementwise("k0", sp.k0, lambda x: -sp.k1(x), POSITIVE),
    elementwise("k0e", sp.k0e, lambda x: sp.k0e(x) - sp.k1e(x), POSITIVE),
    elementwise("k1e", sp.k1e, lambda x: sp.k1e(x) - (sp.k0e(x) + sp.kve(2, x)) / 2, POSITIVE),
    elementwise("spherical_jn", lambda x: sp.spherical_jn(2, x), lambda x: sp.spherical_jn(2, x, True)),
    elementwise("spherical_jn, order 0", lambda x: sp.spherical_jn(0, x), lambda x: sp.spherical_jn(0, x, True)),
    elementwise("spherical_yn", lambda x: sp.spherical_yn(2, x), lambda x: sp.spherical_yn(2, x, True)),
    elementwise("spherical_in", lambda x: sp.spherical_in(3, x), lambda x: sp.spherical_in(3, x, True), NEAR),
    elementwise("spherical_kn", lambda x: sp.spherical_kn(1, x), lambda x: sp.spherical_kn(1, x, True), POSITIVE),
    holomorphic("spherical_jn, complex", lambda z: sp.spherical_jn(2, z), lambda z: sp.spherical_jn(2, z, True)),
    elementwise("berp", sp.ber, sp.berp, NEAR_POSITIVE),
    elementwise("beip", sp.bei, sp.beip, NEAR_POSITIVE),
    elementwise("kerp", sp.ker, sp.kerp, NEAR_POSITIVE),
    elementwise("keip", sp.kei, sp.keip, NEAR_POSITIVE),
    holomorphic("jvp, complex", lambda z: sp.jv(0.5, z), lambda z: sp.jvp(0.5, z)),
    elementwise("struve", lambda x: sp.struve(0, x), lambda x: 2 / np.pi - sp.struve(1, x), POSITIVE),
    elementwise("modstruve", lambda x: sp.modstruve(0, x), lambda x: 2 / np.pi + sp.modstruve(1, x), NEAR_POSITIVE),
    elementwise("itj0y0", lambda x: sp.itj0y0(x)[0], sp.j0, POSITIVE),
    elementwise("iti0k0", lambda x: sp.iti0k0(x)[0], sp.i0, NEAR_POSITIVE),
    elementwise("it2j0y0", lambda x: sp.it2j0y0(x)[0], lambda x: (1 - sp.j0(x)) / x, Domain(0.1)),
    elementwise("it2i0k0", lambda x: sp.it2i0k0(x)[0], lambda x: (sp.i0(x) - 1) / x, Domain(0.1, 15.0)),
    elementwise("itstruve0", sp.itstruve0, lambda x: sp.struve(0, x), POSITIVE),
    elementwise("itmodstruve0", sp.itmodstruve0, lambda x: sp.modstruve(0, x), NEAR_POSITIVE),
    elementwise(
        "wright_bessel", lambda x: sp.wright_bessel(0.5, 1.5, x), lambda x: sp.wright_bessel(0.5, 2.0, x), NEAR_POSITIVE
    ),
]

AIRY = [
    pair("airy, Ai", lambda x: sp.airy(x)),
    elementwise("airy, Bi", lambda x: sp.airy(x)[2], lambda x: sp.airy(x)[3], NEAR),
    elementwise("airy, Ai'", lambda x: sp.airy(x)[1], lambda x: x * sp.airy(x)[0], NEAR),
    holomorphic("airy, complex", lambda z: sp.airy(z)[0], lambda z: sp.airy(z)[1]),
    elementwise("airye", lambda x: sp.airye(x)[0], lambda x: sp.airye(x)[1] + np.sqrt(x) * sp.airye(x)[0], POSITIVE),
    elementwise("itairy", lambda x: sp.itairy(x)[0], lambda x: sp.airy(x)[0], NEAR),
    pair("pbdv", lambda x: sp.pbdv(1.5, x), NEAR),
    pair("pbvv", lambda x: sp.pbvv(1.5, x), NEAR),
    pair("pbwa", lambda x: sp.pbwa(0.5, x), Domain(-5.0, 5.0)),
    elementwise(
        "mathieu_cem", lambda x: sp.mathieu_cem(2, 1.5, x)[0], lambda x: np.pi / 180 * sp.mathieu_cem(2, 1.5, x)[1]
    ),
    elementwise(
        "mathieu_sem", lambda x: sp.mathieu_sem(3, 1.5, x)[0], lambda x: np.pi / 180 * sp.mathieu_sem(3, 1.5, x)[1]
    ),
    pair(
        "mathieu_modcem1",
        lambda x: sp.mathieu_modcem1(2, 1.5, x),
        Domain(0.0, 4.0),
    ),
    pair(
        "mathieu_modcem2",
        lambda x: sp.mathieu_modcem2(2, 1.5, x),
        Domain(0.0, 4.0),
    ),
    pair(
        "mathieu_modsem1",
        lambda x: sp.mathieu_modsem1(2, 1.5, x),
        Domain(0.0, 4.0),
    ),
    pair(
        "mathieu_modsem2",
        lambda x: sp.mathieu_modsem2(2, 1.5, x),
        Domain(0.0, 4.0),
    ),
    pair("pro_ang1", lambda x: sp.pro_ang1(1, 2, 0.8, x), SIGNED_UNIT),
    pair("obl_ang1", lambda x: sp.obl_ang1(1, 2, 0.8, x), SIGNED_UNIT),
    pair("pro_rad1", lambda x: sp.pro_rad1(1, 2, 0.8, x), ABOVE_ONE),
    pair("pro_rad2", lambda x: sp.pro_rad2(1, 2, 0.8, x), ABOVE_ONE),
    pair("obl_rad1", lambda x: sp.obl_rad1(1, 2, 0.8, x), POSITIVE),
    pair("obl_rad2", lambda x: sp.obl_rad2(1, 2, 0.8, x), POSITIVE),
]

LEGENDRE = [
    pair("legendre_p", lambda x: sp.legendre_p(4, x, diff_n=1), SIGNED_UNIT),
    elementwise(
        "legendre_p, second",
        lambda x: sp.legendre_p(4, x, diff_n=1)[1],
        lambda x: sp.legendre_p(4, x, diff_n=2)[2],
        SIGNED_UNIT,
    ),
    pair(
        "assoc_legendre_p",
        lambda x: sp.assoc_legendre_p(4, 2, x, diff_n=1),
        SIGNED_UNIT,
    ),
    elementwise(
        "assoc_legendre_p, m=-1, second",
        lambda x: sp.assoc_legendre_p(3, -1, x, diff_n=1)[1],
        lambda x: sp.assoc_legendre_p(3, -1, x, diff_n=2)[2],
        SIGNED_UNIT,
    ),
    pair(
        "assoc_legendre_p, norm",
        lambda x: sp.assoc_legendre_p(5, 1, x, norm=True, diff_n=1),
        SIGNED_UNIT,
    ),
    pair(
        "sph_legendre_p",
        lambda x: sp.sph_legendre_p(4, 2, x, diff_n=1),
        Domain(0.0, 3.0),
    ),
    elementwise(
        "sph_legendre_p, m=1, second",
        lambda x: sp.sph_legendre_p(3, 1, x, diff_n=1)[1],
        lambda x: sp.sph_legendre_p(3, 1, x, diff_n=2)[2],
        Domain(0.0, 3.0),
    ),
    elementwise(
        "sph_harm_y, theta",
        lambda x: sp.sph_harm_y(3, 2, x, 0.7).real,
        lambda x: np.moveaxis(sp.sph_harm_y(3, 2, x, 0.7, diff_n=1)[1].real, -1, 0)[0],
        Domain(0.0, 3.0),
    ),
    elementwise(
        "sph_harm_y, phi",
        lambda x: sp.sph_harm_y(3, 2, 0.7, x).imag,
        lambda x: np.moveaxis(sp.sph_harm_y(3, 2, 0.7, x, diff_n=1)[1].imag, -1, 0)[1],
    ),
    elementwise(
        "lqn",
        lambda x: np.array([sp.lqn(3, t)[0][-1] for t in x]),
        lambda x: np.array([sp.lqn(3, t)[1][-1] for t in x]),
        SIGNED_UNIT,
    ),
    elementwise(
        "lqn, beyond 1",
        lambda x: np.array([sp.lqn(3, t)[0][-1] for t in x]),
        lambda x: np.array([sp.lqn(3, t)[1][-1] for t in x]),
        ABOVE_ONE,
    ),
    elementwise(
        "lqmn",
        lambda x: np.array([sp.lqmn(1, 3, t)[0][1, 3] for t in x]),
        lambda x: np.array([sp.lqmn(1, 3, t)[1][1, 3] for t in x]),
        SIGNED_UNIT,
    ),
    elementwise(
        "lqmn, beyond 1",
        lambda x: np.array([sp.lqmn(1, 3, t)[0][1, 3] for t in x]),
        lambda x: np.array([sp.lqmn(1, 3, t)[1][1, 3] for t in x]),
        ABOVE_ONE,
    ),
    elementwise(
        "eval_jacobi",
        lambda x: sp.eval_jacobi(4, 0.5, 1.5, x),
        lambda x: 3.5 * sp.eval_jacobi(3, 1.5, 2.5, x),
        SIGNED_UNIT,
    ),
    elementwise("eval_chebyt", lambda x: sp.eval_chebyt(5, x), lambda x: 5 * sp.eval_chebyu(4, x), NEAR),
    elementwise(
        "eval_gegenbauer", lambda x: sp.eval_gegenbauer(4, 1.5, x), lambda x: 3 * sp.eval_gegenbauer(3, 2.5, x), NEAR
    ),
    elementwise("eval_hermite", lambda x: sp.eval_hermite(5, x), lambda x: 10 * sp.eval_hermite(4, x)),
    elementwise("eval_hermitenorm", lambda x: sp.eval_hermitenorm(5, x), lambda x: 5 * sp.eval_hermitenorm(4, x)),
    elementwise(
        "eval_genlaguerre", lambda x: sp.eval_genlaguerre(4, 0.5, x), lambda x: -sp.eval_genlaguerre(3, 1.5, x)
    ),
    elementwise(
        "eval_sh_legendre",
        lambda x: sp.eval_sh_legendre(4, x),
        lambda x: 2 * sp.legendre_p(4, 2 * x - 1, diff_n=1)[1],
        UNIT,
    ),
    elementwise("legendre(n).deriv", sp.legendre(6), sp.legendre(6).deriv(), SIGNED_UNIT),
    elementwise("hermite(n).deriv", sp.hermite(5), sp.hermite(5).deriv()),
]

GAMMA = [
    elementwise("gammaln", sp.gammaln, sp.psi, POSITIVE),
    elementwise("gammaln, negative", sp.gammaln, sp.psi, Domain(-5.0, 0.0)),
    elementwise("gamma", sp.gamma, lambda x: sp.gamma(x) * sp.psi(x), Domain(-5.0, 30.0)),
    elementwise("rgamma", sp.rgamma, lambda x: -sp.rgamma(x) * sp.psi(x), NEAR_POSITIVE),
    elementwise("polygamma", sp.psi, lambda x: sp.polygamma(1, x), POSITIVE),
    elementwise("polygamma, n=3", lambda x: sp.polygamma(2, x), lambda x: sp.polygamma(3, x), POSITIVE),
    holomorphic("loggamma", sp.loggamma, sp.psi),
    holomorphic("rgamma, complex", sp.rgamma, lambda z: -sp.rgamma(z) * sp.psi(z), POSITIVE),
    elementwise("zeta", lambda q: sp.zeta(2.5, q), lambda q: -2.5 * sp.zeta(3.5, q), POSITIVE),
    elementwise("betaln", lambda a: sp.betaln(a, 2.5), lambda a: sp.psi(a) - sp.psi(a + 2.5), POSITIVE),
    elementwise("beta", lambda a: sp.beta(a, 2.5), lambda a: sp.beta(a, 2.5) * (sp.psi(a) - sp.psi(a + 2.5)), POSITIVE),
    elementwise("binom", lambda n: sp.binom(n, 2.0), lambda n: n - 0.5),
    elementwise("poch", lambda x: sp.poch(x, 2.0), lambda x: 2 * x + 1),
    elementwise(
        "multigammaln",
        lambda a: np.array([sp.multigammaln(t, 3) for t in a]),
        lambda a: sp.psi(a) + sp.psi(a - 0.5) + sp.psi(a - 1),
        ABOVE_ONE,
    ),
    elementwise(
        "gammainc", lambda x: sp.gammainc(2.5, x), lambda x: np.exp(1.5 * np.log(x) - x - sp.gammaln(2.5)), POSITIVE
    ),
    elementwise(
        "gammaincc", lambda x: sp.gammaincc(2.5, x), lambda x: -np.exp(1.5 * np.log(x) - x - sp.gammaln(2.5)), POSITIVE
    ),
    elementwise(
        "gammaincinv",
        lambda y: sp.gammaincinv(2.5, y),
        lambda y: np.exp(sp.gammaincinv(2.5, y) - 1.5 * np.log(sp.gammaincinv(2.5, y)) + sp.gammaln(2.5)),
        UNIT,
    ),
    elementwise(
        "betainc", lambda x: sp.betainc(2.5, 1.5, x), lambda x: x**1.5 * (1 - x) ** 0.5 / sp.beta(2.5, 1.5), UNIT
    ),
    elementwise(
        "betaincc", lambda x: sp.betaincc(2.5, 1.5, x), lambda x: -(x**1.5) * (1 - x) ** 0.5 / sp.beta(2.5, 1.5), UNIT
    ),
    elementwise(
        "betaincinv",
        lambda y: sp.betaincinv(2.5, 1.5, y),
        lambda y: sp.beta(2.5, 1.5) / (sp.betaincinv(2.5, 1.5, y) ** 1.5 * (1 - sp.betaincinv(2.5, 1.5, y)) ** 0.5),
        UNIT,
    ),
]

ERROR_FUNCTIONS = [
    elementwise("erf", sp.erf, lambda x: 2 / ROOT_PI * np.exp(-(x**2))),
    elementwise("erfc", sp.erfc, lambda x: -2 / ROOT_PI * np.exp(-(x**2))),
    elementwise("erfcx", sp.erfcx, lambda x: 2 * x * sp.erfcx(x) - 2 / ROOT_PI, NEAR),
    elementwise("erfi", sp.erfi, lambda x: 2 / ROOT_PI * np.exp(x**2), NEAR),
    elementwise("erfinv", sp.erfinv, lambda y: ROOT_PI / 2 * np.exp(sp.erfinv(y) ** 2), SIGNED_UNIT),
    elementwise("erfcinv", sp.erfcinv, lambda y: -ROOT_PI / 2 * np.exp(sp.erfcinv(y) ** 2), Domain(0.0, 2.0)),
    elementwise("dawsn", sp.dawsn, lambda x: 1 - 2 * x * sp.dawsn(x), NEAR),
    holomorphic("wofz", sp.wofz, lambda z: 2j / ROOT_PI - 2 * z * sp.wofz(z)),
    elementwise("fresnel, S", lambda x: sp.fresnel(x)[0], lambda x: np.sin(np.pi * x**2 / 2), NEAR),
    elementwise("fresnel, C", lambda x: sp.fresnel(x)[1], lambda x: np.cos(np.pi * x**2 / 2), NEAR),
    elementwise("ndtr", sp.ndtr, gaussian),
    elementwise("ndtri", sp.ndtri, lambda y: 1 / gaussian(sp.ndtri(y)), UNIT),
    elementwise("log_ndtr", sp.log_ndtr, lambda x: np.sqrt(2 / np.pi) / sp.erfcx(-x / np.sqrt(2))),
    elementwise("ndtri_exp", sp.ndtri_exp, lambda y: np.exp(y) / gaussian(sp.ndtri_exp(y)), Domain(high=0.0)),
    elementwise("owens_t, h", lambda h: sp.owens_t(h, 0.7), lambda h: -gaussian(h) * sp.erf(0.7 * h / np.sqrt(2)) / 2),
    elementwise(
        "owens_t, a",
        lambda a: sp.owens_t(1.5, a),
        lambda a: np.exp(-(1.5**2) * (1 + a**2) / 2) / (2 * np.pi * (1 + a**2)),
    ),
    elementwise(
        "voigt_profile",
        lambda x: sp.voigt_profile(x, 1.2, 0.5),
        lambda x: -((x + 0.5j) / 1.2**2 * sp.wofz((x + 0.5j) / (1.2 * np.sqrt(2)))).real / (1.2 * np.sqrt(2 * np.pi)),
    ),
]

EXPONENTIALS = [
    elementwise("expit", sp.expit, lambda x: sp.expit(x) * sp.expit(-x)),
    elementwise("log_expit", sp.log_expit, lambda x: sp.expit(-x)),
    elementwise("logit", sp.logit, lambda p: 1 / (p * (1 - p)), UNIT),
    elementwise("exprel", sp.exprel, lambda x: np.exp(x) / x - np.expm1(x) / x**2, Domain(0.1, 20.0)),
    elementwise("expm1", sp.expm1, np.exp, NEAR),
    elementwise("log1p", sp.log1p, lambda x: 1 / (1 + x), Domain(-1.0)),
    elementwise("cosm1", sp.cosm1, lambda x: -np.sin(x)),
    elementwise("exp2", sp.exp2, lambda x: np.log(2) * np.exp2(x), NEAR),
    elementwise("exp10", sp.exp10, lambda x: np.log(10) * sp.exp10(x), NEAR),
    elementwise("cbrt", sp.cbrt, lambda x: 1 / (3 * sp.cbrt(x) ** 2)),
    elementwise("sindg", sp.sindg, lambda x: np.pi / 180 * sp.cosdg(x)),
    elementwise("cosdg", sp.cosdg, lambda x: -np.pi / 180 * sp.sindg(x)),
    elementwise("tandg", sp.tandg, lambda x: np.pi / 180 * (1 + sp.tandg(x) ** 2)),
    elementwise("xlogy", lambda x: sp.xlogy(2.0, x), lambda x: 2 / x, POSITIVE),
    elementwise("xlog1py", lambda x: sp.xlog1py(2.0, x), lambda x: 2 / (1 + x), Domain(-1.0)),
    elementwise("entr", sp.entr, lambda x: -np.log(x) - 1, POSITIVE),
    elementwise("rel_entr", lambda x: sp.rel_entr(x, 1.5), lambda x: np.log(x / 1.5) + 1, POSITIVE),
    elementwise("kl_div", lambda x: sp.kl_div(x, 1.5), lambda x: np.log(x / 1.5), POSITIVE),
    elementwise("huber", lambda x: sp.huber(1.5, x), lambda x: np.clip(x, -1.5, 1.5)),
    elementwise("pseudo_huber", lambda x: sp.pseudo_huber(1.5, x), lambda x: x / np.sqrt(1 + (x / 1.5) ** 2)),
    elementwise("boxcox", lambda x: sp.boxcox(x, 0.3), lambda x: x**-0.7, POSITIVE),
    elementwise("boxcox1p", lambda x: sp.boxcox1p(x, 0.3), lambda x: (1 + x) ** -0.7, Domain(-1.0)),
    elementwise("inv_boxcox", lambda y: sp.inv_boxcox(y, 0.3), lambda y: (1 + 0.3 * y) ** (0.7 / 0.3), POSITIVE),
    elementwise("inv_boxcox1p", lambda y: sp.inv_boxcox1p(y, 0.3), lambda y: (1 + 0.3 * y) ** (0.7 / 0.3), POSITIVE),
    elementwise("expi", sp.expi, lambda x: np.exp(x) / x, NEAR),
    elementwise("exp1", sp.exp1, lambda x: -np.exp(-x) / x, POSITIVE),
    elementwise("expn", lambda x: sp.expn(3, x), lambda x: -sp.expn(2, x), POSITIVE),
    elementwise("sici, Si", lambda x: sp.sici(x)[0], lambda x: np.sinc(x / np.pi)),
    elementwise("sici, Ci", lambda x: sp.sici(x)[1], lambda x: np.cos(x) / x, POSITIVE),
    elementwise("shichi", lambda x: sp.shichi(x)[0], lambda x: np.sinh(x) / x, NEAR_POSITIVE),
    elementwise("spence", sp.spence, lambda x: np.log(x) / (1 - x), Domain(0.0, special=(2.0, 0.5, 3.0))),
    elementwise(
        "lambertw", lambda x: sp.lambertw(x).real, lambda x: 1 / (x + np.exp(sp.lambertw(x).real)), Domain(-1 / np.e)
    ),
    elementwise("wrightomega", sp.wrightomega, lambda x: sp.wrightomega(x) / (1 + sp.wrightomega(x))),
    elementwise("diric", lambda x: sp.diric(x, 5), lambda x: -0.8 * np.sin(2 * x) - 0.4 * np.sin(x)),
    jacobian("softmax", sp.softmax, lambda x: np.diag(sp.softmax(x)) - np.outer(sp.softmax(x), sp.softmax(x)), REAL),
    jacobian("log_softmax", sp.log_softmax, lambda x: np.eye(4) - sp.softmax(x), REAL),
    jacobian("logsumexp", sp.logsumexp, sp.softmax, REAL),
]

ELLIPTIC = [
    elementwise(
        "ellipk",
        sp.ellipk,
        lambda m: (sp.ellipe(m) / (1 - m) - sp.ellipk(m)) / (2 * m),
        Domain(-30.0, 1.0, special=(0.5, -1.0, -2.0)),
    ),
    elementwise(
        "ellipkm1", sp.ellipkm1, lambda p: -(sp.ellipe(1 - p) / p - sp.ellipkm1(p)) / (2 * (1 - p)), Domain(0.0, 0.9)
    ),
    elementwise(
        "ellipe",
        sp.ellipe,
        lambda m: (sp.ellipe(m) - sp.ellipk(m)) / (2 * m),
        Domain(-30.0, 1.0, special=(0.5, -1.0, -2.0)),
    ),
    elementwise("ellipkinc", lambda phi: sp.ellipkinc(phi, 0.7), lambda phi: (1 - 0.7 * np.sin(phi) ** 2) ** -0.5),
    elementwise(
        "ellipkinc, m < 0", lambda phi: sp.ellipkinc(phi, -3.0), lambda phi: (1 + 3 * np.sin(phi) ** 2) ** -0.5
    ),
    elementwise("ellipeinc", lambda phi: sp.ellipeinc(phi, 0.7), lambda phi: (1 - 0.7 * np.sin(phi) ** 2) ** 0.5),
    elementwise("ellipj, sn", lambda u: sp.ellipj(u, 0.7)[0], lambda u: sp.ellipj(u, 0.7)[1] * sp.ellipj(u, 0.7)[2]),
    elementwise(
        "ellipj, dn", lambda u: sp.ellipj(u, 0.7)[2], lambda u: -0.7 * sp.ellipj(u, 0.7)[0] * sp.ellipj(u, 0.7)[1]
    ),
    elementwise("ellipj, ph", lambda u: sp.ellipj(u, 0.7)[3], lambda u: sp.ellipj(u, 0.7)[2]),
    elementwise("elliprf", lambda x: sp.elliprf(x, 1.0, 2.0), lambda x: -sp.elliprd(1.0, 2.0, x) / 6, POSITIVE),
    elementwise(
        "elliprg",
        lambda x: sp.elliprg(x, 1.0, 2.0),
        lambda x: (sp.elliprf(x, 1.0, 2.0) - x * sp.elliprd(1.0, 2.0, x) / 3) / 4,
        POSITIVE,
    ),
    elementwise(
        "elliprc",
        lambda x: sp.elliprc(x, 1.5),
        lambda x: (sp.elliprc(x, 1.5) - 1 / np.sqrt(x)) / (2 * (1.5 - x)),
        POSITIVE,
    ),
    elementwise(
        "agm",
        lambda x: sp.agm(x, 1.0),
        lambda x: sp.agm(x, 1.0) / x / (1 - x**2) * (2 / np.pi * sp.agm(x, 1.0) * sp.ellipe(1 - x**2) - x**2),
        Domain(0.0, 0.9),
    ),
]

HYPERGEOMETRIC = [
    elementwise("hyp0f1", lambda x: sp.hyp0f1(1.5, x), lambda x: sp.hyp0f1(2.5, x) / 1.5),
    elementwise("hyp1f1", lambda x: sp.hyp1f1(0.5, 1.5, x), lambda x: sp.hyp1f1(1.5, 2.5, x) / 3, NEAR),
    elementwise("hyp1f1, b < 0", lambda x: sp.hyp1f1(0.5, -1.5, x), lambda x: -sp.hyp1f1(1.5, -0.5, x) / 3, NEAR),
    elementwise(
        "hyp2f1", lambda x: sp.hyp2f1(0.5, 1.2, 2.5, x), lambda x: 0.24 * sp.hyp2f1(1.5, 2.2, 3.5, x), BELOW_ONE
    ),
    elementwise(
        "hyp2f1, integers", lambda x: sp.hyp2f1(1, 2, 3, x), lambda x: 2 / 3 * sp.hyp2f1(2, 3, 4, x), BELOW_ONE
    ),
    elementwise(
        "hyp2f1, c < 0",
        lambda x: sp.hyp2f1(0.5, 1.2, -2.5, x),
        lambda x: -0.24 * sp.hyp2f1(1.5, 2.2, -1.5, x),
        SIGNED_UNIT,
    ),
    elementwise("hyperu", lambda x: sp.hyperu(0.5, 1.5, x), lambda x: -0.5 * sp.hyperu(1.5, 2.5, x), POSITIVE),
    elementwise("hyperu, integers", lambda x: sp.hyperu(2, 3, x), lambda x: -2 * sp.hyperu(3, 4, x), POSITIVE),
]

CASES = [
    Case(f"scipy.special.{case.name}", case.check)
    for case in [*BESSEL, *AIRY, *LEGENDRE, *GAMMA, *ERROR_FUNCTIONS, *EXPONENTIALS, *ELLIPTIC, *HYPERGEOMETRIC]
]
SEVEN_DIGITS = Judged("accuracy", "the integrals of specfun have seven to ten correct digits.")
JUDGED = {
    "scipy.special.pbvv": Judged("finding", "wrong values for x < 0."),
    "scipy.special.obl_rad2": Judged("finding", "the Wronskian with obl_rad1 is not 1 / (c (x**2 + 1))."),
    "scipy.special.itstruve0, edge": Judged("finding", "wrong values for x > 30."),
    "scipy.special.itairy": SEVEN_DIGITS,
    "scipy.special.iti0k0": SEVEN_DIGITS,
    "scipy.special.itmodstruve0": SEVEN_DIGITS,
    "scipy.special.beip": Judged("accuracy", "bei has ten correct digits beyond 10, where it is an asymptotic series."),
}
