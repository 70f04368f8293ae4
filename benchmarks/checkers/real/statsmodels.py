"""statsmodels: likelihoods with score and hessian, and the functions that have a method for their derivative."""

import numpy as np
import statsmodels.api as sm
from scipy.stats import logistic
from statsmodels.base import _penalties as penalties
from statsmodels.discrete import conditional_models, count_model, discrete_model, truncated_model
from statsmodels.distributions.copula import depfunc_ev, transforms
from statsmodels.distributions.edgeworth import ExpandedNormal
from statsmodels.genmod.families import links, varfuncs
from statsmodels.multivariate.factor_rotation import _gpa_rotation as rotation
from statsmodels.othermod.betareg import BetaModel
from statsmodels.robust import norms

from benchmarks.checkers.real.case import POSITIVE, REAL, UNIT, Case, Domain, Judged, elementwise, gradient
from tinygrad_edu.testing import check_gradient

SMALL = Domain(-1.0, 1.0)  # coefficients of a model
POSITIVE_PART = Domain(0.05, 2.0)
RNG = np.random.default_rng(0)
X = np.column_stack([np.ones(40), RNG.standard_normal((40, 2))])
COUNTS = RNG.poisson(np.exp(0.3 + 0.4 * X[:, 1]))
BINARY = (X[:, 1] + RNG.standard_normal(40) > 0).astype(int)
CLASSES = RNG.integers(0, 3, 40)
Y = X @ [0.5, 1.0, -1.0] + RNG.standard_normal(40)
SHARES = RNG.uniform(0.1, 0.9, 40)
GROUPS = np.repeat(np.arange(10), 4)


def log_likelihood(name, model, *domains, hessian=True, observed=False):
    """Check score, hessian and score_obs of a model, at parameters drawn from the domains in this order."""

    def draw(rng, kind):
        return np.concatenate([domain.draw(rng, kind) for domain in domains])

    rows = [
        Case(
            f"{name}.score",
            lambda rng, kind: check_gradient(model.loglike, lambda params: model.score(params), draw(rng, kind)),
        )
    ]
    if hessian:
        rows.append(
            Case(
                f"{name}.hessian",
                lambda rng, kind: check_gradient(model.score, None, draw(rng, kind), jacobian=model.hessian),
            )
        )
    if observed:
        rows.append(
            Case(
                f"{name}.score_obs",
                lambda rng, kind: check_gradient(model.loglikeobs, None, draw(rng, kind), jacobian=model.score_obs),
            )
        )
    return rows


def link(name, f, means, predictors=REAL):
    """Check the four derivatives of a link function, at means and at linear predictors."""
    return [
        elementwise(f"families.links.{name}.deriv", f, f.deriv, means),
        elementwise(f"families.links.{name}.deriv2", f.deriv, f.deriv2, means),
        elementwise(f"families.links.{name}.inverse_deriv", f.inverse, f.inverse_deriv, predictors),
        elementwise(f"families.links.{name}.inverse_deriv2", f.inverse_deriv, f.inverse_deriv2, predictors),
    ]


def generator(name, f, theta):
    """Check the derivatives of the generator of an Archimedean copula."""
    name = f"copula.transforms.{name}"
    return [
        elementwise(f"{name}.deriv", lambda t: f.evaluate(t, theta), lambda t: f.deriv(t, theta), UNIT),
        elementwise(f"{name}.deriv2", lambda t: f.deriv(t, theta), lambda t: f.deriv2(t, theta), UNIT),
        elementwise(
            f"{name}.deriv2, of inverse'",
            lambda p: 1 / f.deriv(f.inverse(p, theta), theta),
            lambda p: f.deriv2_inverse(p, theta),
            POSITIVE,
        ),
        elementwise(
            f"{name}.deriv3_inverse",
            lambda p: f.deriv2_inverse(p, theta),
            lambda p: f.deriv3_inverse(p, theta),
            POSITIVE,
        ),
        elementwise(
            f"{name}.deriv4_inverse",
            lambda p: f.deriv3_inverse(p, theta),
            lambda p: f.deriv4_inverse(p, theta),
            POSITIVE,
        ),
    ]


