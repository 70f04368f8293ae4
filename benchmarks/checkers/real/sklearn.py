"""scikit-learn: losses, kernels, likelihoods and objectives that have a gradient."""

import warnings

import numpy as np
from sklearn._loss import link as links
from sklearn._loss import loss as losses
from sklearn.decomposition import _fastica
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor, kernels
from sklearn.linear_model import _sgd_fast
from sklearn.linear_model._huber import _huber_loss_and_gradient
from sklearn.linear_model._linear_loss import LinearModelLoss
from sklearn.manifold._t_sne import _kl_divergence
from sklearn.neighbors import NeighborhoodComponentsAnalysis
from sklearn.neural_network import MLPClassifier, MLPRegressor, _base

from benchmarks.checkers.real.case import POSITIVE, REAL, UNIT, Case, Domain, Judged, elementwise, jacobian
from tinygrad_edu.testing import check_gradient

NEAR = Domain(-30.0, 30.0)
SMALL = Domain(-3.0, 3.0)
RNG = np.random.default_rng(0)
X = RNG.standard_normal((12, 3))
Y = RNG.standard_normal(12)
CLASSES = np.arange(12) % 3
TARGETS = np.array([0.5, 2.0, 1.0, 3.0])
BITS = np.array([0.0, 1.0, 1.0, 0.0])


def pair(name, f, domain):
    """Check a function that returns a number and its gradient, as scipy.optimize takes it with jac=True."""
    return Case(name, lambda rng, kind: check_gradient(f, None, domain.draw(rng, kind), jac=True))


def loss(name, f, targets, domain=NEAR, hessian=True):
    """Check the gradient of a loss of raw predictions, and the derivative of the gradient."""
    rows = [
        elementwise(
            f"_loss.{name}.gradient", lambda raw: f.loss(targets, raw), lambda raw: f.gradient(targets, raw), domain
        )
    ]
    if hessian:
        rows.append(
            elementwise(
                f"_loss.{name}.gradient_hessian",
                lambda raw: f.gradient_hessian(targets, raw)[0],
                lambda raw: f.gradient_hessian(targets, raw)[1],
                domain,
            )
        )
    return rows


def kernel(name, k):
    """Check the gradient of the kernel matrix by the logarithms of the hyperparameters."""
    return jacobian(
        f"gaussian_process.kernels.{name}",
        lambda theta: k.clone_with_theta(theta)(X[:4]),
        lambda theta: k.clone_with_theta(theta)(X[:4], eval_gradient=True)[1],
        SMALL[len(k.theta)],
    )


def linear(name, f, targets, size):
    """Check the gradient and the Hessian of the objective of a linear model."""
    model = LinearModelLoss(f, fit_intercept=True)
    return [
        pair(
            f"_linear_loss.{name}.loss_gradient",
            lambda w: model.loss_gradient(w, X, targets, l2_reg_strength=0.3),
            SMALL[size],
        ),
        jacobian(
            f"_linear_loss.{name}.gradient_hessian",
            lambda w: model.gradient(w, X, targets, l2_reg_strength=0.3),
            lambda w: model.gradient_hessian(w, X, targets, l2_reg_strength=0.3)[1],
            SMALL[size],
        ),
    ]


def perceptron(name, network, targets):
    """Check backpropagation in a multi-layer perceptron, by its packed parameters."""
    with warnings.catch_warnings(action="ignore"):  # one iteration does not converge
        network.set_params(hidden_layer_sizes=(4,), max_iter=1, solver="lbfgs", alpha=0.1).fit(X, targets)
    y = network._label_binarizer.transform(targets) if isinstance(network, MLPClassifier) else targets[:, None]
    units = [3, 4, y.shape[1]]
    size = 3 * 4 + 4 * units[2] + 4 + units[2]

    def value_and_gradient(packed):
        activations = [X] + [np.empty((12, n)) for n in units[1:]]
        deltas, slopes = [np.empty((12, n)) for n in units[1:]], [np.empty((3, 4)), np.empty((4, units[2]))]
        return network._loss_grad_lbfgs(
            packed, X, y, None, activations, deltas, slopes, [np.empty(4), np.empty(units[2])]
        )

    return pair(f"neural_network.{name}", value_and_gradient, SMALL[size])


