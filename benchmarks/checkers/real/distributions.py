"""torch.distributions: densities, cdfs, moments, samples, divergences and transforms."""

import torch

from benchmarks.checkers.real.case import POSITIVE, REAL, UNIT, Case, Domain, Judged
from benchmarks.checkers.real.case import torch as row

D = torch.distributions
D.Distribution.set_default_validate_args(False)  # which vmap cannot trace
NEAR = Domain(-20.0, 20.0)
NEAR_POSITIVE = Domain(0.0, 20.0)
SMALL = Domain(-3.0, 3.0)
SCALE = Domain(0.1, 10.0)
ABOVE_ONE = Domain(1.0)
MATRIX = SMALL[3, 3]
COUNTS = torch.arange(4.0)
BITS = torch.tensor([1.0, 0, 1, 0])
LABELS = torch.tensor([0, 2, 1, 2])


def positive(a):
    return a @ a.mT + torch.eye(len(a)).to(a)


def lower(a):
    return a.tril(-1) + torch.diag_embed(a.diagonal().exp())


def simplex(x):
    return x.softmax(-1)


def lower_correlation(a):
    return torch.nn.functional.normalize(lower(a), dim=1)


def correlation(a):
    return D.CorrCholeskyTransform()(a)


def seeded(distribution, *parameters):
    """Return a sample that has gradients; the checker sets the seed."""
    torch.manual_seed(3)
    return distribution(*parameters).rsample()


CONTINUOUS = [  # distribution, domain of its values, domains of its parameters
    (D.Beta, UNIT, POSITIVE, POSITIVE),
    (D.Cauchy, REAL, REAL, POSITIVE),
    (D.Chi2, POSITIVE, POSITIVE),
    (D.ContinuousBernoulli, UNIT, UNIT),
    (D.Exponential, POSITIVE, POSITIVE),
    (D.FisherSnedecor, POSITIVE, POSITIVE, POSITIVE),
    (D.Gamma, POSITIVE, POSITIVE, POSITIVE),
    (D.GeneralizedPareto, Domain(3.0, special=(4.0, 6.5)), SMALL, POSITIVE, POSITIVE),
    (D.Gumbel, SMALL, SMALL, SCALE),
    (D.HalfCauchy, POSITIVE, POSITIVE),
    (D.HalfNormal, POSITIVE, SCALE),
    (D.InverseGamma, POSITIVE, POSITIVE, POSITIVE),
    (D.Kumaraswamy, UNIT, SCALE, SCALE),
    (D.Laplace, REAL, REAL, POSITIVE),
    (D.LogNormal, POSITIVE, REAL, SCALE),
    (D.Normal, REAL, REAL, SCALE),
    (D.Pareto, Domain(10.0, special=(11.0, 20.0)), SCALE, SCALE),
    (D.StudentT, REAL, POSITIVE, REAL, POSITIVE),
    (D.Uniform, SMALL, Domain(-9.0, -3.0), Domain(3.0, 9.0)),
    (D.VonMises, SMALL, SMALL, NEAR_POSITIVE),
    (D.Weibull, POSITIVE, SCALE, SCALE),
]

