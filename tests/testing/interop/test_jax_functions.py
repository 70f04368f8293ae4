"""check_jax and check_keras: correct functions pass, wrong vjps are named, and layers and settings do not change."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import re
import sys

import numpy as np
import pytest

from tests.effort import thorough
from tinygrad_edu.errors import DTypeError, MissingExtraError, VJPDefinitionError
from tinygrad_edu.errors.extras import remedy
from tinygrad_edu.testing import check_jax, check_keras, check_module, run_check
from tinygrad_edu.testing.failures import GradientMismatch, LawBroken, NotDeterministic

keras = pytest.importorskip("keras", reason="needs the extra keras")
jax = pytest.importorskip("jax")
jnp, layers = jax.numpy, keras.layers
pytestmark = pytest.mark.thorough

X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
PARAMS = {"w": jnp.ones((3, 2)), "b": [jnp.zeros(2), "bias"], "steps": 2}


def sine(factor=1.0, only=None):
    """Return a sine whose vjp is wrong by a factor, and that accepts only one dtype if one is given."""

    @jax.custom_vjp
    def sin(x):
        if only is not None and x.dtype != only:
            raise TypeError(f"only {only}")
        return jnp.sin(x)

    sin.defvjp(lambda x: (sin(x), x), lambda x, g: (factor * g * jnp.cos(x),))
    return sin


def flat_at_second_order():
    sin = jax.custom_vjp(jnp.sin)
    sin.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (g * jax.lax.stop_gradient(jnp.cos(x)),))
    return sin


def dropped(key, x):
    return jnp.where(jax.random.bernoulli(key, 0.5, x.shape), x * x, 0)


def linear(params, x):
    return {"out": jnp.tanh(x @ params["w"] + params["b"][0]) * params["steps"], "n": jnp.arange(3), "name": 1.0}


def scaled_by_sign(x):
    """Return |x| by a custom gradient with a computed value in its closure."""
    sign = jnp.sign(x)
    return jax.custom_gradient(lambda z: (z * sign, lambda g: g * sign))(x)


def cosine_distance(x, y):
    return 1 - x @ y / jnp.sqrt((x @ x) * (y @ y))


def looped(x):
    return jax.lax.while_loop(lambda state: state[0] < 3, lambda state: (state[0] + 1, jnp.sin(state[1])), (0, x))[1]


RIGHT = {
    "a computed value in a closure": (scaled_by_sign, [X[0]], 1),
    "pytrees": (linear, [PARAMS, X[0]], 2),
    "a vjp": (sine(), [X[0]], 2),
    "right once": (flat_at_second_order(), [X[0]], 1),
    "random numbers": (dropped, [jax.random.key(0), X[0]], 1),
    "numbers": (lambda x, n: x**n, [2.0, 3], 1),
    "half a byte short": (lambda x: x * x, [jnp.float16(2)], 1),
    "only float32": (sine(only=jnp.float32), [X[0]], 1),
    "a loop": (lambda w, x: jax.lax.scan(lambda h, v: (jnp.tanh(w * h + v), h), 0.0, x), [2.0, X[0]], 1),
    "looks at values": (lambda x: x * x if x[0] > 0 else x, [X[0]], 1),
    "bfloat16 inside": (lambda x: jnp.sum(x.astype(jnp.bfloat16) * 2), [X[0]], 1),
}
WRONG = {
    "a vjp": (sine(1.001), [X[0]], 1, r"^sin: the gradient of x is wrong: it is 1.001 times"),
    "in a pytree": (lambda p: sine(1.001)(p["w"]), [{"v": 1.0, "w": X[0]}], 1, r"gradient of p\['w'\] is wrong"),
    "only float32": (sine(1.01, jnp.float32), [X[0]], 1, "it is 1.0(100|0999).* times"),
    "second order": (flat_at_second_order(), [X[0]], 2, "sin, derivative 2: the gradient of x is wrong: it is zero"),
}


@pytest.mark.parametrize("name", thorough(RIGHT, quick=[*RIGHT][:2]))
def test_what_jax_differentiates_rightly_passes(name):
    f, point, order = RIGHT[name]
    check_jax(f, *point, order=order)
    assert jnp.ones(1).dtype == jnp.float32


@pytest.mark.parametrize("name", thorough(WRONG, quick=[*WRONG][:1]))
def test_a_wrong_vjp_of_jax_is_named(name):
    f, point, order, words = WRONG[name]
    with pytest.raises(GradientMismatch, match=words):
        check_jax(f, *point, order=order)


# --- The laws ---


def with_vjp(f, backward, **settings):
    """Return f with a reverse rule (inputs, cotangent) -> gradients."""
    g = jax.custom_vjp(lambda *xs: f(*xs))
    g.defvjp(lambda *xs: (f(*xs), xs), backward, **settings)
    return g


def scaled_in(dtype, factor):
    return with_vjp(jnp.sin, lambda xs, g: (g * jnp.cos(xs[0]) * (factor if g.dtype == dtype else 1),))


def where_perturbed(select):
    """Return a product whose rule knows which inputs are perturbed."""
    f = jax.custom_vjp(lambda x, y: x * y)
    f.defvjp(
        lambda x, y: (x.value * y.value, (x.value, y.value, x.perturbed and y.perturbed)),
        lambda saved, g: (g * saved[1], g * saved[0] * select(saved[2])), symbolic_zeros=True,
    )  # fmt: skip
    return f


def batched(factor):
    """Return a sine with a rule for batches."""
    f = jax.custom_batching.custom_vmap(jnp.sin)
    f.def_vmap(lambda size, is_batched, x: (factor * jnp.sin(x), True))
    return with_vjp(f, lambda xs, g: (g * jnp.cos(xs[0]),))


def batched_product(shared):
    """Return a product with a rule for batches, which calls `shared` with an input that all samples share."""
    f = jax.custom_batching.custom_vmap(lambda x, y: jnp.sin(x) * y)
    f.def_vmap(lambda size, is_batched, *xs: (
        jnp.sin(xs[0]) * xs[1] if all(is_batched) else shared(is_batched, *xs), True))  # fmt: skip
    return with_vjp(f, lambda xs, g: (g * jnp.cos(xs[0]) * xs[1], g * jnp.sin(xs[0])))


def with_axis(is_batched, *xs):
    return [x if has_axis else x[None] for x, has_axis in zip(xs, is_batched, strict=True)]


@pytest.mark.parametrize("factor", [1.0, 1.01])
def test_a_rule_for_batches_is_right_for_inputs_that_all_samples_share(factor):
    def shared(is_batched, *xs):
        x, y = with_axis(is_batched, *xs)
        return factor * jnp.sin(x) * y

    report = run_check(check_jax, batched_product(shared), X[0], X[0], skip=["narrow dtypes"])
    assert {v.law for v in report.verdicts if v.status == "wrong"} == (set() if factor == 1 else {"batching"})


PLANTED = {
    "subsets of inputs": (where_perturbed(lambda all_are: 1 if all_are else 0), [X[0], X[1]]),
    "narrow dtypes": (scaled_in(jnp.bfloat16, 1.1), [X[0]]),
    "batching": (batched(0.99), [X[0]]),
}


@pytest.mark.parametrize("law", thorough(PLANTED, quick=[*PLANTED][:1]))
def test_each_law_finds_what_no_other_law_finds(law):
    f, point = PLANTED[law]
    with pytest.raises(LawBroken) as caught:
        check_jax(f, *point)
    assert caught.value.report.verdicts[0].law == law
    assert check_jax(f, *point, skip=[law]).status == "right"


@pytest.mark.thorough
def test_right_rules_pass_each_law():
    for f, point in ((where_perturbed(lambda all_are: 1), [X[0], X[1]]), (batched(1.0), [X[0]])):
        report = check_jax(f, *point)
    reasons = {verdict.law: verdict.reason for verdict in report.verdicts if verdict.status == "not checked"}
    assert "no memory layouts" in reasons["layouts"]
    assert "forward-mode" in reasons["jvp equals vjp"]


def test_a_result_that_changes_when_it_is_differentiated():
    f = jax.custom_jvp(jnp.sin)
    f.defjvp(lambda xs, ts: (jnp.cos(xs[0]), ts[0] * jnp.cos(xs[0])))
    with pytest.raises(GradientMismatch, match="the result is another one when a gradient is computed"):
        check_jax(f, X[0])


@pytest.mark.parametrize("seed", thorough(range(12)))
def test_results_with_and_without_a_gradient_are_compared_by_their_rounding(seed):
    x = np.random.default_rng(seed).normal(size=4).astype(np.float32)
    assert run_check(check_jax, cosine_distance, x, x, skip=["narrow dtypes", "batching"]).status != "wrong"


@pytest.mark.thorough
def test_the_forward_derivative_is_checked_if_there_is_no_other():
    report = check_jax(looped, X[0])
    assert {"forward slope", "forward additivity"} <= report.seconds.keys()
    reasons = {v.law: v.reason for v in report.verdicts if v.reason}
    assert reasons["slope"].startswith("there is only a forward derivative: Reverse-mode")
    doubled = jax.custom_jvp(jnp.sin)
    doubled.defjvp(lambda point, tangents: (jnp.sin(*point), 2 * jnp.cos(*point) * tangents[0]))
    with pytest.raises(GradientMismatch, match="the forward derivative along x is wrong"):
        check_jax(lambda x: looped(doubled(x)), X[0])


def squared_modulus(z):
    return jnp.real(z) ** 2 + jnp.imag(z) ** 2


@pytest.mark.thorough
def test_complex_numbers_have_the_convention_of_jax():
    z = X[0] + 1j * X[1]
    check_jax(lambda p: jnp.fft.rfft(p["x"]) * p["z"][:2], {"x": X[0], "z": z})
    check_jax(
        with_vjp(squared_modulus, lambda zs, g: (2 * g * jnp.conj(zs[0]),)), z, skip=["narrow dtypes", "batching"]
    )
    with pytest.raises(GradientMismatch, match="the gradient of x0 is wrong"):
        check_jax(with_vjp(squared_modulus, lambda zs, g: (2 * g * zs[0],)), z)


def test_errors_of_the_function_come_through():
    with pytest.raises(NotDeterministic):
        check_jax(lambda x: x * np.random.default_rng().random(), X[0])
    with pytest.raises(DTypeError, match="check_keras: expected a layer or model, got function"):
        check_keras(lambda x: x, X)
    with pytest.raises(DTypeError, match=r"check_module: expected a tinygrad_edu module, .* keras; use check_keras"):
        check_module(layers.Dense(1), X)
    with pytest.raises(ZeroDivisionError):
        check_jax(lambda x: x / (1 // 0), X)
    with pytest.raises(VJPDefinitionError, match="order must be an integer >= 1, got 0"):
        check_jax(lambda x: x, X, order=0)
    with pytest.raises(DTypeError, match="must return a floating-point array"):
        check_jax(lambda x: 3, X)


class Wrong(keras.Layer):
    def build(self, shape):
        self.w = self.add_weight(shape=shape[-1:], name="w", initializer="ones")

    def call(self, x):
        return sine(1.01)(x * self.w)


def network():
    return keras.Sequential([layers.Dense(2), layers.BatchNormalization(), layers.Dropout(0.5)])


@pytest.mark.parametrize("training", thorough([False, True]))
def test_a_model_of_keras_is_checked_and_left_as_it_was(training):
    model = network()
    model.build(X.shape)
    before = [np.asarray(variable.value) for variable in model.variables]
    check_keras(model, X, training=training)
    for variable, value in zip(model.variables, before, strict=True):
        assert np.array_equal(variable.value, value)
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"} == {keras.config.floatx()}


@pytest.mark.slow
@pytest.mark.parametrize("layer", [layers.LSTM(1), layers.GRU(1), layers.LayerNormalization()], ids=lambda x: x.name)
def test_layers_compute_in_float64_throughout(layer):
    check_keras(layer, X[None], order=2)


def test_a_layer_computes_in_float64_if_64_bits_are_on_before_the_check():
    class Sine(keras.Layer):
        def call(self, x):
            return sine()(x)

    with jax.enable_x64(True):
        check_keras(Sine(), X, order=2)


@pytest.mark.parametrize("seed", thorough(range(5)))
def test_dropout_is_not_compared_between_dtypes_because_jax_draws_another_mask_in_each(seed):
    """The results are close because almost all elements are small, although the masks differ."""
    x = np.float32([1, *[0.01] * 19])
    for report in (
        check_jax(lambda x: jnp.where(jax.random.bernoulli(jax.random.key(seed), 0.5, x.shape), x, 0), x),
        check_keras(layers.Dropout(0.5, seed=seed), x, training=True),
    ):
        (verdict,) = (v for v in report.verdicts if v.law == "narrow dtypes")
        assert verdict.status == "not checked"
        assert verdict.reason == "the function draws random numbers, and others in each dtype"


def test_a_function_named_like_a_draw_is_compared_between_dtypes():
    report = check_jax(jax.jit(jax.named_call(jnp.sin, name="random_bits")), X[0])
    assert {v.status for v in report.verdicts if v.law == "narrow dtypes" and v.subject == "float32"} == {"right"}


def test_labels_and_nested_inputs_of_a_layer():
    check_keras(layers.Embedding(5, 2), np.array([[1, 3, 1]]))
    check_keras(layers.Concatenate(axis=1), [X, X[:, :1]])


def test_a_wrong_layer_is_named():
    with pytest.raises(GradientMismatch, match=r"^layer Wrong: the gradient of wrong/w is wrong: it is 1.01 times"):
        check_keras(Wrong(), X)


@pytest.mark.parametrize(("check", "package"), [(check_jax, "jax"), (check_keras, "keras")])
def test_what_is_missing_is_named_with_a_line_to_install_it(check, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=re.escape(f"requires {package}: {remedy('keras')}")):
        check(None, X)
