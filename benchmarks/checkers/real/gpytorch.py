"""Gaussian processes of gpytorch: kernels, means, likelihoods, marginal likelihoods, constraints."""

import gpytorch
import torch
from gpytorch import constraints, kernels, likelihoods, means, priors
from gpytorch.distributions import MultitaskMultivariateNormal, MultivariateNormal

from benchmarks.checkers.real.case import POSITIVE, REAL, UNIT, Case, Domain, Judged
from benchmarks.checkers.real.case import torch as row

torch.set_num_threads(1)
NEAR = Domain(-2.0, 2.0)
X = NEAR[3, 2]
Z = NEAR[2, 2]
Y = NEAR[3]
INSIDE = Domain(-0.5, 0.5)
LAST = ["narrow dtypes"]  # of functions that need a Cholesky decomposition
AT = torch.tensor([[0.1, 0.7], [-0.4, 0.2], [0.9, -0.6]], dtype=torch.float64)
TARGETS = torch.tensor([0.3, -0.2, 0.8], dtype=torch.float64)


def with_raw(module, raw):
    """Return a function that calls a module with its raw parameters taken from a vector, in their order."""
    names, sizes, shapes = zip(*[(n, p.numel(), p.shape) for n, p in module.named_parameters()], strict=True)
    parts = {n: part.reshape(s) for n, part, s in zip(names, raw.split(sizes), shapes, strict=True)}
    return lambda *x: torch.func.functional_call(module, parts, x)


def size(module):
    return sum(p.numel() for p in module.parameters())


def kernel(name, k, x=X, z=Z, **options):
    """Check the matrix between two sets of points, by the points and the raw hyperparameters; and of one set."""
    k = k.double()

    def call(raw, *x):
        return with_raw(_Dense(k), raw)(*x)

    n = NEAR[size(k)]
    return [
        row(f"gpytorch.kernels.{name}", call, n, x, z, **options),
        row(f"gpytorch.kernels.{name}, one set", call, n, x, **options),
    ]


class _Dense(torch.nn.Module):
    def __init__(self, kernel):
        super().__init__()
        self.kernel = kernel

    def forward(self, *x):
        """Return the matrix of the kernel."""
        return self.kernel(*x).to_dense()


def mean(name, m, x=X):
    m = m.double()
    return row(f"gpytorch.means.{name}", lambda raw, x: with_raw(m, raw)(x), NEAR[size(m)], x)


class Process(gpytorch.models.ExactGP):
    """A Gaussian process on the points AT."""

    def __init__(self, likelihood, kernel, targets=TARGETS):
        super().__init__(AT, targets, likelihood)
        self.mean = means.ConstantMean()
        self.kernel = kernel

    def forward(self, x):
        """Return the prior at `x`."""
        return MultivariateNormal(self.mean(x), self.kernel(x))


class Objective(torch.nn.Module):
    """A marginal log-likelihood of the targets, as in a training loop."""

    def __init__(self, mll):
        super().__init__()
        self.mll = mll

    def forward(self, y):
        """Return the objective for the targets `y`."""
        model = self.mll.model
        model.set_train_data(AT, y, strict=False)
        return self.mll(model(AT), y)


def objective(name, likelihood, k, mll=gpytorch.mlls.ExactMarginalLogLikelihood):
    module = Objective(mll(likelihood, Process(likelihood, k))).double()
    module.train()
    return row(f"gpytorch.mlls.{name}", lambda raw, y: with_raw(module, raw)(y), INSIDE[size(module)], Y, skip=LAST)


class Prediction(torch.nn.Module):
    """The predictive mean and variance at new points."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        """Return the mean and the variance at `x`."""
        self.model.train()  # forget the solutions for other hyperparameters
        self.model.eval()
        with gpytorch.settings.detach_test_caches(False):
            prediction = self.model(x)
        return prediction.mean, prediction.variance


def prediction(name, likelihood, k):
    module = Prediction(Process(likelihood, k)).double()
    return row(
        f"gpytorch.models.ExactGP, {name}", lambda raw, x: with_raw(module, raw)(x), INSIDE[size(module)], Z, skip=LAST
    )


def normal(m, a, cls=MultivariateNormal):
    """Return a distribution with the covariance A A' + I."""
    return cls(m, a @ a.mT + torch.eye(a.shape[-1]).to(a))