DENSITIES = [
    *[row(f"{f.__name__}.log_prob", lambda x, *p, f=f: f(*p).log_prob(x), *domains) for f, *domains in CONTINUOUS],
    *[
        row(f"{name}.log_prob", f, *domains)
        for name, f, *domains in [
            ("Bernoulli", lambda p: D.Bernoulli(p).log_prob(BITS.to(p)), UNIT),
            ("Bernoulli, logits", lambda p: D.Bernoulli(logits=p).log_prob(BITS.to(p)), REAL),
            ("Binomial", lambda p: D.Binomial(5, p).log_prob(COUNTS.to(p)), UNIT),
            ("Binomial, logits", lambda p: D.Binomial(5, logits=p).log_prob(COUNTS.to(p)), REAL),
            ("Categorical", lambda p: D.Categorical(p).log_prob(LABELS), UNIT[4, 3]),
            ("Categorical, logits", lambda p: D.Categorical(logits=p).log_prob(LABELS), REAL[4, 3]),
            ("ContinuousBernoulli, logits", lambda x, p: D.ContinuousBernoulli(logits=p).log_prob(x), UNIT, NEAR),
            ("Dirichlet", lambda x, a: D.Dirichlet(a).log_prob(simplex(x)), SMALL, POSITIVE),
            ("Geometric", lambda p: D.Geometric(p).log_prob(COUNTS.to(p)), UNIT),
            ("Geometric, logits", lambda p: D.Geometric(logits=p).log_prob(COUNTS.to(p)), NEAR),
            (
                "Independent",
                lambda x, m, s: D.Independent(D.Normal(m, s), 1).log_prob(x),
                SMALL[2, 3],
                SMALL[2, 3],
                SCALE[2, 3],
            ),
            ("LKJCholesky", lambda a, c: D.LKJCholesky(3, c).log_prob(correlation(a)), SMALL[3], POSITIVE[()]),
            ("LogisticNormal", lambda x, m, s: D.LogisticNormal(m, s).log_prob(simplex(x)), SMALL, SMALL[3], SCALE[3]),
            (
                "LowRankMultivariateNormal",
                lambda x, m, w, d: D.LowRankMultivariateNormal(m, w, d).log_prob(x),
                SMALL[3],
                SMALL[3],
                SMALL[3, 1],
                SCALE[3],
            ),
            (
                "MixtureSameFamily",
                lambda x, w, m, s: D.MixtureSameFamily(D.Categorical(logits=w), D.Normal(m, s)).log_prob(x),
                SMALL,
                SMALL[3],
                SMALL[3],
                SCALE[3],
            ),
            ("Multinomial", lambda p: D.Multinomial(6, p).log_prob(COUNTS.to(p)), UNIT),
            ("Multinomial, logits", lambda p: D.Multinomial(6, logits=p).log_prob(COUNTS.to(p)), NEAR),
            (
                "MultivariateNormal",
                lambda x, m, a: D.MultivariateNormal(m, positive(a)).log_prob(x),
                SMALL[2, 3],
                SMALL[3],
                MATRIX,
            ),
            (
                "MultivariateNormal, precision",
                lambda x, m, a: D.MultivariateNormal(m, precision_matrix=positive(a)).log_prob(x),
                SMALL[3],
                SMALL[3],
                MATRIX,
            ),
            (
                "MultivariateNormal, scale_tril",
                lambda x, m, a: D.MultivariateNormal(m, scale_tril=lower(a)).log_prob(x),
                SMALL[3],
                SMALL[3],
                MATRIX,
            ),
            ("NegativeBinomial", lambda r, p: D.NegativeBinomial(r, p).log_prob(COUNTS.to(p)), POSITIVE, UNIT),
            (
                "NegativeBinomial, logits",
                lambda r, p: D.NegativeBinomial(r, logits=p).log_prob(COUNTS.to(p)),
                POSITIVE,
                NEAR,
            ),
            ("OneHotCategorical", lambda p: D.OneHotCategorical(p).log_prob(BITS[1:].to(p)), UNIT[3]),
            ("Poisson", lambda p: D.Poisson(p).log_prob(COUNTS.to(p)), POSITIVE),
            ("RelaxedBernoulli", lambda x, t, p: D.RelaxedBernoulli(t, p).log_prob(x), UNIT, SCALE[()], UNIT),
            (
                "RelaxedBernoulli, logits",
                lambda x, t, p: D.RelaxedBernoulli(t, logits=p).log_prob(x),
                UNIT,
                SCALE[()],
                NEAR,
            ),
            (
                "RelaxedOneHotCategorical",
                lambda x, t, p: D.RelaxedOneHotCategorical(t, p).log_prob(simplex(x)),
                SMALL[3],
                SCALE[()],
                UNIT[3],
            ),
            (
                "TransformedDistribution",
                lambda x, m, s: D.TransformedDistribution(
                    D.Normal(m, s), [D.SigmoidTransform(), D.AffineTransform(1.0, 2.0)]
                ).log_prob(x),
                Domain(1.0, 3.0),
                SMALL,
                SCALE,
            ),
            (
                "Wishart",
                lambda x, v, a: D.Wishart(v, positive(a)).log_prob(positive(x)),
                MATRIX,
                Domain(3.0, 20.0)[()],
                MATRIX,
            ),
            (
                "Wishart, scale_tril",
                lambda x, v, a: D.Wishart(v, scale_tril=lower(a)).log_prob(positive(x)),
                MATRIX,
                Domain(3.0, 20.0)[()],
                MATRIX,
            ),
        ]
    ],
]

