"""check: right and wrong derivatives in each framework, objects with a state, and calls without a meaning."""

import functools
import math
import os

os.environ["KERAS_BACKEND"] = "jax"

import numpy as np
import pytest
from scipy import optimize, special

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.errors import VJPDefinitionError
from tinygrad_edu.testing import GradientMismatch, LawBroken, check, run_check

X, Y = np.array([0.3, -1.2, 0.7]), np.array([0.5, 2.0, -0.4])


class Likelihood:
    """A model with a score and a Hessian, as those of statsmodels."""

    def loglike(self, params, scale=1.0):
        return -scale * np.sum(params**4)

    def score(self, params, scale=1.0):
        return -4 * scale * params**3

    def hessian(self, params, scale=1.0):
        return -12 * scale * np.diag(params**2)


class Sum:
    """A callable object."""

    def __call__(self, x, y):
        return np.sum(x * y)


def scaled(x, y, *, scale=1.0):
    return scale * np.sum(x * y**2)


def with_gradient(x, n=3):
    return np.sum(x**n), n * x ** (n - 1)


def nested(params, n):
    return {"a": params["w"] ** n, "b": [np.sum(params["c"])]}


def nested_vjp(params, n, g):
    return {"w": n * params["w"] ** (n - 1) * g["a"], "c": [g["b"][0]] * 2}


MODEL, PARAMS = Likelihood(), {"w": X, "c": [1.0, 2.0]}
SCALE, SECOND = {"scale": 2.0}, {"wrt": 1}
CURVATURE = {"jac": True, "hess": lambda x: 6 * np.diag(x)}

# A function, its arguments, the settings of `check`, and the name of a claim to be made wrong.
RIGHT = {
    "gradient": (optimize.rosen, [X], {"grad": optimize.rosen_der}, "grad"),
    "Hessian": (optimize.rosen, [X], {"grad": optimize.rosen_der, "hess": optimize.rosen_hess}, "hess"),
    "Hessian of jac": (optimize.rosen, [X], {"jac": optimize.rosen_der, "hess": optimize.rosen_hess}, "hess"),
    "Hessian of a pair": (with_gradient, [X], CURVATURE, "hess"),
    "score": (MODEL.loglike, [X], {"grad": MODEL.score, "hess": MODEL.hessian}, "grad"),
    "Hessian of a score": (MODEL.score, [X], {"jac": MODEL.hessian, "kwargs": SCALE}, "jac"),
    "ufunc": (special.expit, [X], {"vjp": lambda x, g: g * special.expit(x) * special.expit(-x)}, "vjp"),
    "ufunc of a number": (special.gammaln, [2.5], {"grad": special.digamma}, "grad"),
    "NumPy's number": (special.gammaln, [np.float64(2.5)], {"grad": special.digamma}, "grad"),
    "builtin": (math.sin, [0.5], {"grad": math.cos}, "grad"),
    "builtin of two": (pow, [2.0, 3.0], {"grad": lambda x, y: (y * x ** (y - 1), x**y * math.log(x))}, "grad"),
    "list": (lambda x: x[0] * x[1], [[2.0, 3.0]], {"grad": lambda x: [x[1], x[0]]}, "grad"),
    "pytrees": (nested, [PARAMS, 3], {"vjp": nested_vjp}, "vjp"),
    "forward": (lambda x, n: x**n, [X, 3], {"jvp": lambda x, n, u: n * x ** (n - 1) * u}, "jvp"),
    "forward and reverse": (np.sin, [X], {"jvp": lambda x, u: u * np.cos(x), "vjp": lambda x, g: g * np.cos(x)}, "vjp"),
    "any arguments": (lambda *a: a[0] * a[1], [2.0, 3.0], {"grad": lambda *a: (a[1], a[0])}, "grad"),
    "partial": (functools.partial(with_gradient, n=4), [X], {"jac": True}, None),
    "object": (Sum(), [X, Y], {"grad": lambda x, y: (y, x)}, "grad"),
    "keywords": (scaled, [X, Y], {"kwargs": SCALE, "grad": lambda x, y, scale: scale * y**2, "wrt": "x"}, "grad"),
    "any keywords": (scaled, [X, Y], {"kwargs": SCALE, "grad": lambda x, y, **k: k["scale"] * y**2, "wrt": 0}, "grad"),
    "wrt": (special.xlogy, [2.0, 3.0], {"grad": lambda x, y: x / y, "wrt": 1}, "grad"),
    "negative wrt": (special.xlogy, [2.0, 3.0], {"grad": lambda x, y: x / y, "wrt": -1}, "grad"),
    "wrt a keyword": (scaled, [X, Y], {"kwargs": SCALE, "wrt": "scale", "grad": lambda x, y: np.sum(x * y**2)}, "grad"),
    "wrt two": (scaled, [X, Y], {"grad": lambda x, y: (2 * x * y, y**2), "wrt": ("y", "x")}, "grad"),
    "forward wrt": (scaled, [X, Y], {"jvp": lambda x, y, u: np.sum(u * y**2), "wrt": "x"}, "jvp"),
    "tensors": (lambda x: tg.sin(x).sum(), [tg.Tensor(X)], {"grad": tg.cos}, "grad"),
}  # fmt: skip