def likelihood(name, f, domain=NEAR):
    """Check the expected log probability and the log marginal of targets, by the distribution and raw parameters."""
    f = f.double()

    def each(method):
        def call(raw, m, a, y):
            class Call(torch.nn.Module):
                def __init__(self):
                    super().__init__()
                    self.f = f

                def forward(self):
                    return getattr(self.f, method)(y, normal(m, a))

            return with_raw(Call(), raw)() if len(raw) else Call()()

        return row(f"gpytorch.likelihoods.{name}.{method}", call, NEAR[size(f)], Y, NEAR[3, 3], domain[3], skip=LAST)

    return [each("expected_log_prob"), each("log_marginal")]


KERNELS = [
    *kernel("RBFKernel", kernels.RBFKernel()),
    *kernel("RBFKernel, ard", kernels.RBFKernel(ard_num_dims=2)),
    *kernel("ScaleKernel(RBFKernel)", kernels.ScaleKernel(kernels.RBFKernel())),
    *[case for nu in (0.5, 1.5, 2.5) for case in kernel(f"MaternKernel, nu={nu}", kernels.MaternKernel(nu=nu))],
    *kernel("MaternKernel, nu=2.5, ard", kernels.MaternKernel(nu=2.5, ard_num_dims=2)),
    *kernel("RQKernel", kernels.RQKernel()),
    *kernel("PeriodicKernel", kernels.PeriodicKernel()),
    *kernel("CosineKernel", kernels.CosineKernel()),
    *kernel("LinearKernel", kernels.LinearKernel()),
    *kernel("ConstantKernel", kernels.ConstantKernel()),
    *kernel("PolynomialKernel", kernels.PolynomialKernel(power=2)),
    *kernel("PiecewisePolynomialKernel", kernels.PiecewisePolynomialKernel(q=2)),
    *kernel("PiecewisePolynomialKernel, q=0", kernels.PiecewisePolynomialKernel(q=0)),
    *kernel("SpectralMixtureKernel", kernels.SpectralMixtureKernel(num_mixtures=2, ard_num_dims=2)),
    kernel("HammingIMQKernel", kernels.HammingIMQKernel(vocab_size=2), Domain(0.0, 1.0, (3, 2)))[0],
    *kernel("RBFKernelGrad", kernels.RBFKernelGrad()),
    *kernel("RBFKernelGradGrad", kernels.RBFKernelGradGrad()),
    *kernel("Matern52KernelGrad", kernels.Matern52KernelGrad()),
    *kernel("PolynomialKernelGrad", kernels.PolynomialKernelGrad(power=2)),
    *kernel("CylindricalKernel", kernels.CylindricalKernel(3, kernels.RBFKernel()), INSIDE[3, 2], INSIDE[2, 2]),
    *kernel("AdditiveKernel", kernels.RBFKernel() + kernels.LinearKernel()),
    *kernel("ProductKernel", kernels.RBFKernel() * kernels.PeriodicKernel()),
    *kernel("GaussianSymmetrizedKLKernel", kernels.GaussianSymmetrizedKLKernel()),
    *kernel("MultitaskKernel", kernels.MultitaskKernel(kernels.RBFKernel(), num_tasks=2)),
    *kernel("ArcKernel", kernels.ArcKernel(kernels.MaternKernel(nu=2.5), ard_num_dims=2), UNIT[3, 2], UNIT[2, 2]),
]