CDFS = [
    *[
        row(f"{f.__name__}.cdf", lambda x, *p, f=f: f(*p).cdf(x), *domains)
        for f, *domains in CONTINUOUS
        if f not in (D.Beta, D.Chi2, D.FisherSnedecor, D.Gamma, D.InverseGamma, D.StudentT, D.VonMises)
    ],
    row("Gamma.cdf", lambda x, r: D.Gamma(torch.full_like(r, 2.5), r).cdf(x), POSITIVE, POSITIVE),
    row("Chi2.cdf", lambda x: D.Chi2(torch.full_like(x, 2.5)).cdf(x), POSITIVE),
    row("InverseGamma.cdf", lambda x, r: D.InverseGamma(torch.full_like(r, 2.5), r).cdf(x), POSITIVE, POSITIVE),
    row(
        "MixtureSameFamily.cdf",
        lambda x, w, m, s: D.MixtureSameFamily(D.Categorical(logits=w), D.Normal(m, s)).cdf(x),
        SMALL,
        SMALL[3],
        SMALL[3],
        SCALE[3],
    ),
    *[
        row(f"{f.__name__}.icdf", lambda x, *p, f=f: f(*p).icdf(x), UNIT, *domains[1:])
        for f, *domains in CONTINUOUS
        if f
        in (
            D.Cauchy,
            D.ContinuousBernoulli,
            D.Exponential,
            D.GeneralizedPareto,
            D.Gumbel,
            D.HalfCauchy,
            D.HalfNormal,
            D.Kumaraswamy,
            D.Laplace,
            D.LogNormal,
            D.Normal,
            D.Pareto,
            D.Uniform,
            D.Weibull,
        )
    ],
]


def moments(distribution):
    return distribution.mean, distribution.variance