def activation(name):
    """Check the derivative of an activation, which the network computes in place, from the result."""

    def f(x):
        result = x.copy()
        _base.ACTIVATIONS[name](result)
        return result

    def grad(x, cotangent):
        delta = cotangent.copy()
        _base.DERIVATIVES[name](f(x), delta)
        return delta

    return Case(f"neural_network.{name}", lambda rng, kind: check_gradient(f, grad, REAL[2, 3].draw(rng, kind)))


def embedding(params):
    P = np.arange(1.0, 11.0) / 110  # of pairs; sums to 1 over both orders
    return _kl_divergence(params, P, 1, 5, 2)


def components(transformation):
    nca = NeighborhoodComponentsAnalysis()
    nca.n_iter_ = 0
    return nca._loss_grad_lbfgs(transformation, X, CLASSES[:, None] == CLASSES)


PROCESS = GaussianProcessRegressor(
    kernels.ConstantKernel() * kernels.RBF() + kernels.WhiteKernel(), optimizer=None
).fit(X, Y)
CLASSIFIER = GaussianProcessClassifier(kernels.ConstantKernel() * kernels.RBF(), optimizer=None, max_iter_predict=500)
CLASSIFIER.fit(X, Y > 0)

LOSSES = [
    *loss("HalfSquaredError", losses.HalfSquaredError(), TARGETS),
    *loss("AbsoluteError", losses.AbsoluteError(), TARGETS, hessian=False),
    *loss("PinballLoss", losses.PinballLoss(quantile=0.3), TARGETS, hessian=False),
    *loss("HuberLoss", losses.HuberLoss(delta=1.5), TARGETS),
    *loss("HalfPoissonLoss", losses.HalfPoissonLoss(), TARGETS),
    *loss("HalfGammaLoss", losses.HalfGammaLoss(), TARGETS),
    *loss("HalfTweedieLoss(1.5)", losses.HalfTweedieLoss(power=1.5), TARGETS),
    *loss("HalfTweedieLoss(3)", losses.HalfTweedieLoss(power=3.0), TARGETS),
    *loss("HalfTweedieLoss(-1)", losses.HalfTweedieLoss(power=-1.0), TARGETS),
    *loss("HalfTweedieLossIdentity(1.5)", losses.HalfTweedieLossIdentity(power=1.5), TARGETS, POSITIVE),
    *loss("HalfTweedieLossIdentity(0)", losses.HalfTweedieLossIdentity(power=0.0), TARGETS),
    *loss("HalfTweedieLossIdentity(3)", losses.HalfTweedieLossIdentity(power=3.0), TARGETS, POSITIVE),
    *loss("HalfBinomialLoss", losses.HalfBinomialLoss(), BITS),
    *loss("ExponentialLoss", losses.ExponentialLoss(), BITS),
    Case(
        "_loss.HalfMultinomialLoss.gradient",
        lambda rng, kind: check_gradient(
            lambda raw: losses.HalfMultinomialLoss(3).loss(CLASSES * 1.0, raw),
            lambda raw, g: g[:, None] * losses.HalfMultinomialLoss(3).gradient(CLASSES * 1.0, raw),
            NEAR[12, 3].draw(rng, kind),
        ),
    ),
    *[
        elementwise(
            f"linear_model._sgd_fast.{name}",
            lambda p, f=f: np.array([f.py_loss(s, 1.0) for s in p]),
            lambda p, f=f: np.array([f.py_dloss(s, 1.0) for s in p]),
        )
        for name, f in [
            ("Hinge", _sgd_fast.Hinge()),
            ("SquaredHinge", _sgd_fast.SquaredHinge()),
            ("ModifiedHuber", _sgd_fast.ModifiedHuber()),
            ("EpsilonInsensitive", _sgd_fast.EpsilonInsensitive(0.1)),
            ("SquaredEpsilonInsensitive", _sgd_fast.SquaredEpsilonInsensitive(0.1)),
        ]
    ],
    *[
        elementwise(f"_loss.link.{f.__name__}", f().link, lambda y, f=f, slope=slope: 1 / slope(f().link(y)), domain)
        for f, domain, slope in [
            (links.LogLink, POSITIVE, np.exp),
            (links.LogitLink, UNIT, lambda z: links.LogitLink().inverse(z) * links.LogitLink().inverse(-z)),
            (
                links.HalfLogitLink,
                UNIT,
                lambda z: 2 * links.HalfLogitLink().inverse(z) * links.HalfLogitLink().inverse(-z),
            ),
        ]
    ],
]