OTHERS = [
    mean("ConstantMean", means.ConstantMean()),
    mean("LinearMean", means.LinearMean(2)),
    mean("ConstantMeanGrad", means.ConstantMeanGrad()),
    mean("LinearMeanGrad", means.LinearMeanGrad(2)),
    *[
        row(f"gpytorch.constraints.{name}, {method}", getattr(c, method), domain)
        for name, c, inside in [
            ("Positive", constraints.Positive(), POSITIVE),
            ("GreaterThan", constraints.GreaterThan(0.1), Domain(0.1)),
            ("LessThan", constraints.LessThan(2.0), Domain(-30.0, 2.0)),
            ("Interval", constraints.Interval(0.5, 2.0), Domain(0.5, 2.0)),
        ]
        for method, domain in [("transform", REAL), ("inverse_transform", inside)]
    ],
    *[
        row(f"gpytorch.priors.{name}", lambda x, p=p: p.log_prob(x), domain)
        for name, p, domain in [
            ("GammaPrior", priors.GammaPrior(2.0, 3.0), POSITIVE),
            ("NormalPrior", priors.NormalPrior(0.5, 2.0), NEAR),
            ("LogNormalPrior", priors.LogNormalPrior(0.5, 2.0), POSITIVE),
            ("HalfCauchyPrior", priors.HalfCauchyPrior(1.5), POSITIVE),
            ("HorseshoePrior", priors.HorseshoePrior(0.5), POSITIVE),
            ("SmoothedBoxPrior", priors.SmoothedBoxPrior(-1.0, 1.5, 0.1), NEAR),
        ]
    ],
    row("gpytorch.distributions.MultivariateNormal.log_prob", lambda m, a, y: normal(m, a).log_prob(y),
        Y, NEAR[3, 3], Y, skip=LAST),
    row("gpytorch.distributions.MultivariateNormal, kl", lambda m, a, n, b: torch.distributions.kl_divergence(
        normal(m, a), normal(n, b)), Y, NEAR[3, 3], Y, NEAR[3, 3], skip=LAST),
    row("gpytorch.distributions.MultivariateNormal.entropy", lambda m, a: normal(m, a).entropy(), Y, NEAR[3, 3],
        skip=LAST),
    row("gpytorch.distributions.MultivariateNormal.rsample", lambda m, a: normal(m, a).rsample(torch.Size([2])),
        Y, NEAR[3, 3], skip=LAST),
    row("gpytorch.distributions.MultitaskMultivariateNormal.log_prob",
        lambda m, a, y: normal(m, a, MultitaskMultivariateNormal).log_prob(y), NEAR[2, 2], NEAR[4, 4], NEAR[2, 2],
        skip=LAST),
    row("gpytorch.log_normal_cdf", gpytorch.log_normal_cdf, Domain(-30.0, 30.0)),
    row("gpytorch.inv_quad_logdet", lambda a, y: gpytorch.inv_quad_logdet(a @ a.mT + torch.eye(3).to(a), y, True),
        NEAR[3, 3], NEAR[3, 1], skip=LAST),
    objective("ExactMarginalLogLikelihood", likelihoods.GaussianLikelihood(), kernels.RBFKernel()),
    objective("ExactMarginalLogLikelihood, Matern", likelihoods.GaussianLikelihood(),
              kernels.ScaleKernel(kernels.MaternKernel(nu=1.5, ard_num_dims=2))),
    objective("ExactMarginalLogLikelihood, fixed noise",
              likelihoods.FixedNoiseGaussianLikelihood(torch.tensor([0.1, 0.2, 0.3]), learn_additional_noise=True),
              kernels.RBFKernel()),
    objective("ExactMarginalLogLikelihood, linear", likelihoods.GaussianLikelihood(), kernels.LinearKernel()),
    objective("LeaveOneOutPseudoLikelihood", likelihoods.GaussianLikelihood(), kernels.RBFKernel(),
              gpytorch.mlls.LeaveOneOutPseudoLikelihood),
    prediction("RBFKernel", likelihoods.GaussianLikelihood(), kernels.RBFKernel()),
    prediction("MaternKernel", likelihoods.GaussianLikelihood(), kernels.MaternKernel(nu=2.5)),
    *likelihood("GaussianLikelihood", likelihoods.GaussianLikelihood()),
    *likelihood("StudentTLikelihood", likelihoods.StudentTLikelihood()),
    *likelihood("LaplaceLikelihood", likelihoods.LaplaceLikelihood()),
    *likelihood("BetaLikelihood", likelihoods.BetaLikelihood(), UNIT),
    row("gpytorch.likelihoods.BernoulliLikelihood.expected_log_prob", lambda m, a: likelihoods.BernoulliLikelihood()
        .expected_log_prob(torch.tensor([1.0, 0, 1]).to(m), normal(m, a)), Y, NEAR[3, 3], skip=LAST),
    row("gpytorch.likelihoods.BernoulliLikelihood.log_marginal", lambda m, a: likelihoods.BernoulliLikelihood()
        .log_marginal(torch.tensor([1.0, 0, 1]).to(m), normal(m, a)), Y, NEAR[3, 3], skip=LAST),
]  # fmt: skip

CASES: list[Case] = [*KERNELS, *OTHERS]
CDF = Judged("finding", "log_normal_cdf has three digits below -1, and a jump there.")
JUDGED = {
    "gpytorch.kernels.RBFKernel, edge": Judged("accuracy", "a difference of squares gives the squared distances."),
    "gpytorch.log_normal_cdf": CDF,
    "gpytorch.likelihoods.BernoulliLikelihood.expected_log_prob": CDF,
    "gpytorch.kernels.RBFKernelGradGrad": Judged("finding", "it fails for two sets of different sizes."),
}