HIGH = {  # where the moments are finite
    D.FisherSnedecor: (POSITIVE, Domain(4.1, special=(5.0, 7.5))),
    D.GeneralizedPareto: (SMALL, POSITIVE, Domain(-3.0, 0.45)),
    D.InverseGamma: (Domain(2.1), POSITIVE),
    D.Pareto: (SCALE, Domain(2.1)),
    D.StudentT: (Domain(2.1), REAL, POSITIVE),
}
MOMENTS = [
    *[
        row(f"{f.__name__}, moments", lambda *p, f=f: moments(f(*p)), *HIGH.get(f, domains))
        for f, _, *domains in CONTINUOUS
        if f not in (D.Cauchy, D.HalfCauchy)
    ],
    *[
        row(f"{f.__name__}.entropy", lambda *p, f=f: f(*p).entropy(), *domains)
        for f, _, *domains in CONTINUOUS
        if f not in (D.FisherSnedecor, D.VonMises)
    ],
    *[
        row(name, f, *domains)
        for name, f, *domains in [
            ("Bernoulli.entropy", lambda p: D.Bernoulli(p).entropy(), UNIT),
            ("Bernoulli.entropy, logits", lambda p: D.Bernoulli(logits=p).entropy(), NEAR),
            ("Bernoulli, moments", lambda p: moments(D.Bernoulli(logits=p)), NEAR),
            ("Binomial, moments", lambda p: moments(D.Binomial(5, logits=p)), NEAR),
            ("Binomial.entropy", lambda p: D.Binomial(5, p).entropy(), UNIT[1]),
            ("Categorical.entropy", lambda p: D.Categorical(p).entropy(), UNIT[2, 3]),
            ("Categorical.entropy, logits", lambda p: D.Categorical(logits=p).entropy(), SMALL[2, 3]),
            ("Dirichlet.entropy", lambda a: D.Dirichlet(a).entropy(), POSITIVE),
            ("Dirichlet, moments", lambda a: moments(D.Dirichlet(a)), POSITIVE),
            ("Geometric.entropy", lambda p: D.Geometric(p).entropy(), UNIT),
            ("Geometric, moments", lambda p: moments(D.Geometric(p)), UNIT),
            (
                "LowRankMultivariateNormal.entropy",
                lambda m, w, d: D.LowRankMultivariateNormal(m, w, d).entropy(),
                SMALL[3],
                SMALL[3, 1],
                SCALE[3],
            ),
            (
                "LowRankMultivariateNormal, moments",
                lambda m, w, d: moments(D.LowRankMultivariateNormal(m, w, d)),
                SMALL[3],
                SMALL[3, 1],
                SCALE[3],
            ),
            (
                "MixtureSameFamily, moments",
                lambda w, m, s: moments(D.MixtureSameFamily(D.Categorical(logits=w), D.Normal(m, s))),
                SMALL[3],
                SMALL[3],
                SCALE[3],
            ),
            ("Multinomial, moments", lambda p: moments(D.Multinomial(6, p)), UNIT),
            ("Multinomial.entropy", lambda p: D.Multinomial(3, p).entropy(), UNIT[3]),
            (
                "MultivariateNormal.entropy",
                lambda m, a: D.MultivariateNormal(m, positive(a)).entropy(),
                SMALL[3],
                MATRIX,
            ),
            (
                "MultivariateNormal.precision_matrix",
                lambda m, a: D.MultivariateNormal(m, positive(a)).precision_matrix,
                SMALL[3],
                MATRIX,
            ),
            ("NegativeBinomial, moments", lambda r, p: moments(D.NegativeBinomial(r, logits=p)), POSITIVE, NEAR),
            ("Wishart, moments", lambda v, a: moments(D.Wishart(v, positive(a))), Domain(3.0, 20.0)[()], MATRIX),
            ("Wishart.entropy", lambda v, a: D.Wishart(v, positive(a)).entropy(), Domain(3.0, 20.0)[()], MATRIX),
        ]
    ],
]

NARROW = ("narrow dtypes",)  # whose random numbers are others
SAMPLES = [
    *[
        row(f"{f.__name__}.rsample", lambda *p, f=f: seeded(f, *p), *domains, skip=NARROW)
        for f, _, *domains in CONTINUOUS
        if f not in (D.VonMises, D.Beta, D.Chi2, D.FisherSnedecor, D.Gamma, D.InverseGamma, D.StudentT)
    ],
    *[
        row(f"{name}.rsample", f, *domains, skip=NARROW)
        for name, f, *domains in [
            ("Gamma, rate", lambda r: seeded(D.Gamma, torch.full_like(r, 2.5), r), POSITIVE),
            ("InverseGamma, rate", lambda r: seeded(D.InverseGamma, torch.full_like(r, 2.5), r), POSITIVE),
            ("StudentT, scale", lambda m, s: seeded(D.StudentT, torch.full_like(m, 2.5), m, s), REAL, POSITIVE),
            ("LogisticNormal", lambda m, s: seeded(D.LogisticNormal, m, s), SMALL[3], SCALE[3]),
            (
                "LowRankMultivariateNormal",
                lambda m, w, d: seeded(D.LowRankMultivariateNormal, m, w, d),
                SMALL[3],
                SMALL[3, 1],
                SCALE[3],
            ),
            ("MultivariateNormal", lambda m, a: seeded(D.MultivariateNormal, m, positive(a)), SMALL[3], MATRIX),
            ("RelaxedBernoulli", lambda t, p: seeded(D.RelaxedBernoulli, t, p), SCALE[()], UNIT),
            ("RelaxedOneHotCategorical", lambda t, p: seeded(D.RelaxedOneHotCategorical, t, p), SCALE[()], UNIT[3]),
            (
                "Wishart",
                lambda a: seeded(D.Wishart, torch.tensor(5.0).to(a), positive(a)),
                MATRIX,
            ),
        ]
    ],
]