def wrong(claim):
    """Return a claim whose numbers are one percent larger."""

    @functools.wraps(claim)
    def larger(*args, **kwargs):
        return enlarged(claim(*args, **kwargs))

    return larger


def enlarged(x):
    if isinstance(x, dict):
        return {key: enlarged(part) for key, part in x.items()}
    return type(x)(map(enlarged, x)) if isinstance(x, list | tuple) else 1.01 * x


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_claim_passes_and_a_wrong_one_fails(name):
    f, args, settings, claim = RIGHT[name]
    assert check(f, *args, **settings).status == "right"
    if claim:
        settings = settings | {claim: wrong(settings[claim])}
        with pytest.raises(GradientMismatch) as caught:
            check(f, *args, **settings)
        assert "\ncheck(" in str(caught.value)


def test_the_report_says_what_was_not_given():
    reasons = {v.law: v.reason for v in check(np.sin, X, vjp=lambda x, g: g * np.cos(x)).verdicts if v.reason}
    assert [law for law, reason in reasons.items() if reason == "not given"] == ["jvp", "jac", "hess"]


# --- Objects with a state ---


class Cached:
    """An objective that computes once for each point."""

    x = np.zeros(0)

    def update(self, x):
        if not np.array_equal(x, self.x):
            self.x, self.exp = np.array(x), np.exp(x)

    def f(self, x):
        self.update(x)
        return np.sum(self.exp * x)

    def grad(self, x):
        self.update(x)
        return self.exp * (1 + self.x)

    def jvp(self, x, u):
        return np.sum(self.grad(x) * u)

    def jac(self, x):
        return self.grad(x)


class ComputesOnce(Cached):
    def grad(self, x):
        self.first = getattr(self, "first", np.exp(x) * (1 + x))
        return self.first


class OfTheLastCall(Cached):
    def f(self, x):
        self.x, self.exp = np.array(x), np.exp(x)
        return np.sum(self.exp * x)

    def update(self, x):
        pass


class KeepsTheArray(Cached):
    def update(self, x):
        if not np.array_equal(x, self.x):
            self.x, self.exp = x, np.exp(x)


class ComparesIdentities(Cached):
    def update(self, x):
        if x is not self.x:
            self.x, self.exp = x, np.exp(x)


class ComparesOneNumber(Cached):
    def update(self, x):
        if not self.x.size or x[0] != self.x[0]:
            self.x, self.exp = np.array(x), np.exp(x)


class ComparesRoughly(Cached):
    def update(self, x):
        if not self.x.size or not np.allclose(x, self.x):
            self.x, self.exp = np.array(x), np.exp(x)


class IsReset(Cached):
    def f(self, x):
        self.first = None
        return np.sum(np.exp(x) * x)

    def grad(self, x):
        if self.first is None:
            self.first = np.exp(x) * (1 + x)
        return self.first


def test_a_right_cache_passes():
    assert check(Cached().f, X, grad=Cached().grad).status == "right"
    model = Cached()
    assert check(model.f, X, grad=model.grad, jvp=model.jvp).status == "right"