def dependence(name, f, *parameters):
    """Check the derivatives of a dependence function of extreme value copulas."""
    name = f"copula.depfunc_ev.{name}"
    return [
        elementwise(f"{name}.deriv", lambda t: f.evaluate(t, *parameters), lambda t: f.deriv(t, *parameters), UNIT),
        elementwise(f"{name}.deriv2", lambda t: f.deriv(t, *parameters), lambda t: f.deriv2(t, *parameters), UNIT),
    ]


def norm(f, name=""):
    """Check the derivatives of a norm for robust regression."""
    name = f"robust.norms.{name or type(f).__name__}"
    return [
        elementwise(f"{name}.psi", f.rho, f.psi),
        elementwise(f"{name}.psi_deriv", f.psi, f.psi_deriv),
        elementwise(f"{name}.weights", f.rho, lambda z: z * f.weights(z)),
    ]


def penalty(f, name=""):
    """Check the gradient and the diagonal Hessian of a penalty."""
    name = f"base._penalties.{name or type(f).__name__}"
    return [gradient(f"{name}.deriv", f.func, f.deriv, REAL), elementwise(f"{name}.deriv2", f.deriv, f.deriv2)]


DISCRETE = [
    *log_likelihood("Logit", sm.Logit(BINARY, X), SMALL[3], observed=True),
    *log_likelihood("Probit", sm.Probit(BINARY, X), SMALL[3], observed=True),
    *log_likelihood("Poisson", sm.Poisson(COUNTS, X), SMALL[3], observed=True),
    *log_likelihood("Poisson, offset and exposure", sm.Poisson(COUNTS, X, offset=X[:, 2], exposure=SHARES), SMALL[3]),
    *log_likelihood("MNLogit", sm.MNLogit(CLASSES, X), SMALL[6]),
    *log_likelihood("NegativeBinomial, nb2", sm.NegativeBinomial(COUNTS, X), SMALL[3], POSITIVE_PART[1], observed=True),
    *log_likelihood("NegativeBinomial, nb1", sm.NegativeBinomial(COUNTS, X, "nb1"), SMALL[3], POSITIVE_PART[1]),
    *log_likelihood("NegativeBinomial, geometric", sm.NegativeBinomial(COUNTS, X, "geometric"), SMALL[3]),
    *log_likelihood(
        "NegativeBinomialP", discrete_model.NegativeBinomialP(COUNTS, X, p=2), SMALL[3], POSITIVE_PART[1], observed=True
    ),
    *log_likelihood(
        "NegativeBinomialP, p=1", discrete_model.NegativeBinomialP(COUNTS, X, p=1), SMALL[3], POSITIVE_PART[1]
    ),
    *log_likelihood(
        "GeneralizedPoisson", discrete_model.GeneralizedPoisson(COUNTS, X), SMALL[3], POSITIVE_PART[1], observed=True
    ),
    *log_likelihood(
        "GeneralizedPoisson, p=2", discrete_model.GeneralizedPoisson(COUNTS, X, p=2), SMALL[3], POSITIVE_PART[1]
    ),
    *log_likelihood(
        "ZeroInflatedPoisson", count_model.ZeroInflatedPoisson(COUNTS, X, X[:, :2]), SMALL[5], observed=True
    ),
    *log_likelihood(
        "ZeroInflatedPoisson, probit",
        count_model.ZeroInflatedPoisson(COUNTS, X, inflation="probit"),
        SMALL[4],
        hessian=False,
    ),
    *log_likelihood(
        "ZeroInflatedGeneralizedPoisson",
        count_model.ZeroInflatedGeneralizedPoisson(COUNTS, X),
        SMALL[4],
        POSITIVE_PART[1],
        hessian=False,
    ),
    *log_likelihood(
        "ZeroInflatedNegativeBinomialP",
        count_model.ZeroInflatedNegativeBinomialP(COUNTS, X),
        SMALL[4],
        POSITIVE_PART[1],
        hessian=False,
    ),
    *log_likelihood(
        "TruncatedLFPoisson", truncated_model.TruncatedLFPoisson(COUNTS[COUNTS > 0], X[COUNTS > 0]), SMALL[3]
    ),
    *log_likelihood(
        "TruncatedLFNegativeBinomialP",
        truncated_model.TruncatedLFNegativeBinomialP(COUNTS[COUNTS > 0], X[COUNTS > 0]),
        SMALL[3],
        POSITIVE_PART[1],
        hessian=False,
    ),
    *log_likelihood(
        "ConditionalLogit",
        conditional_models.ConditionalLogit(BINARY, X[:, 1:], groups=GROUPS),
        SMALL[2],
        hessian=False,
    ),
    *log_likelihood(
        "ConditionalPoisson",
        conditional_models.ConditionalPoisson(COUNTS, X[:, 1:], groups=GROUPS),
        SMALL[2],
        hessian=False,
    ),
    *log_likelihood(
        "ConditionalMNLogit",
        conditional_models.ConditionalMNLogit(CLASSES, X[:, 1:], groups=GROUPS),
        SMALL[4],
        hessian=False,
    ),
]