FAMILIES = {  # distribution and the domains of its parameters
    "Bernoulli": (D.Bernoulli, UNIT),
    "Beta": (D.Beta, POSITIVE, POSITIVE),
    "Binomial": (lambda p: D.Binomial(5, p), UNIT),
    "Categorical": (D.Categorical, UNIT[2, 3]),
    "Cauchy": (D.Cauchy, REAL, POSITIVE),
    "ContinuousBernoulli": (D.ContinuousBernoulli, UNIT),
    "Dirichlet": (D.Dirichlet, POSITIVE[3]),
    "Exponential": (D.Exponential, POSITIVE),
    "Gamma": (D.Gamma, POSITIVE, POSITIVE),
    "Geometric": (D.Geometric, UNIT),
    "Gumbel": (D.Gumbel, SMALL, SCALE),
    "HalfNormal": (D.HalfNormal, POSITIVE),
    "Independent": (lambda m, s: D.Independent(D.Normal(m, s), 1), REAL, SCALE),
    "Laplace": (D.Laplace, REAL, POSITIVE),
    "LogNormal": (D.LogNormal, REAL, SCALE),
    "LowRankMultivariateNormal": (D.LowRankMultivariateNormal, SMALL[3], SMALL[3, 1], SCALE[3]),
    "MultivariateNormal": (lambda m, a: D.MultivariateNormal(m, positive(a)), SMALL[3], MATRIX),
    "Normal": (D.Normal, REAL, SCALE),
    "OneHotCategorical": (D.OneHotCategorical, UNIT[2, 3]),
    "Pareto": (D.Pareto, SCALE, SCALE),
    "Poisson": (D.Poisson, POSITIVE),
    "Uniform": (D.Uniform, Domain(-1.0, 1.0), Domain(1.5, 3.0)),
    "Wishart": (lambda a: D.Wishart(torch.tensor(5.0).to(a), positive(a)), MATRIX),
}
INSIDE = {  # where the divergence is finite
    ("Uniform", "Beta"): (D.Uniform, Domain(0.1, 0.4), Domain(0.5, 0.9)),
    ("Uniform", "ContinuousBernoulli"): (D.Uniform, Domain(0.1, 0.4), Domain(0.5, 0.9)),
    ("Uniform", "Exponential"): (D.Uniform, Domain(0.1, 0.4), Domain(0.5, 0.9)),
    ("Uniform", "Gamma"): (D.Uniform, Domain(0.1, 0.4), Domain(0.5, 0.9)),
    ("Uniform", "Pareto"): (D.Uniform, Domain(11.0, 12.0), Domain(13.0, 14.0)),
    ("Pareto", "Exponential"): (D.Pareto, SCALE, Domain(1.1)),
    ("Pareto", "Gamma"): (D.Pareto, SCALE, Domain(1.1)),
    ("Pareto", "Normal"): (D.Pareto, SCALE, Domain(2.1)),
    ("Normal", "Gumbel"): (D.Normal, SMALL, Domain(0.1, 2.0)),
    ("Gamma", "Gumbel"): (D.Gamma, POSITIVE, Domain(1.0, 20.0)),
}
WIDER = {  # second distributions, where the divergence is finite
    ("Beta", "Uniform"): (D.Uniform, Domain(-3.0, -1.0), Domain(1.5, 3.0)),
    ("ContinuousBernoulli", "Uniform"): (D.Uniform, Domain(-3.0, -1.0), Domain(1.5, 3.0)),
    ("Uniform", "Uniform"): (D.Uniform, Domain(-5.0, -3.0), Domain(4.0, 5.0)),
    ("Normal", "Gumbel"): (D.Gumbel, SMALL, Domain(1.0, 10.0)),
    ("Gumbel", "Gumbel"): (D.Gumbel, SMALL, Domain(1.0, 10.0)),
    ("Pareto", "Pareto"): (D.Pareto, Domain(0.01, 0.1), SCALE),
}
PAIRS = [
    *[(name, name) for name in FAMILIES],
    *[("Beta", q) for q in ("ContinuousBernoulli", "Exponential", "Gamma", "Normal", "Uniform")],
    ("Bernoulli", "Poisson"),
    *[("ContinuousBernoulli", q) for q in ("Exponential", "Normal", "Uniform")],
    *[("Exponential", q) for q in ("Gamma", "Gumbel", "Normal")],
    *[("Gamma", q) for q in ("Exponential", "Gumbel", "Normal")],
    ("Gumbel", "Normal"),
    ("Laplace", "Normal"),
    *[("Normal", q) for q in ("Gumbel", "Laplace")],
    *[("Pareto", q) for q in ("Exponential", "Gamma", "Normal")],
    *[("Uniform", q) for q in ("Beta", "ContinuousBernoulli", "Exponential", "Gamma", "Gumbel", "Normal", "Pareto")],
    ("LowRankMultivariateNormal", "MultivariateNormal"),
    ("MultivariateNormal", "LowRankMultivariateNormal"),
]