@pytest.mark.parametrize("claim", ["grad", "jvp", "jac"])
@pytest.mark.parametrize("kind", [ComputesOnce, OfTheLastCall, KeepsTheArray, ComparesIdentities, ComparesOneNumber,
                                  ComparesRoughly, IsReset])  # fmt: skip
def test_a_wrong_cache_is_found(kind, claim):
    model = kind()
    with pytest.raises((GradientMismatch, LawBroken), match=r"at another point|depends on earlier calls"):
        check(model.f, X, **{claim: getattr(model, claim)})


# --- tinygrad_edu ---


@tg.op
def cube(x):
    return x**3


@tg.op
def cube_by_mistake(x):
    return x**3


cube.vjps(x=lambda g, x: 3 * g * x * x)
cube_by_mistake.vjps(x=lambda g, x: 3 * g * x)

TENSORS = {
    "op": (cube, [X], {}, {"slope, derivative 2", "forward slope", "memory is freed"}),
    "op with settings": (tg.sum, [X[None]], {"kwargs": {"axis": 1}}, {"slope", "no_grad"}),
    "one input of an op": (tg.multiply, [X, Y], SECOND, {"slope"}),
    "function of Tensors": (lambda p, k: cube(p["w"])[k], [{"w": tg.Tensor(X)}, np.array([0, 1, 0])], {}, {"slope"}),
    "named framework": (lambda x: cube(x), [X], {"framework": "tinygrad_edu"}, {"slope"}),
    "loss": (nn.cross_entropy, [np.eye(3), np.arange(3)], {"kwargs": {"label_smoothing": 0.1}}, {"slope"}),
    "module": (nn.Linear(3, 2), [np.ones((4, 3), np.float32)], {}, {"slope (train)", "float32 (eval)", "state"}),
}  # fmt: skip


@pytest.mark.parametrize("name", TENSORS)
def test_functions_of_tensors(name):
    f, args, settings, laws = TENSORS[name]
    assert laws <= check(f, *args, **settings).seconds.keys()


def test_a_wrong_op():
    for f, x in ((cube_by_mistake, X), (lambda x: cube_by_mistake(x), tg.Tensor(X))):
        with pytest.raises(GradientMismatch, match="missing factor: the input"):
            check(f, x)


# --- Calls without a meaning ---