MODELS = [
    *log_likelihood("BetaModel", BetaModel(SHARES, X), SMALL[4], observed=True),
    *log_likelihood("PHReg, breslow", sm.PHReg(np.abs(Y).round(1), X[:, 1:], BINARY), SMALL[2]),
    *log_likelihood("PHReg, efron", sm.PHReg(np.abs(Y).round(1), X[:, 1:], BINARY, ties="efron"), SMALL[2]),
    *log_likelihood("GLM, Poisson", sm.GLM(COUNTS, X, sm.families.Poisson()), SMALL[3]),
    *log_likelihood("GLM, Binomial, cloglog", sm.GLM(BINARY, X, sm.families.Binomial(links.CLogLog())), SMALL[3]),
    *log_likelihood("GLM, Binomial, probit", sm.GLM(BINARY, X, sm.families.Binomial(links.Probit())), SMALL[3]),
    *log_likelihood("GLM, NegativeBinomial", sm.GLM(COUNTS, X, sm.families.NegativeBinomial(alpha=0.7)), SMALL[3]),
]

LINKS = [
    *link("Logit", links.Logit(), UNIT),
    *link("Probit", links.Probit(), UNIT, Domain(-8.0, 8.0)),
    *link("Cauchy", links.Cauchy(), UNIT),
    *link("CLogLog", links.CLogLog(), UNIT, Domain(-10.0, 3.0)),
    *link("LogLog", links.LogLog(), UNIT, Domain(-3.0, 10.0)),
    *link("LogC", links.LogC(), UNIT, Domain(high=0.0)),
    *link("Log", links.Log(), POSITIVE, Domain(-20.0, 20.0)),
    *link("Identity", links.Identity(), REAL),
    *link("Sqrt", links.Sqrt(), POSITIVE, POSITIVE),
    *link("InversePower", links.InversePower(), POSITIVE, POSITIVE),
    *link("InverseSquared", links.InverseSquared(), POSITIVE, POSITIVE),
    *link("Power(1.5)", links.Power(1.5), POSITIVE, POSITIVE),
    *link("NegativeBinomial", links.NegativeBinomial(0.7), POSITIVE, Domain(high=0.0)),
    *link("CDFLink(logistic)", links.CDFLink(logistic), UNIT),
    *[
        elementwise(f"families.varfuncs.{name}.deriv", f, f.deriv, domain)
        for name, f, domain in [
            ("constant", varfuncs.constant, REAL),
            ("mu", varfuncs.mu, POSITIVE),
            ("mu_squared", varfuncs.mu_squared, POSITIVE),
            ("mu_cubed", varfuncs.mu_cubed, POSITIVE),
            ("Power(1.5)", varfuncs.Power(1.5), POSITIVE),
            ("binary", varfuncs.binary, UNIT),
            ("nbinom", varfuncs.NegativeBinomial(0.7), POSITIVE),
        ]
    ],
]