def divergence(p, q):
    """Check the Kullback-Leibler divergence by the parameters of both distributions."""
    first, *domains = INSIDE.get((p, q), FAMILIES[p])
    second, *others = WIDER.get((p, q), FAMILIES[q])

    def f(*parameters):
        return D.kl_divergence(first(*parameters[: len(domains)]), second(*parameters[len(domains) :]))

    return row(f"kl_divergence({p}, {q})", f, *domains, *others)


DIVERGENCES = [divergence(p, q) for p, q in PAIRS]


def with_jacobian(transform):
    """Return a function with the value of a transform and the logarithm of its Jacobian determinant."""
    return lambda x: (transform(x), transform.log_abs_det_jacobian(x, transform(x)))


TRANSFORMS = [
    *[
        row(name, with_jacobian(transform), domain)
        for name, transform, domain in [
            ("AffineTransform", D.AffineTransform(0.5, -2.0, 1), REAL[2, 3]),
            (
                "CatTransform",
                D.CatTransform([D.ExpTransform(), D.AffineTransform(0.0, 3.0)], dim=0, lengths=[1, 3]),
                SMALL,
            ),
            ("ComposeTransform", D.ComposeTransform([D.SoftplusTransform(), D.PowerTransform(2)]), NEAR),
            ("CorrCholeskyTransform", D.CorrCholeskyTransform(), SMALL[6]),
            ("CumulativeDistributionTransform", D.CumulativeDistributionTransform(D.Normal(0.5, 2.0)), SMALL),
            ("ExpTransform", D.ExpTransform(), NEAR),
            ("IndependentTransform", D.IndependentTransform(D.TanhTransform(), 1), SMALL[2, 3]),
            ("PowerTransform", D.PowerTransform(2.5), NEAR_POSITIVE),
            ("PowerTransform, -1", D.PowerTransform(-1.0), POSITIVE),
            ("SigmoidTransform", D.SigmoidTransform(), REAL),
            ("SoftplusTransform", D.SoftplusTransform(), REAL),
            ("StackTransform", D.StackTransform([D.ExpTransform(), D.SigmoidTransform()], 1), SMALL[3, 2]),
            ("StickBreakingTransform", D.StickBreakingTransform(), SMALL),
            ("TanhTransform", D.TanhTransform(), NEAR),
        ]
    ],
    *[
        row(name, f, *domains)
        for name, f, *domains in [
            (
                "AffineTransform, parameters",
                lambda x, m, s: with_jacobian(D.AffineTransform(m, s))(x),
                REAL,
                REAL,
                POSITIVE,
            ),
            ("AbsTransform", D.AbsTransform(), REAL),
            ("LowerCholeskyTransform", D.LowerCholeskyTransform(), MATRIX),
            ("PositiveDefiniteTransform", D.PositiveDefiniteTransform(), MATRIX),
            ("ReshapeTransform", D.ReshapeTransform((4,), (2, 2)), REAL),
            ("SoftmaxTransform", D.SoftmaxTransform(), SMALL),
            ("CorrCholeskyTransform.inv", lambda a: D.CorrCholeskyTransform().inv(lower_correlation(a)), SMALL[3, 3]),
            ("SigmoidTransform.inv", D.SigmoidTransform().inv, UNIT),
            ("SoftmaxTransform.inv", D.SoftmaxTransform().inv, UNIT),
            ("SoftplusTransform.inv", D.SoftplusTransform().inv, POSITIVE),
            ("StickBreakingTransform.inv", lambda x: D.StickBreakingTransform().inv(simplex(x)), SMALL),
            ("TanhTransform.inv", D.TanhTransform().inv, Domain(-1.0, 1.0)),
            ("PositiveDefiniteTransform.inv", lambda a: D.PositiveDefiniteTransform().inv(positive(a)), MATRIX),
            ("biject_to(interval)", D.biject_to(D.constraints.interval(-1.0, 3.0)), SMALL),
            ("biject_to(greater_than)", D.biject_to(D.constraints.greater_than(2.0)), SMALL),
            ("transform_to(less_than)", D.transform_to(D.constraints.less_than(2.0)), SMALL),
            ("transform_to(simplex)", D.transform_to(D.constraints.simplex), SMALL),
        ]
    ],
]