KERNELS = [
    kernel("RBF", kernels.RBF()),
    kernel("RBF, anisotropic", kernels.RBF([1.0, 2.0, 0.5])),
    *[kernel(f"Matern, nu={nu}", kernels.Matern(nu=nu)) for nu in (0.5, 1.5, 2.5)],
    kernel("Matern, anisotropic", kernels.Matern([1.0, 2.0, 0.5], nu=1.5)),
    kernel("Matern, nu=inf", kernels.Matern(nu=np.inf)),
    kernel("RationalQuadratic", kernels.RationalQuadratic()),
    kernel("ExpSineSquared", kernels.ExpSineSquared()),
    kernel("DotProduct", kernels.DotProduct()),
    kernel("ConstantKernel", kernels.ConstantKernel()),
    kernel("WhiteKernel", kernels.WhiteKernel()),
    kernel("Sum", kernels.RBF() + kernels.DotProduct()),
    kernel("Product", kernels.RBF() * kernels.RationalQuadratic()),
    kernel("Exponentiation", kernels.RationalQuadratic() ** 2),
    kernel("CompoundKernel", kernels.CompoundKernel([kernels.RBF(), kernels.DotProduct()])),
    pair(
        "GaussianProcessRegressor.log_marginal_likelihood",
        lambda theta: PROCESS.log_marginal_likelihood(theta, True),
        SMALL[3],
    ),
    Case(
        "GaussianProcessClassifier.log_marginal_likelihood",
        lambda rng, kind: check_gradient(
            lambda theta: CLASSIFIER.log_marginal_likelihood(theta, True),
            None,
            SMALL[2].draw(rng, kind),
            jac=True,
            accuracy=1e-9,
        ),
    ),
]

OBJECTIVES = [
    *linear("HalfSquaredError", losses.HalfSquaredError(), Y, 4),
    *linear("HalfBinomialLoss", losses.HalfBinomialLoss(), (Y > 0) * 1.0, 4),
    *linear("HalfPoissonLoss", losses.HalfPoissonLoss(), Y**2, 4),
    *linear("HalfMultinomialLoss", losses.HalfMultinomialLoss(3), CLASSES * 1.0, 12),
    pair("HuberRegressor", lambda w: _huber_loss_and_gradient(w, X, Y, 1.35, 0.1, np.ones(12)), Domain(0.1, 3.0, (5,))),
    pair("TSNE, _kl_divergence", embedding, REAL[10]),
    pair("NeighborhoodComponentsAnalysis", components, SMALL[6]),
    *[
        perceptron(f"MLPClassifier, {name}", MLPClassifier(activation=name), CLASSES)
        for name in ("tanh", "logistic", "relu")
    ],
    perceptron("MLPClassifier, binary", MLPClassifier(activation="tanh"), CLASSES > 0),
    perceptron("MLPRegressor", MLPRegressor(activation="tanh"), Y),
    perceptron("MLPRegressor, poisson", MLPRegressor(activation="tanh", loss="poisson"), Y**2),
    *[activation(name) for name in ("identity", "tanh", "logistic", "relu")],
    *[
        elementwise(
            f"decomposition.FastICA, {f.__name__}",
            lambda x, f=f: f(x[:, None], {})[0][:, 0],
            lambda x, f=f: f(x[:, None], {})[1],
        )
        for f in (_fastica._logcosh, _fastica._exp, _fastica._cube)
    ],
]

CASES = [Case(f"sklearn.{case.name}", case.check) for case in [*LOSSES, *KERNELS, *OBJECTIVES]]
JUDGED = {
    "sklearn.gaussian_process.kernels.CompoundKernel": Judged("finding", "its theta cannot be set."),
    "sklearn.neural_network.MLPClassifier, relu, edge": Judged(
        "convention", "the loss clips probabilities below 2.2e-16, the gradient does not."
    ),
    "sklearn.decomposition.FastICA, _logcosh": Judged("convention", "the private function computes in place."),
}