COPULAS = [
    *generator("TransfFrank", transforms.TransfFrank(), 2.0),
    *generator("TransfClayton", transforms.TransfClayton(), 1.5),
    *generator("TransfGumbel", transforms.TransfGumbel(), 2.5),
    *generator("TransfIndep", transforms.TransfIndep(), 0.0)[:3],
    elementwise(
        "copula.transforms.TransfClayton.deriv_inverse",
        lambda p: transforms.TransfClayton().inverse(p, 1.5),
        lambda p: transforms.TransfClayton().deriv_inverse(p, 1.5),
        POSITIVE,
    ),
    *dependence("AsymLogistic", depfunc_ev.AsymLogistic(), 0.9, 0.6, 0.5),
    *dependence("AsymNegLogistic", depfunc_ev.AsymNegLogistic(), 0.9, 0.6, 0.8),
    *dependence("AsymMixed", depfunc_ev.AsymMixed(), 0.5, 0.2),
    *dependence("HR", depfunc_ev.HR(), 0.8),
    elementwise(
        "distributions.ExpandedNormal.pdf",
        ExpandedNormal([0.3, 1.2, 0.1, 0.2]).cdf,
        ExpandedNormal([0.3, 1.2, 0.1, 0.2]).pdf,
        Domain(-5.0, 5.0),
    ),
]

ROBUST = [
    *norm(norms.LeastSquares()),
    *norm(norms.HuberT()),
    *norm(norms.RamsayE()),
    *norm(norms.AndrewWave()),
    *norm(norms.TrimmedMean()),
    *norm(norms.Hampel()),
    *norm(norms.TukeyBiweight()),
    *norm(norms.TukeyQuartic()),
    *norm(norms.StudentT()),
    *norm(norms.MQuantileNorm(0.3, norms.HuberT())),
    *penalty(penalties.L2()),
    *penalty(penalties.PseudoHuber(0.7)),
    *penalty(penalties.SCAD(0.8)),
    *penalty(penalties.SCADSmoothed(0.8)),
    *[
        Case(
            f"multivariate.factor_rotation.{name}",
            lambda rng, kind, f=f: check_gradient(lambda L: f(L)[0], lambda L: f(L)[1], REAL[5, 2].draw(rng, kind)),
        )
        for name, f in [
            ("orthomax_objective", lambda L: rotation.orthomax_objective(L=L, gamma=0.5)),
            ("oblimin_objective", lambda L: rotation.oblimin_objective(L=L, gamma=0.5, rotation_method="oblique")),
            ("CF_objective", lambda L: rotation.CF_objective(L=L, kappa=0.3)),
            ("vgQ_target", lambda L: rotation.vgQ_target(X[:5, 1:], L=L)),
            ("vgQ_partial_target", lambda L: rotation.vgQ_partial_target(X[:5, 1:], np.eye(5, 2), L=L)),
        ]
    ],
]

CASES = [Case(f"statsmodels.{case.name}", case.check) for case in [*DISCRETE, *MODELS, *LINKS, *COPULAS, *ROBUST]]
DIFFERENCES = Judged("accuracy", "statsmodels uses finite differences.")
CLIPPED = Judged("convention", "the link clips probabilities at 2.2e-16.")
JUDGED = {
    "statsmodels.NegativeBinomial, nb2.hessian": Judged("finding", "the hessian is by alpha, the score by log(alpha)."),
    "statsmodels.NegativeBinomial, nb1.hessian": Judged("finding", "the hessian is by alpha, the score by log(alpha)."),
    "statsmodels.ZeroInflatedPoisson.hessian": Judged("finding", "the block of both kinds of parameters is zero."),
    "statsmodels.ZeroInflatedPoisson, probit.score": DIFFERENCES,
    "statsmodels.TruncatedLFPoisson.hessian": DIFFERENCES,
    "statsmodels.families.links.CDFLink(logistic).inverse_deriv2": DIFFERENCES,
    "statsmodels.GLM, Binomial, cloglog.hessian, edge": CLIPPED,
    "statsmodels.families.links.CLogLog.inverse_deriv2, edge": CLIPPED,
    "statsmodels.families.links.Logit.inverse_deriv2, edge": Judged("finding", "-inf for z > 37."),
    "statsmodels.copula.transforms.TransfFrank.deriv": Judged("finding", "the sign."),
    "statsmodels.copula.transforms.TransfFrank.deriv2, of inverse'": Judged("finding", "the sign of deriv."),
    "statsmodels.copula.transforms.TransfGumbel.deriv2": Judged("finding", "it is nan."),
}