CASES: list[Case] = [
    Case(f"torch.distributions.{case.name}", case.check)
    for case in [*DENSITIES, *CDFS, *MOMENTS, *SAMPLES, *DIVERGENCES, *TRANSFORMS]
]
POLYGAMMA = Judged("finding", "polygamma(1, x), the gradient of digamma, has nine digits.")
CLAMPED = Judged("accuracy", "probabilities near 0 or 1 are clamped or rounded to the end, which is much in bfloat16.")
JUDGED = {
    f"torch.distributions.{name}": judged
    for judged, names in [
        (
            POLYGAMMA,
            [
                *[f"{name}.entropy" for name in ("Beta", "Chi2", "Dirichlet", "Gamma", "InverseGamma", "Kumaraswamy")],
                *["StudentT.entropy", "Wishart.entropy"],
                *[f"kl_divergence({p}, {q})" for p, q in PAIRS if p in ("Beta", "Dirichlet", "Gamma")],
            ],
        ),
        (
            CLAMPED,
            [
                "Categorical.entropy, edge",
                "ContinuousBernoulli.icdf, edge",
                "Geometric.entropy, edge",
                "LogNormal.icdf, edge",
                *[
                    f"kl_divergence({p}, {p}), edge"
                    for p in ("Bernoulli", "Binomial", "Categorical", "Geometric", "OneHotCategorical")
                ],
            ],
        ),
        (
            Judged("finding", "log_prob and cdf fail in float64."),
            ["GeneralizedPareto.log_prob", "GeneralizedPareto.cdf"],
        ),
        (
            Judged("finding", "the gradient by x is zero at the median."),
            ["Laplace.cdf, special", "Laplace.icdf, special"],
        ),
        (
            Judged("accuracy", "near probability 0.5, the normalization cancels in float32."),
            ["ContinuousBernoulli.log_prob"],
        ),
        (Judged("finding", "there is no gradient by the first distribution."), ["kl_divergence(Wishart, Wishart)"]),
        (
            Judged("finding", "the gradient by large logits is wrong."),
            ["ContinuousBernoulli, logits.log_prob, edge"],
        ),
        (Judged("finding", "wrong forward derivative of cholesky_inverse."), ["MultivariateNormal.precision_matrix"]),
    ]
    for name in names
}