REFUSED = {
    "no claim": ([optimize.rosen, X], {}, r"rosen is called with NumPy arrays, .* check\(f, x, grad=f_gradient\)"),
    "no claim, numpy": ([np.sin, X], {"framework": "numpy"}, "is called with NumPy arrays"),
    "Hessian alone": ([np.sum, X], {"hess": np.ones_like}, "hess is compared with .* Give grad"),
    "no input": ([lambda n: n**2, 3], {"grad": lambda n: 2 * n}, "no input .* pass floating-point numbers"),
    "integers as Tensors": ([cube, np.arange(3)], {}, "there is no input"),
    "not callable": ([np.sum, X], {"grad": X}, "grad must be callable, got array"),
    "True as a gradient": ([np.sum, X], {"grad": True}, "grad must be callable, got True"),
    "too few arguments": ([scaled, X, Y], {"grad": lambda x: x}, r"accept the call grad\(x, y\), got <lambda>\(x\)"),
    "no cotangent": ([np.sin, X], {"vjp": lambda x: x}, r"must accept the call vjp\(\w+, cotangent\)"),
    "no tangent": ([scaled, X, Y], {"jvp": lambda x, y: x}, r"jvp\(x, y, tangent of x, tangent of y\)"),
    "not a function": ([X, X], {"grad": np.cos}, "f must be a function, a layer or a module, got array"),
    "a complex number": ([np.exp, 0.5 + 1j], {"grad": np.exp}, "exp returns a complex number. Give vjp or jac"),
    "one input of a module": ([nn.Linear(3, 2), X], {"wrt": ()}, "with respect to all inputs. Leave wrt out"),
    "not a number": ([np.sin, X], {"grad": np.cos}, r"sin returns an array of shape \(3,\). Give vjp or jac"),
    "no pair": ([np.sin, X], {"jac": True}, "must return a pair of its value and"),
    "unknown name": ([scaled, X, Y], {"grad": max, "wrt": "z"}, "wrt must name arguments of scaled, x, y, .* got 'z'"),
    "unknown position": ([scaled, X, Y], {"grad": max, "wrt": (0, 2)}, "or give their positions, got 2"),
    "unknown framework": ([np.sin, X], {"framework": "pytorch"}, "framework must be one of .*'torch'"),
    "another framework": ([cube, X], {"framework": "numpy"}, "belong to tinygrad_edu, but framework is 'numpy'"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_call_without_a_meaning_is_refused_with_the_next_step(name):
    arguments, settings, words = REFUSED[name]
    with pytest.raises(VJPDefinitionError, match=words):
        check(*arguments, **settings)


# --- JAX and Keras ---


@pytest.mark.thorough
def test_jax_and_keras():
    keras, jax = pytest.importorskip("keras", reason="needs the extra keras"), pytest.importorskip("jax")
    jnp, layers = jax.numpy, keras.layers

    def with_rule(factor):
        sine = jax.custom_vjp(jnp.sin)
        sine.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (factor * g * jnp.cos(x),))
        return sine

    def with_tangent(factor):
        sine = jax.custom_jvp(jnp.sin)
        sine.defjvp(lambda x, u: (jnp.sin(*x), factor * jnp.cos(*x) * u[0]))
        return jax.jit(lambda x: jax.lax.fori_loop(0, jnp.int32(jnp.abs(x).sum()), lambda _, y: sine(y), x))

    def layer(factor):
        return layers.Lambda(lambda x: with_rule(factor)(x))

    x = jnp.array(X)
    for make, args, settings, law in (
        (with_rule, [X], {}, "slope"),
        (with_rule, [0.5], {}, "slope"),
        (lambda factor: lambda x: with_rule(factor)(x), [X], {"framework": "jax"}, "slope"),
        (lambda factor: lambda a, x, n=1: n * with_rule(factor)(x), [x, x], SECOND | {"kwargs": {"n": 2}}, "slope"),
        (with_tangent, [x], {}, "forward slope"),
        (layer, [X], {}, "slope"),
    ):
        assert law in check(make(1), *args, **settings).seconds
        assert run_check(check, make(1.01), *args, **settings).status == "wrong"
    assert check(jnp.sin, x, jvp=lambda x, u: jnp.cos(x) * u).status == "right"
    assert check(layers.Dropout(0.5), np.ones((4, 3)), kwargs={"training": True}).status == "right"
    assert check(keras.ops.softplus, x).status == "right"


# --- PyTorch ---


@pytest.mark.peers
def test_torch():
    import torch

    torch.set_num_threads(1)

    class Cube(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x):
            return x**3

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

    def reverse(factor):
        rule = staticmethod(lambda ctx, g: factor * 3 * g * ctx.saved_tensors[0] ** 2)
        return type("Reverse", (Cube,), {"backward": rule}).apply

    def forward(factor):
        rule = staticmethod(lambda ctx, u: factor * 3 * u * ctx.saved_tensors[0] ** 2)
        return type("Forward", (Cube,), {"jvp": rule}).apply

    class Model(torch.nn.Linear):
        def __init__(self, factor):
            super().__init__(3, 2)
            self.factor = factor

        def forward(self, x, power=1):
            return reverse(self.factor)(super().forward(x)) ** power

    x = torch.tensor(X)
    for make, args, settings, law in (
        (reverse, [x], {}, "slope"),
        (lambda factor: lambda x: reverse(factor)(x), [X], {"framework": "torch"}, "slope"),
        (lambda factor: lambda x, y: x * reverse(factor)(y), [x, x], {"wrt": "y"}, "slope"),
        (forward, [x], {}, "forward slope"),
        (Model, [X[None]], {}, "slope"),
        (Model, [X[None]], {"kwargs": {"power": 2}}, "slope"),
    ):
        assert law in check(make(1), *args, **settings).seconds
        assert run_check(check, make(1.01), *args, **settings).status == "wrong"
    assert check(lambda x: x.pow(3).sum(), x, grad=lambda x: 3 * x.square()).status == "right"
    jax = pytest.importorskip("jax")
    with pytest.raises(VJPDefinitionError, match=r"belong to jax and torch\. Pass arrays of one framework"):
        check(lambda x, y: x * y, x, jax.numpy.ones(3))
